"""Retrainings of the baseline on a few drawn pictures, stage by stage."""

from __future__ import annotations

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from artemis.errors import DivergedError, ModelError, SettingsError, TrainingDataError
from artemis.models.architectures import build_baseline
from artemis.models.card.pictures import pictures_path
from artemis.models.champions import promote
from artemis.models.decisions import Verdict, read_decisions
from artemis.models.manifest import MANIFEST_NAME, WEIGHTS_NAME, load_manifest
from artemis.models.out_of_fold import read_out_of_fold
from artemis.models.registry import model_folder
from artemis.models.retrainings import (
    RetrainingRecord,
    read_record,
    retrainings_root,
    write_record,
)
from artemis.settings import Settings
from artemis.system.files import sha256_file
from artemis.training import retraining as stages
from artemis.training.inputs import Inputs, champion_of, choose_start, read_data, split_of
from artemis.training.jobs import means_of
from artemis.training.judging import judge
from artemis.training.labelled.locked import read_locked
from artemis.training.network.export import export_litert
from artemis.training.network.memory import keep_freed_memory
from artemis.training.network.recipes import RECIPES
from artemis.training.retraining import changing, collect, finish, train
from artemis.training.train import Split, train_model
from artemis.training.trainings import train_all
from tests.training.labelled_pictures import write_labelled, write_policy

pytestmark = pytest.mark.slow(seconds=75)
keep_freed_memory()  # as every training does


@pytest.fixture(scope="module")
def trained(small_baseline: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Inputs, str]:
    """A workspace whose champion a person made of a first retraining."""
    root = tmp_path_factory.mktemp("retrained")
    write_labelled(root / "labelled", patients=20)
    write_policy(root / "workspace")
    inputs = Inputs(
        root / "labelled", Settings(workspace=root / "workspace"), "imagenet", ("baseline",), 1
    )
    retraining = collect(inputs)
    version = train(inputs, retraining, "baseline")
    promote(inputs.workspace, "baseline", version, by="A. Person", reason="the first of these")
    return inputs, retraining


@pytest.fixture
def again(trained: tuple[Inputs, str], tmp_path: Path) -> Inputs:
    """A copy of it, from whose champion a retraining may start."""
    first, _ = trained
    shutil.copytree(first.workspace, tmp_path / "workspace")
    shutil.copytree(first.data, tmp_path / "labelled")
    settings = Settings(workspace=tmp_path / "workspace")
    return Inputs(tmp_path / "labelled", settings, "champion", ("baseline",), None)


def test_first_retraining_locks_the_last_fold_and_trains_on_the_others(
    trained: tuple[Inputs, str],
) -> None:
    inputs, retraining = trained
    record = read_record(retrainings_root(inputs.workspace) / retraining)
    locked = read_locked(inputs.workspace)
    data = read_data(inputs)
    assert locked is not None
    assert locked.slice_ids == set(data.table.loc[data.table["fold"] == 4, "slice_id"])
    assert record.data is not None
    assert (record.data.trained_on, record.data.calibrated_on, record.data.locked) == (192, 48, 48)
    assert record.data.group_unknown == 0
    folder = model_folder(inputs.workspace, "baseline")
    assert not set(read_out_of_fold(folder)["slice_id"]) & set(locked.slice_ids)


def test_trained_model_is_not_trained_twice(trained: tuple[Inputs, str]) -> None:
    inputs, retraining = trained
    record = read_record(retrainings_root(inputs.workspace) / retraining)
    assert train(inputs, retraining, "baseline") == record.trained["baseline"]
    assert len(read_record(retrainings_root(inputs.workspace) / retraining).epochs) == 2


def test_model_that_was_written_is_not_trained_again_if_what_comes_after_it_fails(
    again: Inputs,
) -> None:
    """Such as a full disk, at the pictures of its mistakes: the same model was trained twice."""
    again = replace(again, epochs=1, start="imagenet")
    models = again.workspace / "models" / "baseline"
    before = {path.parent.name for path in models.glob("*/manifest.json")}
    shutil.rmtree(again.workspace / "failures")
    (again.workspace / "failures").write_text("a file where their folder would be")
    retraining = collect(again)
    with pytest.raises(OSError, match="failures"):
        train(again, retraining, "baseline")
    (again.workspace / "failures").unlink()
    version = train(again, retraining, "baseline")
    assert {path.parent.name for path in models.glob("*/manifest.json")} == before | {version}
    folder = retrainings_root(again.workspace) / retraining
    assert [row.stage for row in read_record(folder).epochs] == ["calibrating", "training"]
    assert pictures_path(again.workspace, "baseline", version).is_file()
    assert not list((folder / "unfinished").iterdir())


