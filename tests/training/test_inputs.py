"""What a model starts from, and the split that fits it, whatever the champion has seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from artemis.datasets.copies import THUMB_SIDE, Fingerprints
from artemis.labels import CATEGORY_NAMES
from artemis.models.manifest import OUT_OF_FOLD_NAME
from artemis.settings import Settings
from artemis.training.inputs import ChosenStart, Inputs, choose_start, locked_slices, split_of
from artemis.training.labelled.dataset import TrainingSet
from artemis.training.labelled.locked import lock_groups
from tests.models.versions import make_version
from tests.training.seen import write_seen

FOLDS = 5
VERSION = "20260101-aaaaaa"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """A workspace whose champion is a copy of the shipped baseline."""
    workspace = tmp_path_factory.mktemp("workspace")
    make_version(workspace, VERSION)
    (workspace / "models" / "baseline" / "CHAMPION").write_text(f"{VERSION}\n")
    return Inputs(workspace / "set", Settings(workspace=workspace), "champion", ("baseline",))


def lock(workspace: Path, table: pd.DataFrame) -> None:
    """Lock the last fold, whatever was locked before."""
    (workspace / "models" / "locked.parquet").unlink(missing_ok=True)
    prints = Fingerprints(
        np.zeros(len(table), np.uint64), np.zeros((len(table), THUMB_SIDE**2), np.float32)
    )
    lock_groups(workspace, table, prints, table["locked"].to_numpy(dtype=bool))


def drawn(inputs: Inputs, seed: int, share_seen: float, crossing: bool) -> TrainingSet:
    """300 slices of 60 groups; what the champion's weights have seen was of other groups then."""
    random = np.random.default_rng(seed)
    groups = random.integers(0, 60, 300)
    folds = groups % FOLDS
    if crossing:  # near copies joined the groups of some patients in several folds
        folds = np.where(random.random(300) < 0.03, random.integers(0, FOLDS - 1, 300), folds)
    table = pd.DataFrame(
        {
            "path": [f"{k}.png" for k in range(300)],
            "slice_id": [f"{k:064x}" for k in range(300)],
            "category": random.integers(0, len(CATEGORY_NAMES), 300),
            "group": [f"g{group}" for group in groups],
            "fold": folds,
            "source": "drawn",
        }
    )
    table["locked"] = table["group"].isin(table["group"][table["fold"] == FOLDS - 1])
    table["disputed"] = random.random(300) < 0.02
    lock(inputs.workspace, table)
    known = table[~table["locked"] & (random.random(300) < 0.8)].copy()
    learnt = random.random(60) < share_seen  # of the groups of that day
    known["start_unseen"] = ~learnt[random.permutation(60)[groups[known.index]]]
    write_seen(inputs.workspace / "models" / "baseline" / VERSION, known)
    return TrainingSet(table, {}, corrected=0)


def groups_of(data: TrainingSet, mask: np.ndarray) -> set[str]:
    return set(data.table.loc[mask, "group"])


def check_parts(data: TrainingSet, chosen: ChosenStart) -> None:
    """What holds of every split: no group on two sides, and nothing disputed learnt from."""
    split = chosen.split
    assert not groups_of(data, split.test) & groups_of(data, split.train)
    assert not groups_of(data, split.fitting) & groups_of(data, split.calibration)
    assert (split.train | ~(split.fitting | split.calibration)).all()
    assert not (split.train & data.table["disputed"].to_numpy()).any()


@settings(deadline=None, max_examples=60)  # each writes and reads a model's folder
@given(seed=st.integers(0, 2**32 - 1), share_seen=st.floats(0, 1), crossing=st.booleans())
def test_what_the_weights_have_seen_neither_calibrates_nor_tests(
    inputs: Inputs, seed: int, share_seen: float, crossing: bool
) -> None:
    data = drawn(inputs, seed, share_seen, crossing)
    chosen = choose_start(inputs, "baseline", data)
    check_parts(data, chosen)
    folder = inputs.workspace / "models" / "baseline" / VERSION
    known = pd.read_parquet(folder / OUT_OF_FOLD_NAME)
    learnt = known.loc[~known["start_unseen"], "slice_id"]
    seen = groups_of(data, data.table["slice_id"].isin(learnt).to_numpy())
    if chosen.weights is None:
        assert chosen.split.calibration.tolist() == split_of(inputs, data).calibration.tolist()
        return
    assert not groups_of(data, chosen.split.calibration | chosen.split.test) & seen
    count = int(chosen.split.calibration.sum())
    assert count >= 40
    assert chosen.words == f"weights of {VERSION}, calibrated on {count} slices"
    assert chosen.weights == folder / "start.npz"


def test_weights_that_have_seen_a_locked_group_are_not_started_from(inputs: Inputs) -> None:
    """By another slice of a locked patient, which the lock did not hold."""
    data = drawn(inputs, 0, 0.5, crossing=False)
    assert choose_start(inputs, "baseline", data).weights is not None
    other = data.table[data.table["locked"]].iloc[:1].assign(start_unseen=False)
    write_seen(inputs.workspace / "models" / "baseline" / VERSION, other)
    chosen = choose_start(inputs, "baseline", data)
    assert chosen.weights is None
    assert chosen.words == "first weights: the champion's have seen locked slices"
    check_parts(data, chosen)


def test_what_an_earlier_champion_learnt_of_counts_as_seen_also_where_the_last_was_not_given_it(
    inputs: Inputs,
) -> None:
    """Slices in dispute leave the training and come back settled; the weights still know them."""
    data = drawn(inputs, 2, 0.3, crossing=False)
    before = choose_start(inputs, "baseline", data)
    calibrating = groups_of(data, before.split.calibration)
    of_fold = groups_of(data, split_of(inputs, data).calibration)  # where new ones calibrate
    gone = min(calibrating & of_fold)
    away = data.table[data.table["group"] == gone]
    folder = inputs.workspace / "models" / "baseline" / VERSION
    known = pd.read_parquet(folder / OUT_OF_FOLD_NAME)
    write_seen(folder, known[~known["slice_id"].isin(away["slice_id"])], [*away["slice_id"][:1]])
    after = choose_start(inputs, "baseline", data)
    assert after.weights == before.weights
    assert groups_of(data, after.split.calibration) == calibrating - {gone}
    assert {*away["slice_id"][:1]} <= after.seen
    check_parts(data, after)
    locked = data.table["slice_id"][data.table["locked"]]
    write_seen(folder, known, [*locked[:1]])
    assert choose_start(inputs, "baseline", data).weights is None


def test_locked_slices_are_those_of_the_lock_and_not_all_that_may_not_be_trained_on(
    inputs: Inputs,
) -> None:
    """A copy of a locked slice, or a later one of its patient, is neither learnt nor measured."""
    data = drawn(inputs, 1, 0.5, crossing=False)
    late = data.table.iloc[:1].assign(slice_id="f" * 64, path="late.png", locked=True, fold=0)
    grown = TrainingSet(pd.concat([data.table, late], ignore_index=True), {}, corrected=0)
    mask = locked_slices(inputs, grown)
    assert mask[:-1].tolist() == data.table["locked"].tolist()
    split = split_of(inputs, grown)
    assert not mask[-1]
    assert not split.train[-1]
    assert not split.test[-1]
