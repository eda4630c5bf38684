from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from artemis.answers.review import Answer, ReviewReason, doubt_of, review_reasons, sureness
from artemis.settings import ReviewSettings

SETTINGS = ReviewSettings(min_confidence=0.6, min_side=96, min_contrast=40)
SURE = Answer("glioma", "coronal", confidence=0.9, ood_score=1.0, ood_threshold=2.0, set_size=1)
GOOD = {
    **{"header_plane": "coronal", "width": 256, "height": 256},
    **{"contrast": 200.0, "burnt_in": False},
}


def test_sure_agreed_good_slice_needs_no_review() -> None:
    assert review_reasons(SURE, [SURE], GOOD, SETTINGS) == []


@pytest.mark.parametrize(
    ("answer", "other", "row", "reason"),
    [
        ({}, {"tumor": "none"}, {}, "models_disagree"),
        ({}, {"plane": "sagittal"}, {}, "models_disagree"),
        ({"set_size": 2}, {}, {}, "set_larger_than_one"),
        ({"confidence": 0.59}, {}, {}, "low_confidence"),
        ({"ood_score": 2.1}, {}, {}, "out_of_distribution"),
        ({}, {}, {"header_plane": "sagittal"}, "plane_mismatch"),
        ({}, {}, {"width": 95}, "poor_quality"),
        ({}, {}, {"contrast": 39.0}, "poor_quality"),
        ({}, {}, {"burnt_in": True}, "text_burnt_in"),
    ],
)
def test_each_doubt_is_named(answer: dict, other: dict, row: dict, reason: str) -> None:
    def changed(by: dict) -> Answer:
        fields = ("tumor", "plane", "confidence", "ood_score", "ood_threshold", "set_size")
        return Answer(**{name: by.get(name, getattr(SURE, name)) for name in fields})

    assert review_reasons(changed(answer), [changed(other)], GOOD | row, SETTINGS) == [reason]


@pytest.mark.parametrize("plane", [None, "oblique"])
def test_undecided_header_plane_contradicts_nothing(plane: str | None) -> None:
    assert review_reasons(SURE, [], GOOD | {"header_plane": plane}, SETTINGS) == []


def test_far_slice_of_another_model_does_not_flag_this_one() -> None:
    far = replace(SURE, ood_score=9.0)
    assert review_reasons(SURE, [far], GOOD, SETTINGS) == []


def test_limits_are_those_of_the_settings() -> None:
    loose = ReviewSettings(max_set_size=3, max_ood_ratio=2.0)
    answer = replace(SURE, set_size=3, ood_score=3.9)
    assert review_reasons(answer, [], GOOD, loose) == []
    large = review_reasons(replace(answer, set_size=4), [], GOOD, loose)
    far = review_reasons(replace(answer, ood_score=4.1), [], GOOD, loose)
    assert (large, far) == (["set_larger_than_one"], ["out_of_distribution"])


def test_of_a_far_slice_nothing_that_rests_on_confidence_is_a_reason() -> None:
    far = replace(SURE, confidence=0.1, set_size=7, ood_score=2.1)
    assert review_reasons(far, [], GOOD, SETTINGS) == ["out_of_distribution"]
    near = replace(far, ood_score=2.0)
    assert review_reasons(near, [far], GOOD, SETTINGS) == ["set_larger_than_one", "low_confidence"]


def test_slice_at_every_limit_needs_no_review() -> None:
    least = GOOD | {"width": 96, "height": 96, "contrast": 40.0}
    at_limits = replace(SURE, confidence=0.6, ood_score=2.0)
    assert review_reasons(at_limits, [], least, SETTINGS) == []
    assert review_reasons(SURE, [], GOOD | {"height": 95}, SETTINGS) == ["poor_quality"]


