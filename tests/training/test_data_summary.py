from __future__ import annotations

import pandas as pd
import pytest

from artemis.training.data_summary import summary_of
from artemis.training.labelled.dataset import TrainingSet
from artemis.training.trainings import split_by_folds


def four_pictures(**columns: object) -> TrainingSet:
    """A picture of each of four groups, a fold each."""
    table = pd.DataFrame(
        {
            "slice_id": [f"{k:064x}" for k in range(4)],
            "category": [0, 0, 3, 11],
            "group": [str(k) for k in range(4)],
            "fold": range(4),
            "source": "drawn",
            "reviewed": False,
            "plane_predicted": False,
        }
        | columns
    )
    return TrainingSet(table, {}, corrected=0)


@pytest.mark.parametrize(
    ("known", "unknown"), [([True] * 4, 0), ([True, False, False, True], 2), ([False] * 4, 4)]
)
def test_pictures_whose_patient_and_group_are_not_given_are_counted(
    known: list[bool], unknown: int
) -> None:
    data = four_pictures(group_known=known)
    summary = summary_of(data, split_by_folds(data, test=3, calibration=2))
    assert (summary.images, summary.groups, summary.group_unknown) == (4, 4, unknown)
    assert (summary.trained_on, summary.calibrated_on, summary.locked) == (3, 1, 1)
