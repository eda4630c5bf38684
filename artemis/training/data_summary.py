"""What a retraining is made of, in numbers for its record."""

from __future__ import annotations

import numpy as np

from artemis.labels import CATEGORY_NAMES
from artemis.models.retrainings import DataSummary
from artemis.training.labelled.dataset import TrainingSet
from artemis.training.train import Split


def summary_of(data: TrainingSet, split: Split) -> DataSummary:
    """Return how many images and groups there are, and what becomes of them in a split."""
    table = data.table
    counts = np.bincount(table["category"], minlength=len(CATEGORY_NAMES))
    return DataSummary(
        sha256=data.sha256,
        images=len(table),
        groups=int(table["group"].nunique()),
        trained_on=int(split.train.sum()),
        calibrated_on=int(split.calibration.sum()),
        locked=int(split.test.sum()),
        per_category=dict(zip(CATEGORY_NAMES, counts.tolist(), strict=True)),
        per_source={str(k): int(v) for k, v in table["source"].value_counts().items()},
        reviewed=int(table["reviewed"].sum()),
        unavailable=data.unavailable,
        bad_images=data.bad_images,
        corrected=data.corrected,
        plane_predicted=int(table["plane_predicted"].sum()),
        left_out=int((~split.train & ~split.test).sum()),
        group_unknown=int((~data.of_known_groups).sum()),
    )
