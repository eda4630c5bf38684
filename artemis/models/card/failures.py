"""Where a model fails: its most confident mistakes, out of its records.

A model's folder is what is copied, packaged and mailed, so no picture of a patient may lie in
it: the card there lists the mistakes. Where the pictures are at hand, in the workspace of the
training, they are kept there instead, see `artemis.training.failures`, and a page among the
workspace's reports shows them with the evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from artemis.labels import PROBABILITY_COLUMNS
from artemis.models.manifest import Manifest, Mistake
from artemis.models.mistakes import worst_mistakes
from artemis.models.out_of_fold import read_out_of_fold


@dataclass(frozen=True, slots=True)
class FailureRecord:
    """Mistakes, the surest first, and in words which slices they are of."""

    mistakes: tuple[Mistake, ...]
    words: str


def failure_record(folder: Path, manifest: Manifest) -> FailureRecord | None:
    """Return a model's most confident mistakes on slices that whoever answered had not seen.

    Parameters
    ----------
    folder : Path
        The model's folder.
    manifest : Manifest
        As `artemis.models.manifest.load_manifest` returned it.

    Returns
    -------
    FailureRecord or None
        Those of the evaluation; of a model that is older than that record, those of its
        out-of-fold predictions; None of one that has neither.

    Raises
    ------
    ModelError
        If the out-of-fold predictions are damaged.
    """
    if manifest.evaluation.mistakes:
        return FailureRecord(
            tuple(manifest.evaluation.mistakes),
            f"Of the {manifest.evaluation.images} slices that the figures above are of; at most "
            "two of a patient group, since errors come by patient.",
        )
    table = read_out_of_fold(folder, manifest)
    if table is None or "category" not in table:
        return None
    answered = table.dropna(subset=list(PROBABILITY_COLUMNS))
    if answered.empty:
        return None
    found = worst_mistakes(
        answered[list(PROBABILITY_COLUMNS)].to_numpy(dtype=np.float32),
        answered["category"].to_numpy(dtype=np.int64),
        answered["slice_id"].tolist(),
        None,
        None,
    )
    return FailureRecord(
        tuple(found),
        f"Of {len(answered)} different slices of the training set, each answered by a network that "
        "had not seen its patient. The record of this model does not hold the mistakes of its test "
        "slices, nor the patient group and source of these.",
    )
