from __future__ import annotations

import logging
from pathlib import Path

import pytest

from artemis.errors import TrainingDataError
from artemis.settings import ScheduleSettings, Settings
from artemis.training.jobs import (
    choose_recipes,
    labelled_data,
    require_tensorflow,
)
from artemis.training.network.recipes import RECIPES

pytest.importorskip("tensorflow", reason="needs the extra `train`")


def test_tensorflow_tells_the_terminal_nothing_of_its_graphs() -> None:
    """A newcomer took it for something gone wrong: each fold of an evaluation is traced anew."""
    require_tensorflow()
    assert not logging.getLogger("tensorflow").isEnabledFor(logging.WARNING)


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


def test_labelled_data_are_those_given_else_set_else_fetched(tmp_path: Path) -> None:
    settings = Settings(workspace=tmp_path, schedule=ScheduleSettings(retrain_data=tmp_path / "b"))
    for name in ("a", "b", "datasets/brain-mri"):
        (tmp_path / name).mkdir(parents=True)
    assert labelled_data(tmp_path / "a", settings) == tmp_path / "a"
    assert labelled_data(None, settings) == tmp_path / "b"
    assert labelled_data(None, Settings(workspace=tmp_path)) == tmp_path / "datasets/brain-mri"


def test_data_that_are_not_there_are_corrected_where_they_were_named(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    schedule = ScheduleSettings(retrain_data=gone)
    for given, settings in (
        (gone, Settings(workspace=tmp_path)),
        (None, Settings(workspace=tmp_path, schedule=schedule)),
    ):
        with pytest.raises(TrainingDataError) as raised:
            labelled_data(given, settings)
        assert str(raised.value) == (
            f"{gone}: expected labelled pictures. Received nothing there. Correct --data or "
            "ARTEMIS_SCHEDULE__RETRAIN_DATA, whichever named it."
        )
    with pytest.raises(TrainingDataError, match="Run `artemis-cli data fetch`, give --data, or"):
        labelled_data(None, Settings(workspace=tmp_path))
