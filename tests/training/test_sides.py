"""Two models on the same locked slices, and what their folders say that they learnt from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from artemis.labels import CATEGORY_NAMES, PROBABILITY_COLUMNS
from artemis.models.decisions import Check
from artemis.models.runtime import ClassificationModel
from artemis.training.gate.evidence import Provenance
from artemis.training.gate.gate import CHANGE_CHECKS, TRAINING_CHECKS
from artemis.training.gate.policy import load_policy
from artemis.training.labelled.dataset import TrainingSet
from artemis.training.sides import Side, check_integrity, side_of
from artemis.training.train import Split
from tests.models.versions import make_version
from tests.training.seen import write_seen

LOCKED = slice(0, 24)
"""Two slices of each category, of two patients; 72 others are of six patients more."""


@pytest.fixture(scope="module")
def data() -> TrainingSet:
    """Pictures of noise: nothing is to be learnt of them, and every answer is as good."""
    count = 96
    pictures = np.random.default_rng(0).integers(0, 256, (count, 150, 150), dtype=np.uint8)
    table = pd.DataFrame(
        {
            "path": [f"{k}.png" for k in range(count)],
            "slice_id": [f"{k:064x}" for k in range(count)],
            "category": np.arange(count) % len(CATEGORY_NAMES),
            "group": [f"g{k // 12}" for k in range(count)],
            "fold": [4 if k < 24 else k % 4 for k in range(count)],
            "source": "drawn",
            "group_known": True,
        }
    )
    return TrainingSet(table, {150: pictures}, corrected=0)


@pytest.fixture(scope="module")
def split(data: TrainingSet) -> Split:
    locked = (data.table["fold"] == 4).to_numpy()
    nothing = np.zeros(len(locked), dtype=bool)
    return Split(~locked, ~locked, nothing, locked, "the first patients test")


def trained_on(
    workspace: Path,
    version: str,
    rows: pd.DataFrame,
    answers: np.ndarray | None = None,
    before: Iterable[str] = (),
) -> ClassificationModel:
    """A copy of the shipped baseline that says so, with answers by others where given."""
    folder = make_version(workspace, version)
    known = rows[["slice_id", "fold", "category"]].assign(start_unseen=False)
    if answers is not None:
        known[list(PROBABILITY_COLUMNS)] = answers
    write_seen(folder, known, [*before])
    return ClassificationModel(folder)


def sure(categories: np.ndarray) -> np.ndarray:
    return np.eye(len(CATEGORY_NAMES), dtype=np.float32)[categories]


def checks_of(
    data: TrainingSet, split: Split, challenger: Side, champion: Side | None
) -> dict[str, Check]:
    locked = frozenset(data.table["slice_id"][LOCKED])
    made = check_integrity(load_policy(), data, split, locked, challenger, champion)
    assert len({check.name for check in made}) == len(made)
    return {check.name: check for check in made}


def test_a_model_answers_slices_that_it_has_not_seen_by_itself(
    data: TrainingSet, split: Split, tmp_path: Path
) -> None:
    model = trained_on(tmp_path, "v1", data.table[split.train])
    side = side_of(model, data, split.test)
    own = model.probabilities(model.predict(data.pictures[150][LOCKED]).logits)
    assert side.evidence.provenance is Provenance.UNSEEN
    assert np.array_equal(side.evidence.probabilities, own)
    assert side.evidence.slice_ids.tolist() == data.table["slice_id"][LOCKED].tolist()
    assert side.manifest.version == "v1"
    assert len(side.out_of_fold) == 72


def test_answers_to_slices_that_it_was_trained_on_are_those_of_networks_without_them(
    data: TrainingSet, split: Split, tmp_path: Path
) -> None:
    table = data.table
    others = sure((table["category"].to_numpy() + 1) % len(CATEGORY_NAMES))
    side = side_of(trained_on(tmp_path, "v1", table, others), data, split.test)
    assert side.evidence.provenance is Provenance.OUT_OF_FOLD
    assert np.array_equal(side.evidence.probabilities, others[LOCKED])
    # One slice of a locked patient is enough: the network is no stranger to the others of it.
    knows = side_of(trained_on(tmp_path, "v2", table[:1], others[:1]), data, split.test)
    assert knows.evidence.provenance is Provenance.TRAINED_ON
    # Nor is one that began with weights which knew a slice of his.
    began = trained_on(tmp_path, "v3", table[24:], others[24:], before=table["slice_id"][:1])
    assert side_of(began, data, split.test).evidence.provenance is Provenance.TRAINED_ON


def test_every_check_that_the_gate_asks_for_is_made(
    data: TrainingSet, split: Split, tmp_path: Path
) -> None:
    side = side_of(trained_on(tmp_path, "v1", data.table[split.train]), data, split.test)
    alone, beside = (checks_of(data, split, side, champion) for champion in (None, side))
    needed = {*TRAINING_CHECKS} - {"policy_unchanged"}  # of the retraining, and of neither side
    assert set(alone) == needed
    assert set(beside) == {*needed, *CHANGE_CHECKS}
    assert all(beside[name].passed for name in beside if name.startswith("change_"))


def test_a_leak_is_what_the_challengers_folder_says_and_not_what_the_split_would_choose(
    data: TrainingSet, split: Split, tmp_path: Path
) -> None:
    side = side_of(trained_on(tmp_path, "v1", data.table[3:]), data, split.test)
    made = checks_of(data, split, side, None)
    assert made["leak_slices"].received.startswith("21 locked slices in it, first the slices 0000")
    assert made["leak_groups"].received.startswith("2 groups in both")
    copies = pd.DataFrame({"first": [0], "second": [50]})
    near = TrainingSet(data.table, data.pictures, corrected=0, copies=copies)
    honest = side_of(trained_on(tmp_path, "v2", data.table[split.train]), near, split.test)
    made = checks_of(near, split, honest, None)
    assert made["leak_slices"].passed
    assert not made["leak_near_copies"].passed


def test_labels_are_held_against_answers_of_networks_that_have_not_seen_them(
    data: TrainingSet, split: Split, tmp_path: Path
) -> None:
    """Of 72 slices that are trained on now, 24 are new; of the other 48, half were held out."""
    table, wrong = data.table[split.train], (np.arange(48) % 12 + 1) % 12
    answers = sure(wrong)
    answers[24:] = np.nan
    known = side_of(trained_on(tmp_path, "v1", table[:48], answers), data, split.test)
    new = known.model.probabilities(known.model.predict(data.pictures[150][72:]).logits)
    surely = (new.max(axis=1) >= 0.8) & (new.argmax(axis=1) != table["category"].to_numpy()[48:])
    share = (24 + int(surely.sum())) / 48
    check = checks_of(data, split, known, known)["training_labels"]
    assert check.received == f"{share:.1%} of 48"
    assert not check.passed
    # Without a champion there are the challenger's own answers out of fold, and no others.
    assert checks_of(data, split, known, None)["training_labels"].received == "100.0% of 24"


def test_labels_that_changed_since_the_champion_are_counted(
    data: TrainingSet, split: Split, tmp_path: Path
) -> None:
    rows = data.table[split.train].copy()
    rows.iloc[:9, rows.columns.get_loc("category")] = 11
    before = side_of(trained_on(tmp_path, "v1", rows), data, split.test)
    check = checks_of(data, split, before, before)["change_labels"]
    assert (check.passed, check.received) == (False, "12.5%")
