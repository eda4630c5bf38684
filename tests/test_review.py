from __future__ import annotations

import pytest

from artemis.review import Answer, review_reasons
from artemis.settings import ReviewSettings

SETTINGS = ReviewSettings(min_confidence=0.6, min_side=96, min_contrast=40)
SURE = Answer("glioma", "coronal", confidence=0.9, ood_score=1.0, ood_threshold=2.0)
GOOD = {"header_plane": "coronal", "width": 256, "height": 256, "contrast": 200.0}


def test_sure_agreed_good_slice_needs_no_review() -> None:
    assert review_reasons(SURE, [SURE], GOOD, SETTINGS) == []


@pytest.mark.parametrize(
    ("answer", "other", "row", "reason"),
    [
        ({}, {"tumor": "none"}, {}, "models_disagree"),
        ({}, {"plane": "sagittal"}, {}, "models_disagree"),
        ({"confidence": 0.59}, {}, {}, "low_confidence"),
        ({"ood_score": 2.1}, {}, {}, "out_of_distribution"),
        ({}, {}, {"header_plane": "sagittal"}, "plane_mismatch"),
        ({}, {}, {"width": 95}, "poor_quality"),
        ({}, {}, {"contrast": 39.0}, "poor_quality"),
    ],
)
def test_each_doubt_is_named(answer: dict, other: dict, row: dict, reason: str) -> None:
    def changed(by: dict) -> Answer:
        fields = ("tumor", "plane", "confidence", "ood_score", "ood_threshold")
        return Answer(**{name: by.get(name, getattr(SURE, name)) for name in fields})

    assert review_reasons(changed(answer), [changed(other)], GOOD | row, SETTINGS) == [reason]


@pytest.mark.parametrize("plane", [None, "oblique"])
def test_undecided_header_plane_contradicts_nothing(plane: str | None) -> None:
    assert review_reasons(SURE, [], GOOD | {"header_plane": plane}, SETTINGS) == []


def test_far_slice_of_another_model_does_not_flag_this_one() -> None:
    far = Answer("glioma", "coronal", 0.9, ood_score=9.0, ood_threshold=2.0)
    assert review_reasons(SURE, [far], GOOD, SETTINGS) == []
