"""A retraining of MobileNetV2 from a champion whose stem was trained too, without ImageNet's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from artemis.models.manifest import START_NAME, load_manifest
from artemis.models.registry import promote
from artemis.settings import Settings
from artemis.training.jobs import split_by_folds
from artemis.training.network.fitted import build
from artemis.training.network.memory import keep_freed_memory
from artemis.training.network.recipes import RECIPES, recipe_of
from artemis.training.network.weights import read_weights
from artemis.training.retraining import Inputs, collect, read_data, train
from artemis.training.train import Means, train_model
from tests.training.labelled_pictures import write_labelled, write_policy
from tests.training.small import tiny

pytestmark = pytest.mark.slow(seconds=100)
keep_freed_memory()  # as every training does

NAME = "mobilenet_v2"


def stem_of(folder: Path) -> list[np.ndarray]:
    """What the weights to start from hold of the stem."""
    stem = build(tiny(), None).stem
    assert stem is not None
    return read_weights(folder / START_NAME)[: len(stem.get_weights())]


def test_retraining_goes_on_from_the_stem_of_the_champion_without_weights_of_imagenet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RECIPES, NAME, tiny(batch_size=32, epochs=3))
    write_labelled(tmp_path / "labelled", patients=20)
    write_policy(tmp_path / "workspace")
    settings = Settings(
        workspace=tmp_path / "workspace", imagenet_weights=tmp_path / "nowhere.weights.h5"
    )
    inputs = Inputs(tmp_path / "labelled", settings, "champion", (NAME,))
    models = settings.workspace / "models"
    data = read_data(inputs)
    whole = tiny(batch_size=32, all_layers=True)
    means = Means(None, tmp_path / "cache")
    champion = train_model(whole, data, split_by_folds(data, 4, 3), models, means)
    assert load_manifest(champion).export_agreement < 1e-2
    promote(settings.workspace, NAME, champion.name, by="A. Person", reason="to go on from it")
    challenger = models / NAME / train(inputs, collect(inputs), NAME)
    manifest = load_manifest(challenger)
    assert manifest.export_agreement < 1e-2
    recipe = recipe_of(manifest.training.recipe)
    assert (recipe.all_layers, recipe.epochs) == (False, 1)
    for one, other in zip(stem_of(challenger), stem_of(champion), strict=True):
        assert np.array_equal(one, other)
