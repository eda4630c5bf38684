from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artemis.models.comparison import Agreement
from artemis.models.decisions import Check, Decision, Verdict
from artemis.training.gate.evidence import Evidence, Provenance
from artemis.training.gate.gate import decide
from artemis.training.gate.policy import load_policy
from tests.training.drawn import GOLDEN, champion, complete, draw, with_answers

POLICY = load_policy()
FAST = POLICY.model_copy(
    update={"bootstrap": POLICY.bootstrap.model_copy(update={"resamples": 200})}
)


def verdict_on(
    challenger: Evidence,
    other: Evidence | None,
    *integrity: Check,
    golden: Agreement | None = GOLDEN,
) -> Decision:
    return decide(
        FAST, challenger=challenger, champion=other, golden=golden, integrity=complete(integrity)
    )


def failed(decision: Decision) -> dict[str, Check]:
    return {check.name: check for check in decision.checks if not check.passed}


def confuse(evidence: Evidence, category: int, taken_for: int, share: float) -> Evidence:
    """Exchange two probabilities on a share of one category's slices."""
    p = evidence.probabilities.copy()
    rows = np.flatnonzero((evidence.categories == category) & (p.argmax(axis=1) == category))
    rows = rows[: int(share * len(rows))]
    p[np.ix_(rows, [category, taken_for])] = p[np.ix_(rows, [taken_for, category])]
    return with_answers(evidence, p)


def test_better_challenger_is_promoted_and_says_why() -> None:
    decision = verdict_on(draw(3.2), champion())
    assert decision.verdict is Verdict.PROMOTE
    assert not failed(decision)
    difference = decision.figures["difference_macro_f1"]
    assert difference.low > 0
    assert decision.reason == (
        f"Promoted, since all {len(decision.checks)} checks passed: difference of macro F1 "
        f"{difference.value:+.4f} ({difference.low:+.4f} to {difference.high:+.4f})."
    )
    assert (decision.model, decision.challenger.version) == ("baseline", "v1")
    assert decision.champion is not None
    assert decision.champion.version == "v0"
    assert set(decision.inputs) == {"policy", "locked_set", "golden_set"}
    assert decision.inputs["policy"] == FAST.sha256


def test_equal_challenger_is_promoted_with_a_difference_of_nothing() -> None:
    decision = verdict_on(draw(), champion())
    assert decision.verdict is Verdict.PROMOTE
    assert decision.figures["difference_macro_f1"].model_dump() == {
        "value": 0.0,
        "low": 0.0,
        "high": 0.0,
    }


def test_worse_challenger_is_kept_out() -> None:
    decision = verdict_on(draw(2.5), champion())
    assert decision.verdict is Verdict.KEEP
    check = failed(decision)["macro_f1"]
    figure = decision.figures["difference_macro_f1"]
    assert check.expected == "a difference of macro F1 whose interval begins above -0.0050"
    assert check.received == f"{figure.value:+.4f} ({figure.low:+.4f} to {figure.high:+.4f})"
    assert decision.reason.startswith("Kept, since not passed: macro_f1: expected a difference")


def test_difference_that_is_not_shown_is_not_enough() -> None:
    """About as good on the whole, but by other slices: the interval is too wide to tell."""
    other = draw(2.9, seed=0)
    random = np.random.default_rng(1)
    logits = np.log(other.probabilities) + random.normal(size=(480, 12)) * 1.5
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    decision = verdict_on(with_answers(other, p), champion())
    assert decision.figures["difference_macro_f1"].low < -0.005
    assert decision.verdict is Verdict.KEEP


def test_fall_of_one_tumours_recall_is_not_made_good_by_the_others() -> None:
    decision = verdict_on(confuse(draw(3.4), 4, 7, share=0.45), champion(skill=2.6))
    assert list(failed(decision)) == ["recall_meningioma"]
    assert decision.verdict is Verdict.KEEP
    check = failed(decision)["recall_meningioma"]
    assert check.expected == "a recall of meningioma that falls by at most 0.030"
    assert decision.figures["difference_macro_f1"].low > -0.005


def test_fall_of_the_recall_of_none_counts_too() -> None:
    decision = verdict_on(confuse(draw(3.4), 9, 0, share=0.6), champion(skill=2.6))
    assert "recall_none" in failed(decision)
    assert "recall_glioma" not in failed(decision)


def test_plane_confused_within_a_tumour_is_no_fall_of_its_recall() -> None:
    decision = verdict_on(confuse(draw(3.4), 9, 10, share=0.6), champion())
    assert not any(name.startswith("recall_") for name in failed(decision))