def test_champion_is_started_from_and_what_its_weights_saw_does_not_calibrate(
    again: Inputs,
) -> None:
    data = read_data(again)
    chosen = choose_start(again, "baseline", data)
    champion = model_folder(again.workspace, "baseline")
    assert chosen.weights == champion / "start.npz"
    assert chosen.words == f"weights of {champion.name}, calibrated on 48 slices"
    fold = data.table["fold"].to_numpy()
    assert set(fold[chosen.split.calibration]) == {3}
    assert set(fold[chosen.split.fitting]) == {0, 1, 2}
    assert set(fold[chosen.split.test]) == {4}


def test_new_slices_of_patients_whom_the_weights_saw_do_not_calibrate(again: Inputs) -> None:
    more = write_labelled(again.data / "more", patients=1, seed=1)
    more["path"] = "more/" + more["path"]
    known = pd.read_csv(again.data / "manifest.csv")
    grown = pd.concat([known, more.assign(patient="p0", group="g0", fold=0)])
    grown.to_csv(again.data / "manifest.csv", index=False)
    data = read_data(again)
    chosen = choose_start(again, "baseline", data)
    assert chosen.weights is not None
    assert set(data.table.loc[chosen.split.calibration, "group"]) == {"g3", "g8", "g13", "g18"}
    assert data.table.loc[chosen.split.train, "path"].str.startswith("more/").sum() == 12


def test_new_patients_are_fitted_on_and_only_those_of_the_calibration_fold_calibrate(
    again: Inputs,
) -> None:
    """Twelve pictures each of ten new patients, two a fold."""
    write_labelled(again.data, patients=30)
    data = read_data(again)
    chosen = choose_start(again, "baseline", data)
    table, split = data.table, chosen.split
    assert chosen.weights is not None
    own, new = {"g3", "g8", "g13", "g18"}, {"g23", "g28"}
    assert set(table.loc[split.calibration, "group"]) == own | new
    fitted = {f"g{number}" for number in (*range(20), 20, 21, 22, 24, 25, 26, 27, 29)}
    locked = {"g4", "g9", "g14", "g19"}
    assert set(table.loc[split.fitting, "group"]) == fitted - own - locked
    assert set(table.loc[split.test, "group"]) == locked
    # What is kept in the end learns from all but the locked slices.
    assert split.train.tolist() == (~split.test).tolist()
    assert split.train.tolist() == (split.fitting | split.calibration).tolist()


def test_few_new_slices_in_the_locked_fold_leave_calibration_to_another(again: Inputs) -> None:
    """A fold of new patients alone would set temperature and threshold on a handful."""
    more = write_labelled(again.data / "more", patients=1, seed=1)
    more["path"] = "more/" + more["path"]
    known = pd.read_csv(again.data / "manifest.csv")
    grown = pd.concat([known, more.assign(patient="p20", group="g20", fold=4)])
    grown.to_csv(again.data / "manifest.csv", index=False)
    data = read_data(again)
    split = split_of(again, data)
    assert set(data.table.loc[split.calibration, "group"]) == {"g3", "g8", "g13", "g18"}
    assert data.table.loc[split.fitting, "path"].str.startswith("more/").sum() == 12


