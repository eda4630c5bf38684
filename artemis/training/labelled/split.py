"""Groups of pictures that belong together, folds of whole groups, and the check for leaks.

The unit is the group: the pictures of one patient, joined with their exact and near copies,
and with the copies' patients. No group may be trained on and tested on.

A manifest's own folds may have been made with another rule for copies. In the 2,705 public
images, copies of four heads cross the manifest's folds, by eight pairs that correlate at
0.98 and more: an axial slice at two brightnesses, two mid-sagittal slices framed twice, and
a meningioma with and without a line around the picture. Such folds are kept as they are,
so that figures stay comparable; what would leak is left out of training (`disjoint`),
counted and named. Where that is more than `MAX_CROSSING` of the set, the folds were made
without looking for copies at all, and training stops.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artemis.datasets.copies import join_copies
from artemis.errors import TrainingDataError

SPLIT_SEED: Final = 20_221_012
MAX_CROSSING: Final = 0.05
"""Largest share of pictures whose groups cross given folds by copies alone.

Measured on the public images: 1.8 % for the manifest's folds, which look for copies by
another rule, and 17 % for Kaggle's own Training and Testing, which do not look at all.
"""

_FEWER: Final = (
    "Add patients, or divide those there are by a column `fold` in a manifest (2 folds or more). "
    "Patients are those of the labels, else of DICOM headers; copies are joined to them."
)
_NAMED: Final = 6
_DIGITS: Final = 12
_MADE: Final = re.compile(rf"(patient|picture)-[0-9a-f]{{{_DIGITS}}}")


def make_groups(labels: pd.DataFrame, copies: pd.DataFrame) -> pd.Series[str]:
    """Return the group of each picture.

    Pictures of one given ``group`` belong together, as do those of one ``patient`` and
    copies, and whatever is joined by any of these in several steps. A given group is never
    split.

    Parameters
    ----------
    labels : pandas.DataFrame
        ``path``, and ``patient`` and ``group``, which may be missing in some or all rows.
    copies : pandas.DataFrame
        Pairs of positions ``first`` and ``second``, as `artemis.datasets.copies.find_copies`
        returns them.

    Returns
    -------
    pandas.Series of str
        The given name where there is one (the first of several joined), else a hash of the
        patient, else a hash of the path. With the index of `labels`.
    """
    links = [copies[["first", "second"]], _links(labels["group"]), _links(labels["patient"])]
    joined = join_copies(len(labels), pd.concat(links, ignore_index=True))
    facts = labels[["group", "patient", "path"]].astype(object)
    of = facts.where(facts.notna(), None).groupby(joined)
    given, patient, path = of["group"].first(), of["patient"].min(), of["path"].min()
    names = [_name(*values) for values in zip(given, patient, path, strict=True)]
    return pd.Series([names[k] for k in joined], index=labels.index, dtype=object)


def content_names(groups: pd.Series[str], slice_ids: pd.Series[str]) -> pd.Series[str]:
    """Return names of groups that the pictures alone make, whatever the workspace.

    The patients of a workspace are keyed by its secret, and with them the names of their groups
    and the order of these. Whatever is dealt out or hashed by group goes by these names instead,
    so that the same pictures come to the same folds and hash everywhere.

    Parameters
    ----------
    groups : Series of str, (n,)
        From `make_groups`.
    slice_ids : Series of str, (n,)
        Content of each picture, in the same order.

    Returns
    -------
    Series of str, (n,)
        A given name as it is; instead of one that `make_groups` made, the smallest slice of the
        group among these. With the index of `groups`.
    """
    smallest = slice_ids.groupby(groups.to_numpy()).transform("min")
    names = [
        content if _MADE.fullmatch(name) else name
        for name, content in zip(groups, smallest, strict=True)
    ]
    return pd.Series(names, index=groups.index, dtype=object)


def make_folds(
    categories: NDArray[np.int64],
    groups: pd.Series[str],
    folds: int = 5,
    seed: int = SPLIT_SEED,
) -> NDArray[np.int64]:
    """Return a fold, 0 to `folds` - 1, for each picture: whole groups, categories balanced.

    Parameters
    ----------
    categories : ndarray, (n,), int64
        Category indices.
    groups : Series of str, (n,)
        From `content_names`: the same names and categories give the same folds, in whatever
        order the pictures are.
    folds : int
        Number of folds, at least 2.
    seed : int
        Of the order in which groups are dealt out.

    Raises
    ------
    TrainingDataError
        If there are too few groups, or a fold would stay empty.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    count = int(groups.nunique())
    most = int(np.bincount(categories).max()) if len(categories) else 0
    if folds < 2 or count < folds or most < folds:
        raise TrainingDataError(
            f"Split: expected at least {max(folds, 2)} groups of patients, and as many pictures in "
            f"the largest category, for {folds} folds. Received {count} groups and {most} "
            f"pictures. {_FEWER}"
        )
    assigned = np.full(len(categories), -1, dtype=np.int64)
    order = np.lexsort((categories, groups.to_numpy(dtype=np.str_)))
    sorted_categories, sorted_groups = categories[order], groups.to_numpy()[order]
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A category rarer than the folds is dealt out as far as it goes; the audit names it.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        parts = splitter.split(sorted_categories, sorted_categories, sorted_groups)
        for fold, (_, test) in enumerate(parts):
            assigned[order[test]] = fold
    sizes = np.bincount(assigned, minlength=folds)
    if (sizes == 0).any():
        raise TrainingDataError(
            f"Split: expected pictures in each of {folds} folds. Received folds of "
            f"{', '.join(map(str, sizes))} from {count} groups: one group is too large a part. "
            f"{_FEWER}"
        )
    return assigned