def test_overconfident_challenger_is_kept_out() -> None:
    better = draw(3.2)
    sharpened = better.probabilities.astype(np.float64) ** 20
    decision = verdict_on(
        with_answers(better, sharpened / sharpened.sum(axis=1, keepdims=True)), champion()
    )
    assert list(failed(decision)) == ["ece"]
    assert decision.verdict is Verdict.KEEP
    assert failed(decision)["ece"].expected == "an ECE that rises by at most 0.0100"


@pytest.mark.parametrize(
    ("golden", "name", "expected", "received"),
    [
        (None, "golden_set", "a golden set of 12 slices or more, seen by both models", "none"),
        (
            replace(GOLDEN, slices=3),
            "golden_set",
            "a golden set of 12 slices or more, seen by both models",
            "one of 3",
        ),
        (
            replace(GOLDEN, equal_share=0.9),
            "golden_categories",
            "the same category for 95.0% of the golden set or more",
            "90.0%",
        ),
        (
            replace(GOLDEN, largest_difference=0.73),
            "golden_probabilities",
            "no probability of the golden set further apart than 0.50",
            "0.73",
        ),
    ],
)
def test_disagreement_on_the_golden_set_needs_a_human(
    golden: Agreement | None, name: str, expected: str, received: str
) -> None:
    decision = verdict_on(draw(3.2), champion(), golden=golden)
    assert decision.verdict is Verdict.NEEDS_HUMAN
    check = failed(decision)[name]
    assert (check.expected, check.received) == (expected, received)
    assert decision.reason == f"Left to a human, since not passed: {check}."


def test_champion_is_not_measured_on_slices_that_it_was_trained_on() -> None:
    trained = replace(champion(skill=6), provenance=Provenance.TRAINED_ON)
    decision = verdict_on(draw(3.2), trained)
    assert decision.verdict is Verdict.NEEDS_HUMAN
    assert decision.figures == {}
    assert failed(decision)["fair_champion"].received == (
        "neither: it was trained on them, or that is not known, and there are no out-of-fold "
        "predictions"
    )


def test_champion_is_measured_out_of_fold() -> None:
    decision = verdict_on(draw(3.2), replace(champion(), provenance=Provenance.OUT_OF_FOLD))
    assert decision.verdict is Verdict.PROMOTE
    fair = next(check for check in decision.checks if check.name == "fair_champion")
    assert fair.received == "its out-of-fold predictions"


@pytest.mark.parametrize("provenance", [Provenance.TRAINED_ON, Provenance.OUT_OF_FOLD])
def test_challenger_trained_on_the_locked_slices_is_refused(provenance: Provenance) -> None:
    decision = verdict_on(replace(draw(3.2), provenance=provenance), champion())
    assert decision.verdict is Verdict.KEEP
    assert failed(decision)["challenger_unseen"].received == (
        f"predictions of the kind {provenance.value}"
    )


def test_models_on_other_slices_are_not_compared() -> None:
    relabelled = champion()
    relabelled.categories[0] = (relabelled.categories[0] + 1) % 12
    decision = verdict_on(draw(3.2), relabelled)
    assert decision.verdict is Verdict.KEEP
    assert failed(decision)["same_slices"].received == (
        "480 slices of baseline and 480 of baseline, not the same"
    )
    assert decision.figures == {}


def test_order_of_the_slices_does_not_change_the_decision() -> None:
    one = draw(3.0)
    order = np.random.default_rng(3).permutation(480)
    two = replace(
        one,
        **{
            name: getattr(one, name)[order]
            for name in ("slice_ids", "groups", "sources", "categories", "probabilities")
        },
    )
    assert verdict_on(two, champion()) == verdict_on(one, champion())


def test_decision_survives_its_json() -> None:
    decision = verdict_on(draw(2.5), champion())
    assert Decision.model_validate_json(decision.model_dump_json()) == decision


def test_first_model_is_promoted_over_the_floors() -> None:
    decision = verdict_on(draw(2.9), None, golden=None)
    assert decision.verdict is Verdict.PROMOTE
    assert decision.champion is None
    assert decision.reason.endswith(
        f"macro F1 {decision.figures['challenger_macro_f1'].value:.3f} without a champion."
    )


