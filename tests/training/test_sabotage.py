"""What must never be promoted: each sabotage by drawn predictions, at the level of the gate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from artemis.models.decisions import Check, Decision, Verdict
from artemis.training.gate.evidence import Evidence
from artemis.training.gate.gate import decide
from artemis.training.gate.integrity import check_labels, check_leaks, check_training_set
from artemis.training.gate.policy import load_policy
from tests.training.drawn import GOLDEN, champion, complete, draw, flip, with_answers

POLICY = load_policy()
FAST = POLICY.model_copy(
    update={"bootstrap": POLICY.bootstrap.model_copy(update={"resamples": 200})}
)
CHAMPION_SHARE = 0.03


def gate(challenger: Evidence, other: Evidence | None, *integrity: Check) -> Decision:
    return decide(
        FAST, challenger=challenger, champion=other, golden=GOLDEN, integrity=complete(integrity)
    )


def failed(decision: Decision) -> dict[str, Check]:
    return {check.name: check for check in decision.checks if not check.passed}


def without(evidence: Evidence, kept: np.ndarray) -> Evidence:
    names = ("slice_ids", "groups", "sources", "categories", "probabilities")
    return replace(evidence, **{name: getattr(evidence, name)[kept] for name in names})


def training(seed: int) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Categories and groups of a training set, and what the champion says of it unseen."""
    drawn = draw(2.9, seed + 1000, slices=1200, groups=150)
    return drawn.categories, [f"training {g}" for g in drawn.groups], drawn.probabilities


def test_sound_training_set_passes_every_check() -> None:
    categories, groups, seen = training(0)
    checks = [
        *check_training_set(POLICY, categories, groups),
        check_labels(POLICY, categories, seen, CHAMPION_SHARE),
        *check_leaks([f"t{k}" for k in range(1200)], groups, draw(), [("t1", "t2")]),
    ]
    assert [check.name for check in checks] == [
        "training_categories",
        "training_groups",
        "training_labels",
        "leak_slices",
        "leak_groups",
        "leak_near_copies",
    ]
    assert all(check.passed for check in checks)
    assert gate(draw(3.2), champion(), *checks).verdict is Verdict.PROMOTE


def test_flipped_labels_are_seen_even_if_the_challenger_is_no_worse() -> None:
    categories, _, seen = training(0)
    check = check_labels(POLICY, flip(categories, 0.2), seen, CHAMPION_SHARE)
    decision = gate(draw(3.2), champion(), check)
    assert decision.verdict is Verdict.NEEDS_HUMAN
    found = failed(decision)["training_labels"]
    assert found.expected == "at most 8.0% of the labels contradicted by predictions of 80% or more"
    share = float(found.received.split("%")[0])
    assert 14 < share < 20
    assert found.received == f"{share}% of 1200"


def test_flipped_labels_are_seen_where_the_champion_is_weak() -> None:
    weak = draw(2.2, 1000, slices=1200)
    check = check_labels(POLICY, weak.categories, weak.probabilities, CHAMPION_SHARE)
    assert check.passed
    flipped = flip(weak.categories, 0.2)
    assert not check_labels(POLICY, flipped, weak.probabilities, CHAMPION_SHARE).passed


def test_flipped_labels_of_the_locked_set_cannot_move_their_own_limit() -> None:
    locked = champion()
    mislabelled = flip(locked.categories, 0.2)
    check = check_labels(
        POLICY, mislabelled, locked.probabilities, CHAMPION_SHARE, name="locked_labels"
    )
    assert (check.name, check.passed) == ("locked_labels", False)


def test_challenger_that_learnt_flipped_labels_is_kept_out_by_its_figures() -> None:
    noisy = draw(3.2)
    learnt = flip(noisy.categories, 0.2, seed=5)
    p = noisy.probabilities.copy()
    rows = np.arange(len(p))
    p[rows, noisy.categories], p[rows, learnt] = p[rows, learnt], p[rows, noisy.categories].copy()
    decision = gate(with_answers(noisy, p), champion())
    assert decision.verdict is Verdict.KEEP
    assert {"macro_f1", "ece", "recall_glioma"} <= set(failed(decision))


