from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from artemis.models.decisions import Verdict
from artemis.models.manifest import load_manifest
from artemis.models.registry import MODEL_NAMES, model_folder
from artemis.training.figures.evaluate import evaluate
from artemis.training.gate.integrity import (
    check_labels,
    check_leaks,
    check_patients,
    check_policy,
    conflicts,
    recorded_conflicts,
)
from artemis.training.gate.policy import load_policy
from tests.training.drawn import draw

POLICY = load_policy()


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_flipped_labels_are_beyond_the_shipped_champions_limit(tmp_path: Path, name: str) -> None:
    """With as many sure answers as the shipped model gives, a fifth of flips is too much."""
    evaluation = load_manifest(model_folder(tmp_path, name)).evaluation
    confident = POLICY.suspicion.confident
    share = recorded_conflicts(evaluation, confident)
    sure = sum(row["images"] for row in evaluation.reliability if row["confidence"] >= confident)
    flipped = 0.2 * sure / evaluation.images + 0.8 * share
    assert 0 < share < 0.06
    assert flipped > share + POLICY.suspicion.max_label_conflict_rise


def test_recorded_conflicts_are_those_of_the_predictions() -> None:
    drawn = draw(2.5, slices=960)
    groups = drawn.groups.tolist()
    recorded = evaluate(drawn.probabilities, drawn.categories, groups, drawn.sources.tolist(), "")
    assert recorded_conflicts(recorded, 0.8) == pytest.approx(
        conflicts(drawn.categories, drawn.probabilities, 0.8)
    )


def test_labels_without_a_champion_have_a_limit_of_their_own() -> None:
    drawn = draw(2.9)
    check = check_labels(POLICY, drawn.categories, drawn.probabilities, None)
    assert check.passed
    assert check.expected.startswith("at most 10.0% of the labels")
    assert conflicts(np.empty(0, dtype=np.int64), np.empty((0, 12), dtype=np.float32), 0.8) == 0


def test_near_copies_within_one_set_do_not_matter() -> None:
    locked = draw(slices=24)
    inside = (str(locked.slice_ids[0]), str(locked.slice_ids[1]))
    checks = check_leaks(["t1", "t2"], ["x"], locked, [("t1", "t2"), inside, ("u", inside[0])])
    assert all(check.passed for check in checks)
    assert {check.received for check in checks} == {"none"}


def test_policy_that_changed_while_it_was_trained_needs_a_human() -> None:
    wider = POLICY.model_copy(update={"bootstrap": POLICY.bootstrap.model_copy(update={"seed": 1})})
    assert check_policy(POLICY, POLICY.sha256).passed
    for check in (check_policy(wider, POLICY.sha256), check_policy(POLICY, None)):
        assert not check.passed
        assert check.on_failure is Verdict.NEEDS_HUMAN


@pytest.mark.parametrize(("known", "passed"), [(12, True), (11, False), (0, False)])
def test_slices_of_unknown_patients_need_a_human(known: int, passed: bool) -> None:
    check = check_patients(POLICY, np.arange(24) < known)
    assert check.passed is passed
    assert check.on_failure is Verdict.NEEDS_HUMAN


def test_leaks_are_named_by_the_first_slices_and_never_by_the_group() -> None:
    ids = [f"{k:02x}" * 32 for k in range(24)]
    locked = replace(draw(slices=24, groups=6), slice_ids=np.array(ids))
    copies = [("t", ids[9]), (ids[4], "t"), ("t", ids[11]), (ids[2], "t")]
    found = check_leaks([ids[7], ids[5], ids[3], ids[1], "t"], ["patient 2"], locked, copies)
    assert [check.received for check in found] == [
        "4 locked slices in it, first the slices 010101010101, 030303030303, 050505050505",
        "1 groups in both, first the slices 020202020202, 080808080808, 0e0e0e0e0e0e",
        "4 locked slices with a near-copy in it, first the slices "
        "020202020202, 040404040404, 090909090909",
    ]
    assert not any(check.passed for check in found)
