from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from artemis.models.manifest import load_manifest
from artemis.models.registry import model_folder
from artemis.training.network.augmentation import Augmentation
from artemis.training.network.recipes import RECIPES, recipe_of


def test_recipe_for_other_looks_is_todays_in_all_but_curves_and_blur() -> None:
    other = RECIPES["mobilenet_v2_other_looks"]
    assert other.augmentation == Augmentation(remap=0.35, blur=0.25)
    assert replace(other, augmentation=Augmentation()) == RECIPES["mobilenet_v2"]


@pytest.mark.parametrize(
    ("name", "recipe"), [("mobilenet_v2", "mobilenet_v2_taught"), ("baseline", "baseline")]
)
def test_shipped_models_were_trained_by_recipes_that_are_here(
    tmp_path: Path, name: str, recipe: str
) -> None:
    manifest = load_manifest(model_folder(tmp_path, name))
    assert recipe_of(manifest.training.recipe) == RECIPES[recipe]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_read_back_from_its_record(name: str) -> None:
    assert recipe_of(RECIPES[name].record()) == RECIPES[name]