def test_locked_slice_in_the_training_set_is_named_and_refused() -> None:
    locked = draw(3.2)
    checks = check_leaks(["a", str(locked.slice_ids[7])], ["x"], locked, [])
    decision = gate(locked, champion(), *checks)
    assert decision.verdict is Verdict.KEEP
    check = failed(decision)["leak_slices"]
    assert check.expected == "no locked slice in the training set"
    assert check.received == "1 locked slices in it, first the slices 000000000000"
    assert str(check) in decision.reason


def test_locked_patient_in_the_training_set_is_refused_without_its_name() -> None:
    locked = draw(3.2)
    checks = check_leaks(["a"], ["patient 3", "patient 4"], locked, [])
    decision = gate(locked, champion(), *checks)
    assert decision.verdict is Verdict.KEEP
    assert failed(decision)["leak_groups"].received.startswith("2 groups in both, first the slices")
    assert "patient 3" not in decision.model_dump_json()


@pytest.mark.parametrize("turned", [False, True])
def test_near_copy_of_a_locked_slice_in_the_training_set_is_refused(turned: bool) -> None:
    locked = draw(3.2)
    pair = ("trained", str(locked.slice_ids[0]))
    checks = check_leaks(["trained"], ["x"], locked, [pair[::-1] if turned else pair])
    decision = gate(locked, champion(), *checks)
    assert decision.verdict is Verdict.KEEP
    assert failed(decision)["leak_near_copies"].received == (
        "1 locked slices with a near-copy in it, first the slices 000000000000"
    )


def test_leak_that_no_check_found_is_seen_by_its_accuracy() -> None:
    decision = gate(draw(5.0), champion())
    assert decision.verdict is Verdict.NEEDS_HUMAN
    check = failed(decision)["plausible_accuracy"]
    assert check.expected == (
        "an accuracy below 0.980; more, on patients never seen, is a leak until proven otherwise"
    )
    assert float(check.received) >= 0.98


@pytest.mark.parametrize(
    ("left", "received"),
    [(0, "no images of no tumour, coronal"), (3, "3 images of no tumour, coronal")],
)
def test_missing_or_almost_empty_category_in_training_is_refused(left: int, received: str) -> None:
    categories, groups, _ = training(0)
    kept = (categories != 9) | (np.cumsum(categories == 9) <= left)
    checks = check_training_set(POLICY, categories[kept], groups)
    decision = gate(draw(3.2), champion(), *checks)
    assert decision.verdict is Verdict.KEEP
    check = failed(decision)["training_categories"]
    assert check.expected == "20 images or more of each category to train on"
    assert check.received == received


def test_category_that_is_never_predicted_is_refused() -> None:
    """The mark of a network that was trained without it."""
    model = draw(3.2)
    p = model.probabilities.copy()
    p[:, 4] = 0
    decision = gate(with_answers(model, p / p.sum(axis=1, keepdims=True)), champion())
    assert decision.verdict is Verdict.KEEP
    assert failed(decision)["predictions_varied"].received == "never meningioma, sagittal"
    assert "recall_meningioma" in failed(decision)


@pytest.mark.parametrize(
    ("left", "received"),
    [(0, "no images of no tumour, coronal"), (2, "2 images of no tumour, coronal")],
)
def test_missing_or_almost_empty_category_of_the_locked_set_needs_a_human(
    left: int, received: str
) -> None:
    whole = draw(3.2)
    kept = (whole.categories != 9) | (np.cumsum(whole.categories == 9) <= left)
    decision = gate(without(whole, kept), without(champion(), kept))
    assert decision.verdict is Verdict.NEEDS_HUMAN
    check = failed(decision)["locked_categories"]
    assert check.expected == "5 locked images or more of each category"
    assert check.received == received


def test_tumour_with_too_few_locked_images_needs_a_human() -> None:
    whole = draw(3.2)
    kept = (whole.categories < 9) | (np.cumsum(whole.categories >= 9) <= 33)
    decision = gate(without(whole, kept), without(champion(), kept))
    check = failed(decision)["locked_tumors"]
    assert check.expected == "34 locked images or more of each tumour type"
    assert check.received == "33 images of no tumour"


