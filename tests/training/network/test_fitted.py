"""Networks of which all layers are trained, and what later trainings begin with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from artemis.models.architectures import Mixed
from artemis.training.network.feeds import Drawn, Samples
from artemis.training.network.fit import fit
from artemis.training.network.fitted import build
from artemis.training.network.recipes import RECIPES, Recipe
from artemis.training.network.weights import save_weights
from tests.training.small import draw_noise, eagerly, small, tiny

pytestmark = pytest.mark.slow(seconds=60)

ROWS = np.arange(16)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    return draw_noise(tiny(all_layers=True), tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize("recipe", [tiny(all_layers=True), small(draws=2)], ids=lambda r: r.model)
def test_variants_of_pictures_are_kept_where_no_stem_is_fixed(
    recipe: Recipe, tmp_path: Path
) -> None:
    samples = draw_noise(recipe, tmp_path)
    assert samples.draws is not None
    assert samples.draws.features.dtype == np.uint8
    count = min(recipe.draws, recipe.epochs)
    assert samples.draws.features.shape == (24, 1 + count, recipe.side, recipe.side, 1)
    assert np.array_equal(samples.draws.features[:, 0, ..., 0], samples.pictures)
    assert not np.array_equal(samples.draws.features[:, 1, ..., 0], samples.pictures)


def test_mixed_values_are_the_share_of_ones_own_and_the_rest_of_the_others() -> None:
    values = np.array([[[1.0, 2.0]], [[10.0, 20.0]]], dtype=np.float32)
    shares, others = np.array([0.75, 1.0], np.float32), np.array([1, 0], np.int32)
    assert np.asarray(Mixed()([values, others, shares])).tolist() == [[[3.25, 6.5]], [[10, 20]]]


def test_a_network_that_mixes_is_told_what_its_truth_is_mixed_of(whole: Samples) -> None:
    assert whole.draws is not None
    said = np.random.default_rng(0).random((24, whole.draws.count, 12)).astype(np.float16)
    taught = replace(whole, teaching=said)
    inputs, truth, _ = Drawn(tiny(all_layers=True, taught=0.75), taught, ROWS)[0]
    own, unmixed, _ = Drawn(tiny(all_layers=True, taught=0.75, mixup=0.0), taught, ROWS)[0]
    share, other = inputs["share"][0], inputs["other"]
    assert np.array_equal(inputs["picture"], own)
    assert 0.5 <= share <= 1
    assert (inputs["share"] == share).all()
    assert sorted(other) == [*range(8)]
    assert unmixed["places"].any()
    for name in ("logits", "places"):
        expected = share * unmixed[name] + (1 - share) * unmixed[name][other]
        assert truth[name] == pytest.approx(expected, abs=1e-6)
    assert np.array_equal(truth["attention"], unmixed["attention"])


@pytest.mark.parametrize("all_layers", [True, False])
def test_the_stem_learns_where_all_layers_do_and_only_there(
    whole: Samples, tmp_path: Path, all_layers: bool
) -> None:
    recipe = tiny(all_layers=all_layers)
    samples = whole if all_layers else draw_noise(recipe, tmp_path)
    start = tmp_path / "start.npz"
    save_weights(build(recipe, None).weights(), start)
    with eagerly():
        fitted = fit(recipe, samples, ROWS, imagenet=None, start=start)
    before, after = build(recipe, None, start).parts, fitted.parts
    changed = [
        any(not np.array_equal(a, b) for a, b in zip(x.get_weights(), y.get_weights(), strict=True))
        for x, y in zip(before, after, strict=True)
    ]
    assert changed == [all_layers, True]
    assert gathered(before[0], after[0]) == all_layers
    kept = fitted.weights()
    expected = fitted.serving()(whole.pictures[:4, ..., None].astype(np.float32))["logits"]
    assert fitted.predict(samples, ROWS[:4])["logits"] == pytest.approx(
        np.asarray(expected), abs=0.05 if not all_layers else 1e-4
    )
    for one, other in zip(kept, fitted.weights(), strict=True):  # answering teaches nothing
        assert np.array_equal(one, other)


def gathered(before: keras.Model, after: keras.Model) -> bool:
    """Whether any moving average of a stem's batches is another than it was."""
    pairs = zip(before.non_trainable_variables, after.non_trainable_variables, strict=True)
    return any(
        not np.array_equal(one.numpy(), other.numpy())
        for one, other in pairs
        if "moving" in one.path
    )


def test_a_later_training_begins_with_the_stem_of_the_earlier_one(tmp_path: Path) -> None:
    """Whose stem another recipe may have trained: what it makes of the pictures is learnt from."""
    start, recipe, random = tmp_path / "start.npz", tiny(), np.random.default_rng(0)
    first = build(tiny(all_layers=True), None).weights()
    # As they are drawn first, what comes out of the stem is nearly 0, whichever stem it is.
    save_weights([w + random.random(w.shape) if w.ndim == 1 else w for w in first], start)
    samples = draw_noise(recipe, tmp_path, start)
    assert samples.draws is not None
    stem = build(recipe, None, start).stem
    assert stem is not None
    made = np.asarray(stem(samples.pictures[:2, ..., None].astype(np.float32))["stem"])
    assert made.std() > 0.1
    np.testing.assert_allclose(samples.draws.features[:2, 0], made, rtol=0.02, atol=1e-3)


def test_a_later_training_needs_no_weights_of_imagenet(tmp_path: Path) -> None:
    start, nowhere = tmp_path / "start.npz", tmp_path / "imagenet.weights.h5"
    first = build(tiny(), None)
    save_weights(first.weights(), start)
    again = build(tiny(), nowhere, start)
    for one, other in zip(first.weights(), again.weights(), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-3)
    with pytest.raises(FileNotFoundError):
        build(tiny(), nowhere)


@pytest.mark.parametrize("name", ["mobilenet_v2_taught", "mobilenet_v2"])
def test_weights_are_the_same_of_every_recipe_of_a_model(name: str) -> None:
    """So that a retraining, whose recipe keeps the stem, begins with what another one made."""
    shapes = [w.shape for w in build(replace(RECIPES[name], side=64), None).weights()]
    assert shapes[0] == (3, 3, 1, 32)
    assert len(shapes) == 281
    keras.backend.clear_session()
