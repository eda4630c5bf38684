from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from artemis.errors import ModelError, TrainingDataError, WorkspaceError
from artemis.models.manifest import load_manifest
from artemis.progress import Progress, listening
from artemis.settings import Settings
from artemis.training import once
from artemis.training.labelled.dataset import TrainingSet
from artemis.training.network.fit import Epoch
from artemis.training.network.recipes import RECIPES, Recipe
from artemis.training.network.weights import read_weights
from artemis.training.trainings import split_by_folds, train_all
from tests.training.labelled_pictures import write_labelled
from tests.training.small import eagerly, small


def ten_pictures() -> TrainingSet:
    """Two pictures of each of five patients, a fold each, and one that crosses two folds."""
    table = pd.DataFrame(
        {
            "path": [f"{k}.png" for k in range(10)],
            "slice_id": [f"{k:064x}" for k in range(10)],
            "category": range(10),
            "group": [str(k // 2) for k in range(9)] + ["0"],
            "fold": [k // 2 for k in range(10)],
            "source": "drawn",
        }
    )
    return TrainingSet(table, {}, corrected=0)


def test_one_fold_cannot_both_test_and_calibrate() -> None:
    with pytest.raises(TrainingDataError, match=r"expected two folds\. Received 3 twice"):
        split_by_folds(ten_pictures(), 3, 3)


def test_split_leaves_out_what_shares_a_group_with_a_held_out_picture() -> None:
    split = split_by_folds(ten_pictures(), test=4, calibration=3)
    assert split.test.nonzero()[0].tolist() == [8, 9]
    assert split.train.nonzero()[0].tolist() == [2, 3, 4, 5, 6, 7]  # 0 and 1 belong to 9
    assert split.calibration.nonzero()[0].tolist() == [6, 7]
    assert split.fitting.nonzero()[0].tolist() == [2, 3, 4, 5]
    assert split.words == "whole patient groups: folds 0, 1, 2, 3 train, fold 4 tests"


def test_what_could_not_be_written_or_promoted_is_named_before_the_training(
    tmp_path: Path,
) -> None:
    """After it, whoever trained for hours had a message and no model."""
    settings = Settings(workspace=tmp_path / "workspace")
    (tmp_path / "file").write_text("")
    for output in (tmp_path / "file", tmp_path / "file" / "models"):
        with pytest.raises(WorkspaceError, match="Choose another with --output"):
            train_all(tmp_path / "no data", settings, models=["baseline"], output=output)
    for name in (" ", "policy", "two\nlines"):
        with pytest.raises(ModelError, match=r"^--promote: expected"):
            train_all(tmp_path / "no data", settings, models=["baseline"], promote_by=name)


def test_models_outside_the_workspace_cannot_be_promoted(tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match=r"--promote: expected models in the workspace"):
        train_all(
            tmp_path,
            Settings(workspace=tmp_path),
            models=["baseline"],
            output=tmp_path / "out",
            promote_by="A. Person",
        )


class EndedError(Exception):
    """A process that is ended after an epoch."""


@pytest.mark.slow(seconds=15)
def test_a_training_that_was_ended_goes_on_after_its_last_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RECIPES, "baseline", small(epochs=2, augmentation=None))
    write_labelled(tmp_path / "labelled", patients=5)
    seen: list[tuple[str, int]] = []

    def train(workspace: Path, *ends: tuple[str, int]) -> Path:
        def on_epoch(_: Recipe, stage: str, epoch: Epoch) -> None:
            seen.append((stage, epoch.number))
            if seen[-1] in ends:
                raise EndedError

        seen.clear()
        settings = Settings(workspace=workspace)
        (folder,) = train_all(
            tmp_path / "labelled", settings, models=["baseline"], on_epoch=on_epoch
        )
        return folder

    with eagerly():
        whole = train(tmp_path / "whole")
        assert seen == [(s, k) for s in ("calibrating", "training") for k in (1, 2)]
        ended = tmp_path / "ended"
        with pytest.raises(EndedError):
            train(ended, ("calibrating", 1))
        with pytest.raises(EndedError):
            train(ended, ("training", 1))
        assert seen == [("calibrating", 2), ("training", 1)]
        (work,) = (ended / "evaluations" / "baseline" / "unfinished").glob("fold-*/")
        resumed = train(ended)
    assert seen == [("training", 2)]
    assert not work.exists()
    assert load_manifest(resumed).temperature == load_manifest(whole).temperature
    weights = [read_weights(folder / "start.npz") for folder in (resumed, whole)]
    assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(*weights, strict=True))


@pytest.mark.slow(seconds=15)
def test_of_two_who_ask_for_the_same_training_one_trains_and_both_have_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(once, "LOOK_AGAIN", 0.02)
    monkeypatch.setitem(RECIPES, "baseline", small(epochs=1, augmentation=None))
    write_labelled(tmp_path / "labelled", patients=5)
    begun, waited = threading.Event(), threading.Event()
    stages: list[str] = []
    said: set[str] = set()

    def on_epoch(_: Recipe, stage: str, epoch: Epoch) -> None:
        stages.append(stage)
        begun.set()
        assert waited.wait(60)

    def listen(progress: Progress) -> None:
        if progress.stage.startswith("waiting"):
            said.add(progress.stage)
            waited.set()

    def train() -> list[Path]:
        settings = Settings(workspace=tmp_path / "workspace")
        with listening(listen):
            return train_all(
                tmp_path / "labelled", settings, models=["baseline"], on_epoch=on_epoch
            )

    with eagerly(), ThreadPoolExecutor(2) as threads:
        first = threads.submit(train)
        assert begun.wait(60)
        assert threads.submit(train).result(120) == first.result(120)
    assert stages == ["calibrating", "training"]
    assert said == {"waiting for a training of baseline by another process"}