def test_one_patient_alone_has_no_interval() -> None:
    decision = gate(draw(3.2, groups=1), replace(champion(), groups=draw(groups=1).groups))
    assert decision.verdict is Verdict.NEEDS_HUMAN
    check = failed(decision)["locked_groups"]
    assert check.expected == "20 groups or more, for an interval over them"
    assert check.received == "1"
    assert decision.figures == {}


def test_one_patient_alone_is_nothing_to_train_on() -> None:
    categories, _, _ = training(0)
    checks = check_training_set(POLICY, categories, ["x"] * len(categories))
    decision = gate(draw(3.2), champion(), *checks)
    assert decision.verdict is Verdict.KEEP
    assert failed(decision)["training_groups"].received == "1"


def broken(rows: object, value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(p: np.ndarray) -> np.ndarray:
        p = p.copy()
        p[rows] = value
        return p

    return change


@pytest.mark.parametrize(
    ("change", "name", "received"),
    [
        (broken(0, np.nan), "predictions_valid", "1 of 480 rows that are not"),
        (broken((slice(0, 5), 3), np.inf), "predictions_valid", "5 of 480 rows that are not"),
        (broken(slice(None), 0.0), "predictions_valid", "480 of 480 rows that are not"),
        (lambda p: p * 1.1, "predictions_valid", "480 of 480 rows that are not"),
        (lambda p: p - 1 / 12, "predictions_valid", "480 of 480 rows that are not"),
        (
            lambda p: np.tile(p[:1], (len(p), 1)),
            "predictions_varied",
            None,
        ),
    ],
)
def test_broken_or_constant_predictions_are_refused(
    change: Callable[[np.ndarray], np.ndarray], name: str, received: str | None
) -> None:
    model = draw(3.2)
    decision = gate(with_answers(model, change(model.probabilities)), champion())
    assert decision.verdict is Verdict.KEEP
    check = failed(decision)[name]
    if received is None:
        assert check.received.count(";") == 10
    else:
        assert check.expected == "finite probabilities that sum to 1"
        assert check.received == received
        assert decision.figures == {}
    assert Decision.model_validate_json(decision.model_dump_json()) == decision


def test_champion_with_broken_predictions_needs_a_human() -> None:
    other = champion()
    decision = gate(draw(3.2), with_answers(other, other.probabilities * np.nan))
    assert decision.verdict is Verdict.NEEDS_HUMAN
    assert set(failed(decision)) == {"champion_valid"}


def test_broken_rows_count_as_contradicted_labels() -> None:
    categories, _, seen = training(0)
    assert not check_labels(POLICY, categories, seen * np.nan, CHAMPION_SHARE).passed


def flipped(seed: int) -> Decision:
    categories, groups, seen = training(seed)
    labels = flip(categories, 0.2, seed)
    checks = [
        check_labels(POLICY, labels, seen, CHAMPION_SHARE),
        *check_training_set(POLICY, labels, groups),
    ]
    return gate(draw(3.0, seed), champion(seed), *checks)


def leaked(seed: int) -> Decision:
    locked = draw(3.6, seed)
    half = locked.slice_ids[: len(locked.slice_ids) // 2].tolist()
    checks = check_leaks(half, locked.groups.tolist(), locked, [])
    return gate(locked, champion(seed), *checks)


def class_missing(seed: int) -> Decision:
    categories, groups, _ = training(seed)
    checks = check_training_set(POLICY, categories[categories != seed % 12], groups)
    return gate(draw(3.0, seed), champion(seed), *checks)


def class_empty(seed: int) -> Decision:
    whole = draw(3.0, seed)
    kept = whole.categories != (seed + 5) % 12
    return gate(without(whole, kept), without(champion(seed), kept))


def one_patient(seed: int) -> Decision:
    groups = draw(groups=1).groups
    return gate(replace(draw(3.0, seed), groups=groups), replace(champion(seed), groups=groups))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("sabotage", [flipped, leaked, class_missing, class_empty, one_patient])
def test_no_sabotaged_retraining_is_promoted(
    sabotage: Callable[[int], Decision], seed: int
) -> None:
    decision = sabotage(seed)
    assert decision.verdict is not Verdict.PROMOTE
    assert decision.reason.split(", since not passed: ")[1]
