from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd
import pytest

from artemis.errors import ModelError, TrainingDataError, WorkspaceError
from artemis.settings import Settings
from artemis.training.jobs import (
    choose_recipes,
    require_tensorflow,
    split_by_folds,
    train_all,
)
from artemis.training.labelled.dataset import TrainingSet
from artemis.training.network.recipes import RECIPES

pytest.importorskip("tensorflow", reason="needs the extra `train`")


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


def test_tensorflow_tells_the_terminal_nothing_of_its_graphs() -> None:
    """A newcomer took it for something gone wrong: each fold of an evaluation is traced anew."""
    require_tensorflow()
    assert not logging.getLogger("tensorflow").isEnabledFor(logging.WARNING)


def test_models_outside_the_workspace_cannot_be_promoted(tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match=r"--promote: expected models in the workspace"):
        train_all(
            tmp_path,
            Settings(workspace=tmp_path),
            models=["baseline"],
            output=tmp_path / "out",
            promote_by="A. Person",
        )


@pytest.mark.parametrize(
    ("models", "recipe"),
    [
        (["baseline"], "unknown"),
        (["mobilenet_v2"], "baseline_original"),
        (["baseline", "mobilenet_v2"], "baseline"),
    ],
)
def test_recipe_of_another_model_is_refused(models: list[str], recipe: str) -> None:
    with pytest.raises(TrainingDataError, match="expected a recipe of the one model"):
        choose_recipes(models, recipe)


def test_each_model_is_trained_by_the_recipe_of_its_name() -> None:
    assert choose_recipes(["mobilenet_v2", "baseline"]) == {
        name: RECIPES[name] for name in ("mobilenet_v2", "baseline")
    }
    assert choose_recipes(["baseline"], epochs=2)["baseline"].epochs == 2
