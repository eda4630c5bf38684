from __future__ import annotations

import logging

import pytest

from artemis.errors import TrainingDataError
from artemis.training.jobs import (
    choose_recipes,
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
