"""Protocols of evaluation, on a few drawn pictures."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from artemis.errors import DivergedError, TrainingDataError
from artemis.models.runtime import softmax
from artemis.progress import Progress, listening
from artemis.system.locks import exclusive
from artemis.training.figures.out_of_fold import LOGIT_COLUMNS
from artemis.training.figures.tables import describe
from artemis.training.folds import plan
from artemis.training.labelled.dataset import TrainingSet
from artemis.training.labelled.manifest_file import BOX_COLUMNS
from artemis.training.network.memory import keep_freed_memory
from artemis.training.protocols import (
    Outcome,
    calibrated_across,
    evaluation_key,
    is_finished,
    run,
)
from artemis.training.train import Means
from tests.training.small import SIDE, draw_squares, eagerly, small

pytestmark = pytest.mark.slow(seconds=60)
keep_freed_memory()  # as every training does

RECIPE = small(epochs=4, augmentation=None, learning_rate=1e-2, batch_size=8)
ONCE = small(epochs=1, augmentation=None, batch_size=48)


@pytest.fixture(scope="module")
def squares() -> TrainingSet:
    """240 pictures of 20 patients: a square in one of twelve places, its box known."""
    categories = np.tile(np.arange(12), 20)
    pictures, boxes = draw_squares(np.random.default_rng(4))
    boxes[categories >= 9] = np.nan
    patient = np.repeat(np.arange(20), 12)
    table = pd.DataFrame(
        {
            "path": [f"{k}.png" for k in range(240)],
            "slice_id": [f"{k:064x}" for k in range(240)],
            "category": categories,
            "group": [f"g{k}" for k in patient],
            "fold": patient % 2,
            "source": np.where(patient % 4 < 2, "here", "there"),
            "official_split": np.where(patient < 15, "training", "testing"),
        }
    )
    table[list(BOX_COLUMNS)] = boxes
    return TrainingSet(table, {SIDE: pictures}, corrected=0)


@pytest.fixture(scope="module")
def few(squares: TrainingSet) -> TrainingSet:
    """120 of them, of ten patients, for what is trained several times."""
    rows = squares.table["group"].isin([f"g{k}" for k in (*range(8), 15, 16)]).to_numpy()
    table = squares.table[rows].reset_index(drop=True)
    return TrainingSet(table, {SIDE: squares.pictures[SIDE][rows]}, corrected=0)


def test_patient_folds_share_no_group(squares: TrainingSet) -> None:
    folds = plan("patient", squares)
    groups = squares.table["group"].to_numpy()
    assert len(folds) == 2
    assert (folds[0].test ^ folds[1].test).all()
    for fold in folds:
        assert not set(groups[fold.train]) & set(groups[fold.test])


def test_official_split_is_run_with_and_without_what_leaks(squares: TrainingSet) -> None:
    table = squares.table.copy()
    table.loc[0, "group"] = "g19"  # a training picture of a test patient
    as_it_is, disjoint = plan("official", TrainingSet(table, squares.pictures, 0))
    assert (as_it_is.train.sum(), as_it_is.test.sum()) == (180, 60)
    assert (disjoint.train.sum(), disjoint.test.sum()) == (179, 60)
    assert not disjoint.train[0]


def test_official_split_is_refused_where_it_is_not_known(squares: TrainingSet) -> None:
    table = squares.table.assign(official_split=None)
    with pytest.raises(TrainingDataError, match=r"evaluate official: expected pictures of Kaggle"):
        plan("official", TrainingSet(table, squares.pictures, 0))


def test_random_split_tests_a_tenth_of_the_images_three_times(squares: TrainingSet) -> None:
    folds = plan("random", squares)
    assert [int(fold.test.sum()) for fold in folds] == [24, 24, 24]
    assert all((fold.train ^ fold.test).all() for fold in folds)
    assert not (folds[0].test == folds[1].test).all()


@pytest.mark.parametrize("folds", [2, 5])
def test_a_fold_is_served_as_the_others_say_whatever_is_true_of_it(folds: int) -> None:
    random = np.random.default_rng(2)
    logits = random.normal(size=(2000, 12)) * 2
    right = (logits + random.gumbel(size=logits.shape)).argmax(axis=1)  # drawn as likely as said
    predictions = pd.DataFrame((logits / 2).astype(np.float32), columns=LOGIT_COLUMNS)
    predictions["slice_id"] = [f"{k:064x}" for k in range(2000)]
    predictions["group"] = [f"g{k // 20}" for k in range(2000)]
    predictions["fold"] = np.arange(2000) // 20 % folds
    mine = predictions["fold"] == 0
    wrong = np.where(mine, logits.argmin(axis=1), right)
    ours = calibrated_across(predictions.assign(category=right))
    assert ours.max(axis=1).mean() == pytest.approx(softmax(logits).max(axis=1).mean(), abs=0.02)
    theirs = calibrated_across(predictions.assign(category=wrong))
    assert np.array_equal(ours[mine], theirs[mine])


def test_a_single_fold_is_served_without_a_temperature() -> None:
    logits = np.eye(12, dtype=np.float32)
    predictions = pd.DataFrame(logits, columns=LOGIT_COLUMNS)
    predictions = predictions.assign(category=np.arange(12), group="g", slice_id="0", fold=0)
    assert np.array_equal(calibrated_across(predictions), softmax(logits))


def test_patient_protocol_measures_every_slice_once_and_is_not_run_twice(
    squares: TrainingSet, tmp_path: Path
) -> None:
    told: list[tuple[str, int]] = []
    means = Means(
        None, tmp_path / "c", on_epoch=lambda stage, epoch: told.append((stage, epoch.number))
    )
    outcome = run("patient", RECIPE, squares, tmp_path, means)["patient"]
    assert sorted(outcome.predictions["slice_id"]) == sorted(squares.table["slice_id"])
    assert [stage for stage, _ in told] == ["patient fold 0"] * 4 + ["patient fold 1"] * 4
    truth = outcome.predictions["category"].to_numpy()
    hits = calibrated_across(outcome.predictions).argmax(axis=1) == truth
    assert outcome.evaluation.metrics["accuracy"].value == pytest.approx(hits.mean())
    assert outcome.evaluation.groups == 20
    shortcuts = outcome.evaluation.shortcuts
    assert shortcuts is not None
    assert shortcuts.images == 180
    # The square is all there is to see: with it blanked, nothing can be told.
    seen, blanked = (shortcuts.tumor_accuracy[name].value for name in ("as_is", "blanked"))
    assert seen > 0.8 > 0.6 > blanked
    assert shortcuts.control is not None
    assert shortcuts.control.images == 180
    assert shortcuts.control.blanked.value == pytest.approx(blanked)
    assert shortcuts.control.control.value > 0.8  # a blank beside the square takes nothing away
    assert shortcuts.control.difference.low > 0.2
    for path in tmp_path.glob("patient-*/evidence-*.parquet"):
        path.unlink()  # as if another version had not measured it: the weights are kept
    again = run("patient", RECIPE, squares, tmp_path, means)["patient"]
    assert len(told) == 8
    assert len([*tmp_path.glob("patient-*/evidence-*.parquet")]) == 2
    assert again.evaluation == outcome.evaluation
    text = describe("baseline, patient", outcome.evaluation)
    assert f"| Glioma | 60 | {outcome.evaluation.per_tumor['glioma'].precision.value:.3f}" in text
    assert "### Shortcut tests" in text
    assert "### Several slices together" in text


def test_fold_that_another_process_works_at_is_left_to_it_and_waited_for(
    few: TrainingSet, tmp_path: Path
) -> None:
    told: list[str] = []
    waited: list[Progress] = []
    means = Means(None, tmp_path / "c", on_epoch=lambda stage, _: told.append(stage))

    def run_here() -> dict[str, Outcome]:
        with listening(lambda report: waited.append(report) if "wait" in report.stage else None):
            return run("official", ONCE, few, tmp_path, means)

    with eagerly(), ThreadPoolExecutor(2) as others:
        run_here()
        (parts,) = tmp_path.glob("official-*")
        for part in sorted(parts.glob("part-*.parquet")):
            part.rename(part.with_suffix(".away"))
            part.with_suffix(".npz").unlink()
        told.clear()
        with exclusive(parts / "fold-0.lock", "a training in another process"):
            running = others.submit(run_here)
            while not waited:
                time.sleep(0.05)
            (parts / "part-00000.away").rename(parts / "part-00000.parquet")
        outcomes = running.result()
    assert told == ["official without training copies of test images"]
    assert waited[0] == Progress("waiting for folds that other processes train", 1, 2)
    assert {variant: len(o.predictions) for variant, o in outcomes.items()} == {
        "official": 24,
        "official-disjoint": 24,
    }


def test_fold_whose_training_diverges_is_named_and_not_kept(
    few: TrainingSet, tmp_path: Path
) -> None:
    fast, means = replace(ONCE, learning_rate=1e30), Means(None, tmp_path / "c")
    words = "^baseline, official as it is: expected finite weights, and finite answers to all sli"
    with eagerly(), pytest.raises(DivergedError, match=words):
        run("official", fast, few, tmp_path, means)
    assert [*tmp_path.glob("official-*/*.npz")] == []


def test_what_is_kept_is_of_one_recipe_and_of_all_that_is_measured_with(
    squares: TrainingSet, few: TrainingSet
) -> None:
    table = squares.table
    changed = [
        table.assign(category=(table["category"] + 1) % 12),
        table.assign(source="elsewhere"),
        table.assign(official_split="training"),
        table.assign(box_x0=0.0),
    ]
    others = [few, *(TrainingSet(other, squares.pictures, 0) for other in changed)]
    keys = {evaluation_key(ONCE, data) for data in (squares, *others)}
    assert len(keys) == 6
    assert evaluation_key(ONCE.with_epochs(2), squares) not in keys
    shuffled = table.sample(frac=1.0, random_state=1)
    assert evaluation_key(ONCE, TrainingSet(shuffled, {}, 0)) in keys


def test_figures_say_that_given_folds_divide_groups(few: TrainingSet, tmp_path: Path) -> None:
    crossing = np.arange(len(few.table)) < 3
    made = "patient-" + few.table["group"].str[1:].str.zfill(12)  # as `make_groups` names them
    data = TrainingSet(few.table.assign(crossing=crossing, group=made), few.pictures, 0)
    assert not is_finished("official", ONCE, data, tmp_path)
    with eagerly():
        outcomes = run("official", ONCE, data, tmp_path, Means(None, tmp_path / "c"))
    assert is_finished("official", ONCE, data, tmp_path)
    assert not is_finished("official", ONCE.with_epochs(2), data, tmp_path)
    assert outcomes["official-disjoint"].evaluation.protocol.endswith(
        " The given folds divide the groups of 3 pictures, which are copies of others: no network "
        "that tests one of a group was trained on the rest of it."
    )
    assert "divide" not in outcomes["official"].evaluation.protocol
    kept = outcomes["official"].predictions
    assert kept["group"].nunique() == made[few.table["official_split"] == "testing"].nunique()
    assert not kept["group"].str.startswith("patient-").any()


def test_folds_that_leave_nothing_to_train_on_are_refused(squares: TrainingSet) -> None:
    """Training on nothing would begin, and end in an error of a list without entries."""
    one = replace(squares, table=squares.table.assign(fold=0))
    with pytest.raises(TrainingDataError, match=r"beside the 240 that are tested, fold 0\. .*Give"):
        plan("patient", one)
    joined = replace(squares, table=squares.table.assign(group="everybody"))
    with pytest.raises(TrainingDataError, match="shares a group with a test picture"):
        plan("official", joined)


def test_random_split_of_too_few_pictures_is_refused(squares: TrainingSet) -> None:
    some = TrainingSet(squares.table.iloc[:108], {}, 0)
    with pytest.raises(TrainingDataError, match=r"Received 108 pictures of 12 categories, 9 of"):
        plan("random", some)
    alone = squares.table[squares.table["category"] > 0]
    alone = pd.concat([alone, squares.table.iloc[:1]], ignore_index=True)
    with pytest.raises(TrainingDataError, match=r"12 categories, 1 of the rarest\. Add pictures"):
        plan("random", TrainingSet(alone, {}, 0))
    with pytest.raises(TrainingDataError, match=r"Received 0 pictures of 0 categories"):
        plan("random", TrainingSet(squares.table.iloc[:0], {}, 0))
