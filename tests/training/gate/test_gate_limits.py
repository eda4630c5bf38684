"""What lies at a limit of the policy, and what lies just beyond it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from artemis.models.decisions import Decision, Verdict
from artemis.models.manifest import Interval
from artemis.training.gate.evidence import Evidence
from artemis.training.gate.evidence_checks import (
    check_golden,
    check_locked_set,
    check_predictions,
)
from artemis.training.gate.gate import decide
from artemis.training.gate.integrity import check_locked_whole, check_training_set
from artemis.training.gate.policy import Policy, load_policy
from tests.training.drawn import GOLDEN, complete, draw, with_answers

Figures = dict[str, Interval]

POLICY = load_policy().model_copy(
    update={"bootstrap": load_policy().bootstrap.model_copy(update={"resamples": 200})}
)
SLICES = 484  # of which a third of the categories has one more than the others
WORSE = with_answers(
    draw(2.7, slices=SLICES), draw(2.7, slices=SLICES).probabilities * 0.8 + 0.2 / 12
)
OTHER = draw(2.9, slices=SLICES, model=0)


def with_limit(section: str, key: str, limit: float) -> Policy:
    changed = getattr(POLICY, section).model_copy(update={key: limit})
    return POLICY.model_copy(update={section: changed})


def decided(policy: Policy, other: Evidence | None) -> Decision:
    return decide(policy, challenger=WORSE, champion=other, golden=GOLDEN, integrity=complete(()))


def commonest(evidence: Evidence) -> float:
    return float(np.bincount(evidence.categories).max() / len(evidence.categories))


@pytest.mark.parametrize(
    ("name", "section", "key", "other", "figure", "margin"),
    [
        # A margin above 0: what may be had is a limit that lies higher than the figure.
        (
            "floor_macro_f1",
            "floors",
            "min_macro_f1",
            None,
            lambda f: f["challenger_macro_f1"].low,
            -1,
        ),
        ("floor_ece", "floors", "max_ece", None, lambda f: f["challenger_ece"].value, 1),
        (
            "floor_chance",
            "floors",
            "min_above_chance",
            None,
            lambda f: f["challenger_accuracy"].low - commonest(WORSE),
            -1,
        ),
        (
            "plausible_accuracy",
            "suspicion",
            "implausible_accuracy",
            None,
            lambda f: f["challenger_accuracy"].value,
            1,
        ),
        (
            "macro_f1",
            "comparison",
            "min_macro_f1_difference_low",
            OTHER,
            lambda f: f["difference_macro_f1"].low,
            -1,
        ),
        ("ece", "comparison", "max_ece_rise", OTHER, lambda f: f["difference_ece"].value, 1),
        (
            "recall_glioma",
            "comparison",
            "max_tumor_recall_fall",
            OTHER,
            lambda f: -f["difference_recall_glioma"].value,
            1,
        ),
    ],
)
def test_figure_passes_within_its_limit_and_not_beyond(
    name: str,
    section: str,
    key: str,
    other: Evidence | None,
    figure: Callable[[Figures], float],
    margin: int,
) -> None:
    measured = figure(decided(POLICY, other).figures)
    assert abs(measured) > 0.001
    passed = []
    for step in (1e-9, -1e-9):
        decision = decided(with_limit(section, key, measured + margin * step), other)
        (check,) = [one for one in decision.checks if one.name == name]
        passed.append(check.passed)
    assert passed == [True, False]


def test_accuracy_at_the_implausible_one_and_a_difference_at_its_limit_do_not_pass() -> None:
    figures = decided(POLICY, OTHER).figures
    for name, section, key, limit in (
        (
            "plausible_accuracy",
            "suspicion",
            "implausible_accuracy",
            figures["challenger_accuracy"].value,
        ),
        (
            "macro_f1",
            "comparison",
            "min_macro_f1_difference_low",
            figures["difference_macro_f1"].low,
        ),
    ):
        decision = decided(with_limit(section, key, limit), OTHER)
        assert name in {check.name for check in decision.checks if not check.passed}


def test_calibration_errors_and_recalls_at_their_limits_pass() -> None:
    figures = decided(POLICY, OTHER).figures
    for name, section, key, limit in (
        ("ece", "comparison", "max_ece_rise", figures["difference_ece"].value),
        (
            "recall_glioma",
            "comparison",
            "max_tumor_recall_fall",
            -figures["difference_recall_glioma"].value,
        ),
    ):
        decision = decided(with_limit(section, key, limit), OTHER)
        assert name not in {check.name for check in decision.checks if not check.passed}
    for name, key, limit in (
        ("floor_macro_f1", "min_macro_f1", figures["challenger_macro_f1"].low),
        ("floor_ece", "max_ece", figures["challenger_ece"].value),
    ):
        decision = decided(with_limit("floors", key, limit), None)
        assert name not in {check.name for check in decision.checks if not check.passed}


@pytest.mark.parametrize(
    ("groups", "slices", "failed"),
    [
        (20, 480, set()),
        (19, 480, {"locked_groups"}),
        (24, 144, set()),  # 36 of each tumour type, 12 of each category
        (24, 132, {"locked_tumors"}),
        (24, 59, {"locked_categories", "locked_tumors"}),
    ],
)
def test_locked_set_at_its_least_is_enough(groups: int, slices: int, failed: set[str]) -> None:
    found = check_locked_set(POLICY, draw(groups=groups, slices=slices))
    assert {check.on_failure for check in found} == {Verdict.NEEDS_HUMAN}
    assert {check.name for check in found if not check.passed} == failed


def test_golden_set_at_its_limits_agrees() -> None:
    at = replace(GOLDEN, slices=12, equal_share=0.95, largest_difference=0.5)
    assert [check.passed for check in check_golden(POLICY, at)] == [True] * 3
    assert {check.on_failure for check in check_golden(POLICY, at)} == {Verdict.NEEDS_HUMAN}
    beyond = replace(GOLDEN, slices=11, equal_share=0.949, largest_difference=0.501)
    assert [check.passed for check in check_golden(POLICY, beyond)] == [False] * 3


def test_training_set_at_its_least_is_enough() -> None:
    categories = np.tile(np.arange(12), 20)
    groups = [f"g{k % 20}" for k in range(240)]
    assert [one.passed for one in check_training_set(POLICY, categories, groups)] == [True, True]
    fewer = check_training_set(POLICY, categories[1:], groups[:19])
    assert [(one.passed, one.received) for one in fewer] == [
        (False, "19 images of glioma, coronal"),
        (False, "19"),
    ]


def test_locked_set_may_lack_as_much_as_the_policy_says() -> None:
    locked = [f"s{k}" for k in range(100)]
    assert check_locked_whole(POLICY, locked, locked[:95]).passed
    assert not check_locked_whole(POLICY, locked, locked[:94]).passed


@pytest.mark.parametrize(("sum_", "broken"), [(1.0009, 0), (1.0011, 1), (0.9991, 0), (0.9989, 1)])
def test_probabilities_may_miss_one_by_a_thousandth(sum_: float, broken: int) -> None:
    model = draw(slices=48)
    p = model.probabilities.astype(np.float64)
    p[5] *= sum_ / p[5].sum()
    valid = check_predictions(with_answers(model, p))[0]
    assert (valid.passed, valid.received) == (not broken, f"{broken} of 48 rows that are not")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_row_with_one_value_that_is_not_finite_is_broken(value: float) -> None:
    model = draw(slices=48)
    p = model.probabilities.copy()
    p[5, 7] = value
    valid = check_predictions(with_answers(model, p))[0]
    assert (valid.passed, valid.received) == (False, "1 of 48 rows that are not")


def test_predictions_of_nothing_are_not_valid() -> None:
    valid = check_predictions(draw(slices=0))[0]
    assert (valid.passed, valid.received) == (False, "0 of 0 rows that are not")


def test_category_that_is_never_predicted_is_named() -> None:
    model = draw(6, slices=48)
    p = model.probabilities.copy()
    p[:, [4, 11]] = p[:, [3, 10]] / 2
    p /= p.sum(axis=1, keepdims=True)
    varied = check_predictions(with_answers(model, p))[1]
    assert not varied.passed
    assert varied.received == "never meningioma, sagittal; no tumour, transverse"


def test_locked_set_without_a_tumour_type_is_compared_by_the_others_and_left_to_a_human() -> None:
    one, other = (
        replace(model, categories=np.minimum(model.categories, 8)) for model in (draw(6), draw(6))
    )
    decision = decide(POLICY, challenger=one, champion=other, golden=GOLDEN, integrity=complete(()))
    names = {check.name for check in decision.checks}
    assert {"recall_glioma", "recall_pituitary"} <= names
    assert "recall_none" not in names
    assert decision.verdict is Verdict.NEEDS_HUMAN
