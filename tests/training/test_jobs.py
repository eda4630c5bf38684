from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from artemis.console import talk
from artemis.errors import TrainingDataError
from artemis.settings import Settings
from artemis.training.jobs import train_all

pytest.importorskip("tensorflow", reason="needs the extra `train`")


def start(tmp_path: Path, **changes: Any) -> None:
    options: dict[str, Any] = {
        "names": ["baseline"],
        "recipe": None,
        "folds": (4, 3),
        "epochs": None,
        "output": None,
        "promote_after": False,
        "console": talk(quiet=True),
    }
    train_all(tmp_path, Settings(workspace=tmp_path), **(options | changes))


def test_one_fold_cannot_both_test_and_calibrate(tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match=r"expected two folds\. Received 3 twice"):
        start(tmp_path, folds=(3, 3))


def test_models_outside_the_workspace_cannot_be_promoted(tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match=r"--promote: expected models in the workspace"):
        start(tmp_path, output=tmp_path / "out", promote_after=True)


@pytest.mark.parametrize(
    ("names", "recipe"),
    [(["baseline"], "unknown"), (["mobilenet_v2"], "baseline_original")],
)
def test_recipe_of_another_model_is_refused(tmp_path: Path, names: list[str], recipe: str) -> None:
    with pytest.raises(TrainingDataError, match=f"expected a recipe of the one model {names[0]}"):
        start(tmp_path, names=names, recipe=recipe)
