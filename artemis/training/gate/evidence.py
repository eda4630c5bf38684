"""What a model says of the locked slices, and whether that can be held for it.

A model's own answers on slices that it was trained on prove nothing. Its out-of-fold
predictions do: those of networks of the same recipe, each trained without the slice's patient
group. They are kept in ``out_of_fold.parquet`` in the model's folder, listed with its hash in
the manifest: ``slice_id``, ``fold``, twelve columns ``p_<category>``, and, so that changed
labels can be counted later, ``category`` (the index trained with); a row for every slice
trained on, with empty probabilities where none were made out of fold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artemis.labels import CATEGORIES, PROBABILITY_COLUMNS
from artemis.models.decisions import ModelVersion
from artemis.training.labelled.split import content_names


class Provenance(StrEnum):
    """How predictions came about.

    `UNSEEN`: by the model itself, on slices of groups that it was not trained on.
    `OUT_OF_FOLD`: on slices that it was trained on, by networks that were not.
    `TRAINED_ON`: by the model itself, on slices that it was, or may have been, trained on.
    """

    UNSEEN = "unseen"
    OUT_OF_FOLD = "out_of_fold"
    TRAINED_ON = "trained_on"


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """A model's predictions on locked slices.

    Attributes
    ----------
    model : str
        Name of the model.
    version : ModelVersion
        Version and SHA-256 of the weights.
    provenance : Provenance
        Whether the model was trained on the slices.
    slice_ids, groups, sources : ndarray, (n,), str
        Slices, patient group of each, and where each comes from.
    categories : ndarray, (n,), int64
        True category indices, 0 to 11.
    probabilities : ndarray, (n, 12), float32
        Calibrated.

    Raises
    ------
    ValueError
        If shapes or category indices are others. Values of the probabilities are the gate's
        to check.
    """

    model: str
    version: ModelVersion
    provenance: Provenance
    slice_ids: NDArray[np.str_]
    groups: NDArray[np.str_]
    sources: NDArray[np.str_]
    categories: NDArray[np.int64]
    probabilities: NDArray[np.float32]

    def __post_init__(self) -> None:
        n, count = len(self.slice_ids), len(CATEGORIES)
        lengths = {len(self.groups), len(self.sources), len(self.categories)}
        if lengths != {n} or self.probabilities.shape != (n, count):
            raise ValueError(
                f"Evidence: expected {n} groups, sources, categories and rows of {count} "
                f"probabilities. Received {sorted(lengths)} and {self.probabilities.shape}."
            )
        if n and not (self.categories.min() >= 0 and self.categories.max() < count):
            raise ValueError(
                f"Evidence: expected category indices 0 to {count - 1}. Received "
                f"{self.categories.min()} to {self.categories.max()}."
            )

    @property
    def dealt_groups(self) -> list[str]:
        """Group of each slice by a name that no workspace's secret is in, to draw groups by."""
        return content_names(pd.Series(self.groups), pd.Series(self.slice_ids)).tolist()

    @property
    def locked_set_sha256(self) -> str:
        """SHA-256 over slices, true categories and groups, independent of their order."""
        rows = zip(self.slice_ids, self.categories, self.dealt_groups, strict=True)
        lines = sorted(f"{slice_id} {category} {group}" for slice_id, category, group in rows)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def sorted(self) -> Evidence:
        """Return the same evidence in the order of the slices' ids."""
        order = np.argsort(self.slice_ids, kind="stable")
        return replace(
            self,
            slice_ids=self.slice_ids[order],
            groups=self.groups[order],
            sources=self.sources[order],
            categories=self.categories[order],
            probabilities=self.probabilities[order],
        )


def fair_evidence(
    own: Evidence,
    trained_on: Collection[str] | None,
    out_of_fold: pd.DataFrame | None,
    seen_groups: Collection[str] = (),
) -> Evidence:
    """Replace a model's answers on slices that it was trained on by its out-of-fold ones.

    Parameters
    ----------
    own : Evidence
        The model's own predictions; its `provenance` is not read.
    trained_on : collection of str, or None
        Slices that the model was trained on; None where that is not known. The slices of
        `out_of_fold` count as well.
    out_of_fold : pandas.DataFrame or None
        See `artemis.models.out_of_fold.read_out_of_fold`.
    seen_groups : collection of str
        Patient groups of which the model was trained on a slice: on another slice of the patient,
        or on a copy of a locked one under another name, it is no stranger either.

    Returns
    -------
    Evidence
        ``unseen`` if it was trained on none of the slices, nor on their groups; ``out_of_fold``
        if every answer on one that it was trained on could be replaced; else ``trained_on``.
    """
    if trained_on is None and out_of_fold is None:
        return replace(own, provenance=Provenance.TRAINED_ON)
    known, answers = set(trained_on or ()), pd.DataFrame(columns=[*PROBABILITY_COLUMNS])
    if out_of_fold is not None:
        known |= set(out_of_fold["slice_id"])
        answers = out_of_fold.set_index("slice_id")[list(PROBABILITY_COLUMNS)].dropna()
    groups = set(seen_groups)
    seen = np.array(
        [
            slice_id in known or group in groups
            for slice_id, group in zip(own.slice_ids.tolist(), own.groups.tolist(), strict=True)
        ],
        dtype=bool,
    )
    if not seen.any():
        return replace(own, provenance=Provenance.UNSEEN)
    needed = own.slice_ids[seen]
    if not pd.Index(needed).isin(answers.index).all():
        return replace(own, provenance=Provenance.TRAINED_ON)
    probabilities = own.probabilities.copy()
    probabilities[seen] = answers.loc[needed].to_numpy(dtype=np.float32)
    return replace(own, provenance=Provenance.OUT_OF_FOLD, probabilities=probabilities)


def relabelled_share(
    categories: NDArray[np.int64],
    slice_ids: NDArray[np.str_],
    out_of_fold: pd.DataFrame | None,
) -> float | None:
    """Return the share of slices trained on before whose label is another now.

    Parameters
    ----------
    categories, slice_ids : ndarray, (n,)
        Labels and slices of the new training set.
    out_of_fold : pandas.DataFrame or None
        Of the champion, see `artemis.models.out_of_fold.read_out_of_fold`.

    Returns
    -------
    float or None
        0 where the two have no slice in common; None where the champion's labels are not
        known.
    """
    if out_of_fold is None:
        return None
    before = out_of_fold.set_index("slice_id")["category"]
    now = pd.Series(categories, index=slice_ids)
    now = now[~now.index.duplicated()]
    common = now.index.intersection(before.index)
    return float((now[common] != before[common]).mean()) if len(common) else 0.0