def test_first_model_below_the_floors_is_refused() -> None:
    decision = verdict_on(draw(0.6), None, golden=None)
    assert decision.verdict is Verdict.KEEP
    assert set(failed(decision)) == {"floor_macro_f1", "floor_chance"}
    assert failed(decision)["floor_chance"].expected == (
        "an accuracy whose interval begins 0.30 or more above 0.083, the share of the commonest "
        "category"
    )


def test_first_model_that_is_not_calibrated_is_refused() -> None:
    model = draw(2.9)
    flat = 0.5 * model.probabilities + 0.5 / 12
    assert set(failed(verdict_on(with_answers(model, flat), None))) == {"floor_ece"}


def test_failed_check_that_forbids_outweighs_one_that_asks() -> None:
    ask = Check(
        name="ask", passed=False, expected="a", received="b", on_failure=Verdict.NEEDS_HUMAN
    )
    forbid = Check(name="forbid", passed=False, expected="c", received="d")
    assert verdict_on(draw(3.2), champion(), ask).verdict is Verdict.NEEDS_HUMAN
    decision = verdict_on(draw(3.2), champion(), ask, forbid)
    assert decision.verdict is Verdict.KEEP
    assert decision.reason == (
        "Kept, since not passed: forbid: expected c, received d; ask: expected a, received b."
    )
    assert {"challenger_accuracy", "difference_macro_f1"} < set(decision.figures)  # all the same


@pytest.mark.parametrize(
    "left_out",
    [
        "policy_unchanged",
        "leak_near_copies",
        "training_labels",
        "change_recipe",
        "locked_labels",
    ],
)
def test_check_that_was_left_out_needs_a_human(left_out: str) -> None:
    made = [check for check in complete(()) if check.name != left_out]
    decision = decide(
        FAST, challenger=draw(3.2), champion=champion(), golden=GOLDEN, integrity=made
    )
    assert decision.verdict is Verdict.NEEDS_HUMAN
    assert str(failed(decision)["integrity"]) == (
        f"integrity: expected every check of the training set made, received none of {left_out}"
    )


def test_first_model_has_nothing_to_change_from() -> None:
    made = [check for check in complete(()) if not check.name.startswith("change_")]
    decision = decide(FAST, challenger=draw(2.9), champion=None, golden=None, integrity=made)
    assert decision.verdict is Verdict.PROMOTE


def test_check_cannot_promote_by_failing() -> None:
    with pytest.raises(ValueError, match="on_failure"):
        Check(name="x", passed=False, expected="", received="", on_failure=Verdict.PROMOTE)


drawn_skills = st.floats(1.5, 3.4)
seeds = st.integers(0, 10_000)


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(skill=drawn_skills, seed=seeds)
def test_challenger_equal_to_the_champion_is_decided_the_same_each_time(
    skill: float, seed: int
) -> None:
    decisions = [verdict_on(draw(skill, seed), champion(seed, skill)) for _ in range(2)]
    assert decisions[0] == decisions[1]
    names = set(failed(decisions[0]))
    # Only what concerns the challenger alone can speak against a challenger that is equal.
    assert names <= {"predictions_varied", "plausible_accuracy"}


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(skill=drawn_skills, seed=seeds, category=st.integers(0, 11), share=st.floats(0.02, 1.0))
def test_strictly_worse_challenger_is_never_better(
    skill: float, seed: int, category: int, share: float
) -> None:
    """Right answers of one category are taken away and nothing is given."""
    worse = confuse(draw(skill, seed), category, (category + 3) % 12, share)
    decision = verdict_on(worse, champion(seed, skill))
    difference = decision.figures["difference_macro_f1"]
    assert difference.value <= 1e-9
    assert difference.low <= difference.value + 1e-9
    recalls = [f.value for name, f in decision.figures.items() if "difference_recall" in name]
    beyond = difference.value <= -0.005 or min(recalls) < -0.03
    assert not (beyond and decision.verdict is Verdict.PROMOTE)


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(skill=drawn_skills, other=drawn_skills, seed=seeds)
def test_promotion_means_that_every_limit_holds(skill: float, other: float, seed: int) -> None:
    decision = verdict_on(draw(skill, seed), champion(seed, other))
    assert (decision.verdict is Verdict.PROMOTE) == (not failed(decision))
    if decision.verdict is Verdict.PROMOTE:
        figures = decision.figures
        assert figures["difference_macro_f1"].low > -0.005
        assert figures["difference_ece"].value <= 0.01
        assert figures["challenger_accuracy"].value < 0.98
        assert all(f.value >= -0.03 for n, f in figures.items() if "difference_recall" in n)