def test_reasons_stand_in_their_declared_order_and_one_other_model_may_disagree() -> None:
    bad = replace(SURE, confidence=0.5, ood_score=2.1, set_size=2)
    other = replace(bad, tumor="none")
    row = GOOD | {"header_plane": "sagittal", "width": 20, "burnt_in": True}
    near = replace(bad, ood_score=2.0)
    given = [review_reasons(answer, [bad, other], row, SETTINGS) for answer in (bad, near)]
    confident = {ReviewReason.SET_LARGER_THAN_ONE, ReviewReason.LOW_CONFIDENCE}
    assert given == [
        [str(one) for one in ReviewReason if one not in confident],
        [str(one) for one in ReviewReason if one is not ReviewReason.OUT_OF_DISTRIBUTION],
    ]


def test_sureness_is_that_of_the_less_sure_half() -> None:
    p = np.zeros((2, 12), dtype=np.float32)
    p[0, [0, 1, 3]] = 0.5, 0.2, 0.3  # glioma coronal, glioma sagittal, meningioma coronal
    p[1, [0, 1, 3]] = 0.5, 0.3, 0.2
    assert sureness(p, [], 0.1).tolist() == pytest.approx([0.7, 0.7])


def test_other_models_share_in_it_by_their_weight() -> None:
    own, other = np.zeros((2, 1, 12), dtype=np.float32)
    own[0, [0, 3]], other[0, [0, 3]] = (0.9, 0.1), (0.4, 0.6)
    assert sureness(own, [other], 0.1)[0] == pytest.approx(0.9 * 0.9 + 0.1 * 0.4)
    assert sureness(own, [other, own], 0.2)[0] == pytest.approx(0.8 * 0.9 + 0.2 * 0.65)


@given(arrays(np.float32, (3, 12), elements=st.floats(2**-10, 1, width=32)), st.floats(0, 1))
def test_sureness_is_at_least_the_answers_probability_and_at_most_one(
    drawn: np.ndarray, weight: float
) -> None:
    p = drawn / drawn.sum(axis=1, keepdims=True)
    alone = sureness(p, [], weight)
    assert (alone >= p.max(axis=1) - 1e-6).all()
    assert (alone <= 1).all()
    assert sureness(p, [p, p], weight) == pytest.approx(alone)


def test_doubt_is_what_the_models_are_not_sure_of() -> None:
    assert doubt_of(SURE, 0.9, [], SETTINGS) == pytest.approx(0.1)


def test_far_slice_is_in_doubt_however_sure_the_models_are() -> None:
    far = replace(SURE, ood_score=4.0)
    assert doubt_of(far, 1.0, [], SETTINGS) == pytest.approx(0.75)
    assert doubt_of(replace(SURE, ood_score=2.0), 1.0, [], SETTINGS) == 0  # at the limit
    wider = ReviewSettings(max_ood_ratio=1.5)
    assert doubt_of(far, 1.0, [], wider) == pytest.approx(1 - 0.5 * 3 / 4)


def test_header_and_quality_add_their_doubt() -> None:
    assert doubt_of(SURE, 0.9, ["plane_mismatch"], SETTINGS) == pytest.approx(1 - 0.9 * 0.5)
    both = ["plane_mismatch", "poor_quality"]
    assert doubt_of(SURE, 0.9, both, SETTINGS) == pytest.approx(1 - 0.9 * 0.5 * 0.75)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 9), st.floats(0.01, 9))
def test_doubt_is_monotone_in_what_it_is_made_of(
    low: float, high: float, near: float, far: float
) -> None:
    (low, high), (near, far) = sorted((low, high)), sorted((near, far))

    def doubt(sure: float, score: float, *reasons: str) -> float:
        return doubt_of(replace(SURE, ood_score=score), sure, reasons, SETTINGS)

    assert 0 <= doubt(high, near) <= doubt(low, near) <= 1
    assert doubt(high, near) <= doubt(high, far)
    assert doubt(high, near) <= doubt(high, near, "poor_quality")
