from __future__ import annotations

from pathlib import Path

import pytest

from artemis.errors import TrainingDataError
from artemis.settings import Settings
from artemis.training.jobs import choose_recipes, split_by_folds, train_all
from artemis.training.recipes import RECIPES

pytest.importorskip("tensorflow", reason="needs the extra `train`")


def test_one_fold_cannot_both_test_and_calibrate(labelled: object) -> None:
    with pytest.raises(TrainingDataError, match=r"expected two folds\. Received 3 twice"):
        split_by_folds(labelled, 3, 3)  # type: ignore[arg-type]


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
