"""The golden set: slices that the champion answers rightly, and no later version may unlearn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import numpy as np

from artemis.errors import ModelError
from artemis.labels import CATEGORY_NAMES
from artemis.models.comparison import Agreement, compare_answers
from artemis.system.files import write_text_atomic
from artemis.training.gate.evidence import Evidence, Provenance
from artemis.training.labelled.dataset import TrainingSet
from artemis.training.sides import Side
from artemis.training.train import Split

GOLDEN_NAME: Final = "golden.json"
"""In a model's folder of the workspace: slices that no later version may answer otherwise."""

_PER_CATEGORY: Final = 5
_CONFIDENCE: Final = 0.8


def golden_agreement(
    path: Path, data: TrainingSet, split: Split, challenger: Side, champion: Side, least: int
) -> Agreement | None:
    """Return how far both agree on the golden set, which is fixed once it is large enough.

    It is of locked slices that the model's own champion answers rightly, with confidence and,
    where it was trained on them, out of fold: what a later version must not unlearn. Of a
    champion whose answers say no such thing none is made, and None is returned. One of too few
    slices counts this time and is not kept: the next champion makes another.

    Parameters
    ----------
    path : Path
        The golden set's file, made if there is none and the set is large enough.
    data : TrainingSet
        Everything labelled, with pictures of both models' sizes.
    split : Split
        Its parts; `test` is locked.
    challenger, champion : Side
        Both models.
    least : int
        Slices of a golden set that is kept.

    Raises
    ------
    ModelError
        If the file is damaged.
    """
    if path.is_file():
        chosen = golden_slices(path)
    else:
        fair = champion.evidence
        if fair.provenance is Provenance.TRAINED_ON or not np.isfinite(fair.probabilities).all():
            return None
        chosen = _chosen(fair)
        if len(chosen) >= least:
            write_text_atomic(path, json.dumps({"slice_ids": chosen}, indent=1) + "\n")
    golden = data.table["slice_id"].isin(chosen).to_numpy()
    rows = np.flatnonzero(golden & split.test)
    pictures = {side: stack[rows] for side, stack in data.pictures.items()}
    return compare_answers(challenger.model, champion.model, pictures).agreement


def _chosen(fair: Evidence) -> list[str]:
    """Return the slices of a golden set: up to five of each category, by name."""
    sure = (fair.probabilities.argmax(axis=1) == fair.categories) & (
        fair.probabilities.max(axis=1) >= _CONFIDENCE
    )
    chosen: list[str] = []
    for category in range(len(CATEGORY_NAMES)):
        of = np.sort(fair.slice_ids[sure & (fair.categories == category)])
        chosen += of[:_PER_CATEGORY].tolist()
    return sorted(chosen)


def golden_slices(path: Path) -> list[str]:
    """Return the ids of the slices of a golden set.

    Raises
    ------
    ModelError
        If the file is damaged: it would otherwise end every retraining without a name.
    """
    try:
        return [*map(str, json.loads(path.read_bytes())["slice_ids"])]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{path}: expected the golden set as Artemis writes it. Received: "
            f"{type(error).__name__}. Restore it from a backup, or delete it to have one made of "
            "today's champion."
        ) from error
