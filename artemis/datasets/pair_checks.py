"""Checks of an audit on pictures that belong together: copies, groups, crossings of a split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artemis.datasets.copies import Fingerprints
from artemis.datasets.findings import Finding, Kind, Severity
from artemis.labels import NO_TUMOR
from artemis.said import TUMOR_WORDS

_TRAINING: Final = "training"
_PAIR_COLUMNS: Final = ("first", "second", "kind", "correlation", "mirrored")


@dataclass(frozen=True, slots=True)
class Labelled:
    """Labelled pictures that could be read, with what they are compared by.

    Attributes
    ----------
    table : pandas.DataFrame
        m rows, index 0 to m - 1: ``path``, ``tumor``, ``plane``, and optionally
        ``plane_predicted``, ``patient``, ``source``, ``official_split``, ``group``, ``fold``.
    copies : pandas.DataFrame
        As `artemis.datasets.copies.find_copies` returns it.
    groups : ndarray, (m,), int64
        Pictures of one patient or given group, their copies, and copies of these.
    prints : Fingerprints
        Fingerprints.
    """

    table: pd.DataFrame
    copies: pd.DataFrame
    groups: NDArray[np.int64]
    prints: Fingerprints

    def label(self, column: str, position: int) -> str:
        """Return the path, tumour or plane of a picture."""
        return str(self.table[column].iat[position])

    def values(self, column: str) -> list[object]:
        """Return an optional column; None where it is missing or its values are."""
        if column not in self.table:
            return [None] * len(self.table)
        values = self.table[column].astype(object)
        return list(values.where(values.notna(), None))


def linked(values: pd.Series[Any]) -> pd.DataFrame:
    """Return pairs ``first``, ``second`` that link the positions of equal values, in a chain.

    Missing values are equal to nothing.
    """
    known = values.reset_index(drop=True).dropna()
    before = known.groupby(known).transform(
        lambda same: pd.Series(same.index, index=same.index).shift()
    )
    pairs = pd.DataFrame({"first": before, "second": known.index}).dropna()
    return pairs.astype("int64").reset_index(drop=True)


def copy_findings(data: Labelled) -> Iterator[Finding]:
    """Yield every pair of copies; and once more where their labels or given groups differ."""
    patients, given = data.values("patient"), data.values("group")
    pairs = data.copies
    for first, second, kind, correlation, mirrored in zip(
        *(pairs[name].tolist() for name in _PAIR_COLUMNS), strict=True
    ):
        exact = kind == "exact"
        same_patient = patients[first] is not None and patients[first] == patients[second]
        yield _pair(
            data,
            (first, second),
            Kind.EXACT_COPY if exact else Kind.NEAR_COPY,
            Severity.NOTE if same_patient and not exact else Severity.WARNING,
            correlation,
            _likeness(exact, mirrored, correlation, same_patient),
        )
        differing = _differing(data, first, second)
        if differing:
            yield _pair(
                data,
                (first, second),
                Kind.CONFLICTING_COPIES,
                Severity.ERROR,
                correlation + exact,  # the same picture stands before any other
                f"{'The same picture' if exact else 'Nearly the same picture'} "
                f"with different labels: {differing}.",
            )
        if given[first] is not None and given[first] != given[second]:
            yield _pair(
                data,
                (first, second),
                Kind.COPIES_APART,
                Severity.WARNING,
                correlation,
                "Copies that the given groups keep apart: a split by these groups can leak.",
            )


def _likeness(exact: bool, mirrored: bool, correlation: float, same_patient: bool) -> str:
    if exact:
        return "The same picture twice."
    alike = f"Nearly the same picture{', mirrored' if mirrored else ''}: "
    known = " They are of one patient, where neighbouring slices look alike too."
    return f"{alike}correlation {correlation:.3f}.{known if same_patient else ''}"


def _differing(data: Labelled, first: int, second: int) -> str:
    pairs = [(data.label(name, first), data.label(name, second)) for name in ("tumor", "plane")]
    return "; ".join(
        f"{TUMOR_WORDS.get(one, one)} and {TUMOR_WORDS.get(other, other)}"
        for one, other in pairs
        if one != other
    )


def _pair(
    data: Labelled,
    pair: tuple[int, int],
    kind: Kind,
    severity: Severity,
    score: float,
    sentence: str,
) -> Finding:
    first, second = pair
    return Finding(
        kind,
        severity,
        score,
        sentence,
        path=data.label("path", first),
        other_path=data.label("path", second),
        tumor=data.label("tumor", first),
        plane=data.label("plane", first),
        other_tumor=data.label("tumor", second),
        other_plane=data.label("plane", second),
        group=int(data.groups[first]),
    )


def group_findings(data: Labelled) -> Iterator[Finding]:
    """Yield the pictures whose tumour type differs from that of most of their group.

    A group is a patient or a set of copies; one with two types of tumour is rare enough to
    be looked at. Pictures without tumour are left out: a patient's slices beside it have none.
    """
    tumors = data.table["tumor"].to_numpy()
    for _, members in _members(data.groups):
        sick = members[tumors[members] != NO_TUMOR]
        counts = pd.Series(tumors[sick]).value_counts()
        if len(counts) < 2:
            continue
        majority = counts.index[0]
        others = sick[tumors[sick] == majority]
        for position in sick[tumors[sick] != majority]:
            nearest = others[_most_alike(data.prints, position, others)]
            words = ", ".join(f"{count} {name}" for name, count in counts.items())
            yield _pair(
                data,
                (int(position), int(nearest)),
                Kind.CONFLICTING_GROUP,
                Severity.ERROR,
                float(counts.iloc[0] / len(sick)),
                f"Pictures of one patient or set of copies with different tumours: {words}.",
            )


def patient_findings(data: Labelled) -> Iterator[Finding]:
    """Yield how many pictures are of unknown patients, if any are: no split holds these apart."""
    known = data.table.reindex(columns=["patient", "group"]).notna().any(axis=1)
    unknown, of = int((~known).sum()), len(known)
    if unknown:
        some = "all" if unknown == of else f"{unknown:,} of the"
        yield Finding(
            Kind.UNKNOWN_PATIENTS,
            Severity.WARNING,
            unknown / of,
            f"Of {some} {of:,} pictures that could be read neither patient nor group "
            "is given, nor a patient named by a DICOM header. Copies alone hold these together, "
            "and slices of one study: other slices of one person may be both trained on and "
            "tested on, and figures are too good by that. Give a manifest with a column patient.",
        )


def crossing_findings(data: Labelled) -> Iterator[Finding]:
    """Yield the groups that cross a given split, with the two pictures of it most alike.

    Pictures that name no side of a split are passed over; the others are looked at.
    """
    halves = data.values("official_split")
    yield from _crossings(data, np.array(halves, dtype=object), "the official split")
    folds = data.table.reindex(columns=["fold"])["fold"].astype("Int64")
    names = [None if pd.isna(fold) else f"fold {fold}" for fold in folds]
    yield from _crossings(data, np.array(names, dtype=object), "the given folds")


def _crossings(data: Labelled, sides: NDArray[Any], split: str) -> Iterator[Finding]:
    given = pd.notna(sides)
    for _, whole in _members(data.groups):
        members = whole[given[whole]]
        counts = pd.Series(sides[members]).value_counts()
        if len(counts) < 2:
            continue
        home = _TRAINING if _TRAINING in counts.index else counts.index[0]
        away = members[sides[members] != home]
        there = members[sides[members] == home]
        likeness = data.prints.thumbs[away] @ data.prints.thumbs[there].T
        row, column = np.unravel_index(int(likeness.argmax()), likeness.shape)
        words = ", ".join(f"{count} in {name}" for name, count in counts.items())
        yield _pair(
            data,
            (int(away[row]), int(there[column])),
            Kind.CROSSING_SPLIT,
            Severity.ERROR,
            min(float(likeness[row, column]), 1.0),  # rounding
            f"Copies or pictures of one patient cross {split}: {words}"
            f"{f', {lost} in neither' if (lost := len(whole) - len(members)) else ''}.",
        )


def _members(groups: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    order = np.argsort(groups, kind="stable")
    numbers, starts = np.unique(groups[order], return_index=True)
    for number, members in zip(numbers, np.split(order, starts[1:]), strict=True):
        if len(members) > 1:
            yield int(number), members


def _most_alike(prints: Fingerprints, position: int, others: NDArray[np.int64]) -> int:
    return int((prints.thumbs[others] @ prints.thumbs[position]).argmax())