def disjoint(
    groups: pd.Series[str], train: NDArray[np.bool_], held_out: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return `train` without the held-out pictures and whatever shares a group with them.

    Parameters
    ----------
    groups : Series of str, (n,)
        From `make_groups`.
    train, held_out : ndarray, (n,), bool
        What is meant to be trained on, and what must be unseen.
    """
    unseen = groups.isin(groups[held_out].unique()).to_numpy()
    return np.asarray(train & ~held_out & ~unseen, dtype=np.bool_)


def crossing(groups: pd.Series[str], folds: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which pictures belong to a group that lies in more than one fold, (n,) bool."""
    spread = pd.Series(folds, index=groups.index).groupby(groups).transform("nunique")
    return np.asarray(spread > 1, dtype=np.bool_)


def check_folds(
    labels: pd.DataFrame, own: pd.Series[str], joined: pd.Series[str]
) -> NDArray[np.bool_]:
    """Check given folds, and return which pictures' groups cross them by copies alone.

    Parameters
    ----------
    labels : pandas.DataFrame
        ``path`` and ``fold``.
    own : Series of str
        Groups by what the labels say: patient and group.
    joined : Series of str
        Groups that are joined by copies as well.

    Returns
    -------
    ndarray, (n,), bool
        Pictures to be left out of training whenever a part of their group is held out.

    Raises
    ------
    TrainingDataError
        If a patient or given group is in several folds, or copies cross on a larger scale
        than `MAX_CROSSING`; names the files.
    """
    folds = labels["fold"].to_numpy(dtype=np.int64)
    torn = crossing(own, folds)
    if torn.any():
        raise _leak("every group of patients in one fold", labels, own, torn, folds)
    by_copies = crossing(joined, folds)
    if by_copies.mean() > MAX_CROSSING:
        raise _leak(
            f"folds that near copies cross with at most {MAX_CROSSING:.0%} of the pictures",
            labels,
            joined,
            by_copies,
            folds,
        )
    return by_copies


def check_leak(
    table: pd.DataFrame,
    copies: pd.DataFrame,
    train: NDArray[np.bool_],
    test: NDArray[np.bool_],
) -> None:
    """Raise if a picture, a group or a pair of copies is both trained on and tested on.

    Every training begins with it. Copies are checked by themselves, whatever the groups say.

    Parameters
    ----------
    table : pandas.DataFrame
        ``path`` and ``group``, a row a picture.
    copies : pandas.DataFrame
        Pairs of positions in `table`, ``first`` and ``second``.
    train, test : ndarray, (n,), bool
        What is trained on, and what is tested on.

    Raises
    ------
    TrainingDataError
        Naming the files.
    """
    groups, sides = table["group"], np.where(test, 1, 0)
    both = groups.isin(groups[train]) & groups.isin(groups[test])
    for what, leaking in (
        ("picture", train & test),
        ("group of patients and copies", both.to_numpy() & (train | test)),
    ):
        if leaking.any():
            expected = f"every {what} either trained on or tested on"
            raise _leak(expected, table, groups, leaking, sides)
    first, second = copies["first"].to_numpy(), copies["second"].to_numpy()
    across = (train[first] & test[second]) | (test[first] & train[second])
    if across.any():
        paths = table["path"].to_numpy()
        pairs = [f"{a} and {b}" for a, b in zip(paths[first], paths[second], strict=True)]
        named = [pair for pair, leaks in zip(pairs, across, strict=True) if leaks]
        raise TrainingDataError(
            f"Split: expected no copies across training and test. Received {len(named)} pairs: "
            f"{'; '.join(named[:_NAMED])}. Scores would be too good: keep each pair on one side."
        )


def _links(values: pd.Series[str]) -> pd.DataFrame:
    """Return pairs of positions that link all rows of each equal value, one after the other."""
    codes = pd.factorize(values)[0]
    order = np.argsort(codes, kind="stable")
    same = (codes[order][1:] == codes[order][:-1]) & (codes[order][1:] >= 0)
    return pd.DataFrame({"first": order[:-1][same], "second": order[1:][same]})


def _name(given: str | None, patient: str | None, path: str) -> str:
    if not pd.isna(given):
        return str(given)
    kind, value = ("picture", path) if pd.isna(patient) else ("patient", patient)
    return f"{kind}-{hashlib.sha256(f'{kind} {value}'.encode()).hexdigest()[:_DIGITS]}"


def _leak(
    expected: str,
    labels: pd.DataFrame,
    groups: pd.Series[str],
    leaking: NDArray[np.bool_],
    parts: NDArray[Any],
) -> TrainingDataError:
    """Return the error; it names files, since a group's name may be a patient's."""
    of = groups[leaking]
    first = (groups == of.iloc[0]).to_numpy() & leaking
    paths = labels["path"].to_numpy()
    return TrainingDataError(
        f"Split: expected {expected}. Received {int(leaking.sum())} pictures of {of.nunique()} "
        f"groups in several, the first in parts {sorted(set(parts[first].tolist()))}: "
        f"{', '.join(paths[first][:_NAMED])}. Scores on such a split would be too good. "
        "Keep each group in one part, or leave out `fold` to have folds made."
    )