def test_weights_that_leave_too_little_to_calibrate_on_are_not_started_from(
    again: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("artemis.training.inputs._MIN_CALIBRATION", 49)
    chosen = choose_start(again, "baseline", read_data(again))
    assert chosen.weights is None
    assert chosen.words == (
        "first weights: the champion's leave 48 slices to calibrate on, and 49 are needed"
    )


def test_champion_of_another_recipe_is_not_started_from(again: Inputs) -> None:
    (again.workspace / "models" / "baseline" / "CHAMPION").unlink()
    chosen = choose_start(again, "baseline", read_data(again))
    assert chosen.weights is None
    assert chosen.words == "first weights: the champion is of another recipe"


def test_challenger_that_saw_the_locked_slices_is_kept_out(again: Inputs) -> None:
    retraining = collect(again)
    data = read_data(again)
    honest = split_of(again, data)
    everything = np.ones(len(data.table), dtype=bool)
    leaked = Split(everything, honest.fitting, honest.calibration, honest.test, "it all")
    recipe = again.recipe("baseline").with_epochs(1)
    folder = train_model(
        recipe, data, leaked, again.workspace / "models", means_of(again.settings, recipe)
    )
    record_path = retrainings_root(again.workspace) / retraining / "retraining.json"
    record = read_record(record_path.parent)
    record.trained["baseline"], record.started_from["baseline"] = folder.name, "first weights"
    record_path.write_text(record.model_dump_json())
    before = model_folder(again.workspace, "baseline")
    outcome = judge(again, retraining, "baseline")
    assert outcome.decision.verdict == "keep"
    failed = {check.name: check.received for check in outcome.decision.checks if not check.passed}
    assert "48 locked slices in it" in failed["leak_slices"]
    assert model_folder(again.workspace, "baseline") == before
    assert outcome.champion_provenance == "unseen"
    assert judge(again, retraining, "baseline") == outcome


def test_data_without_the_locked_slices_is_refused(again: Inputs) -> None:
    table = pd.read_csv(again.data / "manifest.csv")
    table[table["fold"] != 4].to_csv(again.data / "manifest.csv", index=False)
    with pytest.raises(TrainingDataError, match=r"expected the 48 slices of the locked"):
        collect(again)


def test_what_cannot_be_trained_on_is_not_locked(tmp_path: Path) -> None:
    """Nothing unlocks a set: whoever mends the folds would find every picture locked."""
    table = write_labelled(tmp_path / "labelled", patients=6)
    settings = Settings(workspace=tmp_path / "workspace")
    inputs = Inputs(tmp_path / "labelled", settings, "imagenet", ("baseline",), 1)
    for folds, message in ((1, "Received none. Add labelled data, or folds"), (2, "two folds")):
        cut = table.assign(fold=table["fold"] % folds)
        cut.to_csv(tmp_path / "labelled" / "manifest.csv", index=False)
        with pytest.raises(TrainingDataError, match=message):
            collect(inputs)
        assert read_locked(inputs.workspace) is None
    table.to_csv(tmp_path / "labelled" / "manifest.csv", index=False)
    collect(inputs)
    locked = read_locked(inputs.workspace)
    assert locked is not None
    assert len(locked.slice_ids) == 12


def test_wrong_policy_is_named_before_anything_is_trained(again: Inputs) -> None:
    write_policy(again.workspace, "[golden]\nmin_slice = 1\n")
    with pytest.raises(SettingsError, match=r"golden\.min_slice, which is none"):
        collect(again)


def test_failed_retraining_says_why_and_is_gone_on_with(again: Inputs) -> None:
    retraining = collect(again)
    assert finish(again, retraining, reason="the disk is full").status == "failed"
    assert collect(again) == retraining
    record = read_record(retrainings_root(again.workspace) / retraining)
    assert (record.status, record.reason) == ("running", None)
    assert finish(again, retraining).status == "done"
    assert collect(again) != retraining


def test_record_changed_by_two_threads_keeps_what_both_wrote(
    again: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One model is judged while the other is trained."""
    retraining = collect(again)

    def slowly(folder: Path) -> RetrainingRecord:
        found = read_record(folder)
        time.sleep(0.05)
        return found

    def note(name: str) -> None:
        with changing(again, retraining) as record:
            record.started_from[name] = "first weights"

    monkeypatch.setattr(stages, "read_record", slowly)
    names = ["mobilenet_v2", "baseline"]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(note, names))
    record = read_record(retrainings_root(again.workspace) / retraining)
    assert sorted(record.started_from) == sorted(names)


def test_model_trained_by_hand_does_not_see_the_locked_slices(again: Inputs) -> None:
    locked = read_locked(again.workspace)
    assert locked is not None
    (folder,) = train_all(again.data, again.settings, models=["baseline"], folds=(0, 1), epochs=1)
    trained = set(read_out_of_fold(folder)["slice_id"])
    assert trained
    assert not trained & set(locked.slice_ids)


def test_judged_model_whose_outcome_was_lost_is_not_judged_against_itself(again: Inputs) -> None:
    """Killed between the gate's word and its place in the record."""
    again = replace(again, epochs=1)
    locked = read_locked(again.workspace)
    assert locked is not None
    golden = again.workspace / "models" / "baseline" / "golden.json"
    golden.write_text(json.dumps({"slice_ids": sorted(locked.slice_ids)[:2]}))
    retraining = collect(again)
    version = train(again, retraining, "baseline")
    recipe = load_manifest(again.workspace / "models" / "baseline" / version).training.recipe
    gentle = again.recipe("baseline").warm()  # whoever says how long does not say how fast
    assert (recipe["epochs"], recipe["learning_rate"]) == (1, gentle.learning_rate)
    folder = retrainings_root(again.workspace) / retraining
    before = read_record(folder)
    outcome = judge(again, retraining, "baseline")
    assert outcome.champion == before.champions["baseline"]
    received = {check.name: check.received for check in outcome.decision.checks}
    assert received["golden_set"] == "one of 2"
    write_record(again.workspace, before)
    assert collect(again) == retraining
    assert judge(again, retraining, "baseline") == outcome
    assert len(read_decisions(again.workspace, "baseline")) == 2  # the first was a person's


def test_model_whose_training_diverges_is_kept_out_and_not_tried_again(
    again: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = replace(again, epochs=1)
    fast = replace(RECIPES["baseline"], learning_rate=1e30, batch_size=32)
    monkeypatch.setitem(RECIPES, "baseline", fast)
    before = sorted((again.workspace / "models" / "baseline").iterdir())
    retraining = collect(again)
    for _ in range(2):
        with pytest.raises(DivergedError, match=r"^baseline, calibrating: expected") as raised:
            train(again, retraining, "baseline")
        record = read_record(retrainings_root(again.workspace) / retraining)
        assert record.diverged == {"baseline": str(raised.value)}
    assert (record.trained, record.epochs) == ({}, [])
    assert sorted((again.workspace / "models" / "baseline").iterdir()) == before


def serve_no_finite_answer(folder: Path) -> None:
    """Put a network of weights that are not finite into a model's folder."""
    manifest = load_manifest(folder)
    network = build_baseline(manifest.input.side)
    network.set_weights([np.full_like(weight, np.nan) for weight in network.get_weights()])
    export_litert(network, folder / WEIGHTS_NAME)
    files = manifest.files | {WEIGHTS_NAME: sha256_file(folder / WEIGHTS_NAME)}
    whole = manifest.model_copy(update={"files": files})
    (folder / MANIFEST_NAME).write_text(whole.model_dump_json())


def test_model_without_finite_answers_is_kept_out_once(again: Inputs) -> None:
    again = replace(again, epochs=1)
    retraining = collect(again)
    serve_no_finite_answer(
        again.workspace / "models" / "baseline" / train(again, retraining, "baseline")
    )
    with pytest.raises(DivergedError, match=r"expected finite answers to all locked slices\. "):
        judge(again, retraining, "baseline")
    record = read_record(retrainings_root(again.workspace) / retraining)
    assert record.outcomes == {}
    assert "predictions_valid: expected finite probabilities" in record.diverged["baseline"]
    decision = read_decisions(again.workspace, "baseline")[-1]
    assert decision.verdict is Verdict.KEEP
    with pytest.raises(DivergedError):
        train(again, retraining, "baseline")


def test_champion_without_finite_answers_has_no_figures_beside_the_challenger(
    again: Inputs,
) -> None:
    again = replace(again, epochs=1, start="imagenet")
    serve_no_finite_answer(model_folder(again.workspace, "baseline"))
    retraining = collect(again)
    train(again, retraining, "baseline")
    outcome = judge(again, retraining, "baseline")
    assert outcome.champion_evaluation is None
    assert outcome.decision.verdict is Verdict.KEEP
    (check,) = (one for one in outcome.decision.checks if one.name == "champion_valid")
    assert (check.passed, check.received) == (False, "48 of 48 rows that are not")


def test_champion_whose_folder_was_deleted_is_named_and_not_taken_for_none(tmp_path: Path) -> None:
    """Else the challenger would be promoted by the floors alone, compared with nothing."""
    assert champion_of(tmp_path, "baseline") == model_folder(tmp_path, "baseline")  # as shipped
    assert champion_of(tmp_path, "no_such_model") is None
    pointer = tmp_path / "models" / "baseline" / "CHAMPION"
    pointer.parent.mkdir(parents=True)
    pointer.write_text("20260101-ffffff\n")
    with pytest.raises(ModelError, match=r"CHAMPION: expected the version of a model beside it\. "):
        champion_of(tmp_path, "baseline")
