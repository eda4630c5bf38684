"""Networks of which all layers are trained, and what later trainings begin with."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

import keras
import tensorflow as tf

from artemis.errors import ModelError
from artemis.models.architectures import Mixed
from artemis.training.network.feeds import Drawn, Samples
from artemis.training.network.fit import Epoch, fit
from artemis.training.network.fitted import Answers, Fitted, build, calling
from artemis.training.network.recipes import Recipe
from artemis.training.network.weights import Weights, read_weights, save_weights
from tests.training.small import draw_noise, eagerly, small, tiny

pytestmark = pytest.mark.slow(seconds=40)

ROWS = np.arange(16)


NOWHERE = Path("imagenet.weights.h5")
"""No weights of ImageNet: whoever begins with others needs none."""


@dataclass(frozen=True)
class Learnt:
    """MobileNetV2 after two epochs of one step, and resumed after the first of them.

    On twelve of the rows: which, hangs on the order.
    """

    samples: Samples
    start: Path
    whole: Fitted
    resumed: Fitted
    told: list[int]

    def before(self) -> Weights:
        return read_weights(self.start)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """First weights: as they are drawn, next to nothing comes out of the stem."""
    path, noise = tmp_path_factory.mktemp("start") / "start.npz", np.random.default_rng(0)
    drawn = build(tiny(), None).weights()
    save_weights([w + noise.random(w.shape) if w.ndim == 1 else w for w in drawn], path)
    return path


def learn(folder: Path, start: Path, all_layers: bool) -> Learnt:
    recipe = tiny(epochs=2, batch_size=12, all_layers=all_layers)
    samples, told = draw_noise(recipe, folder, start), []

    def keep_the_first(epoch: Epoch) -> None:
        if epoch.number == 1:
            shutil.copytree(folder / "whole", folder / "ended")

    def train(name: str, on_epoch: Callable[[Epoch], None]) -> Fitted:
        means = {"imagenet": NOWHERE, "start": start, "checkpoint": folder / name}
        return fit(recipe, samples, ROWS, **means, on_epoch=on_epoch)

    with eagerly():
        whole = train("whole", keep_the_first)
        random.random()  # noqa: S311  # somebody else draws from the global generators
        tf.random.uniform((9,))
        resumed = train("ended", lambda epoch: told.append(epoch.number))
    return Learnt(samples, start, whole, resumed, told)


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory, start: Path) -> Learnt:
    return learn(tmp_path_factory.mktemp("deep"), start, all_layers=True)


@pytest.fixture(scope="module")
def shallow(tmp_path_factory: pytest.TempPathFactory, start: Path) -> Learnt:
    return learn(tmp_path_factory.mktemp("shallow"), start, all_layers=False)


@pytest.fixture(params=["deep", "shallow"])
def learnt(request: pytest.FixtureRequest) -> Learnt:
    made: Learnt = request.getfixturevalue(request.param)
    return made


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


def test_a_network_that_mixes_is_told_what_its_truth_is_mixed_of(tmp_path: Path) -> None:
    whole = draw_noise(tiny(all_layers=True), tmp_path)
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


def test_the_stem_learns_where_all_layers_do_and_only_there(learnt: Learnt) -> None:
    stem, trunk = learnt.whole.parts
    names = [variable.path for variable in stem.weights]
    before, all_layers = learnt.before(), learnt.whole.recipe.all_layers
    changed = [
        not np.array_equal(one, other)
        for one, other in zip(before, learnt.whole.weights(), strict=True)
    ]
    of_stem = changed[: len(names)]
    assert any(changed[len(names) :])
    assert len(changed) - len(names) == len(trunk.weights)
    for kind in ("kernel", "gamma", "moving_mean", "moving_variance"):  # learnt, and gathered
        found = [was for was, name in zip(of_stem, names, strict=True) if name.endswith(kind)]
        assert found
        assert any(found) == all_layers


def test_what_is_kept_of_pictures_is_answered_as_the_pictures_are(learnt: Learnt) -> None:
    fitted, pictures = learnt.whole, learnt.samples.pictures[:4]
    kept = fitted.weights()
    expected = np.asarray(fitted.serving()(pictures[..., None].astype(np.float32))["logits"])
    half = 1e-4 if fitted.recipe.all_layers else 0.05  # precision that stem outputs are kept in
    received = fitted.predict(learnt.samples, ROWS[:4])["logits"]
    assert received == pytest.approx(expected, abs=half)
    for one, other in zip(kept, fitted.weights(), strict=True):  # answering teaches nothing
        assert np.array_equal(one, other)


def test_resumed_training_is_the_one_that_was_never_ended(learnt: Learnt) -> None:
    """Order, mixup and dropout; up to the order of floating-point sums."""
    expected, received = (
        of.predict(learnt.samples, ROWS)["logits"] for of in (learnt.whole, learnt.resumed)
    )
    assert learnt.told == [2]
    assert received == pytest.approx(expected, abs=1e-2)
    assert drawn_by_dropout(learnt.resumed) == drawn_by_dropout(learnt.whole)


def drawn_by_dropout(fitted: Fitted) -> list[list[int]]:
    """Seed and number of draws of each layer that drops."""
    return [
        layer.seed_generator.state.numpy().tolist()
        for layer in fitted.trained.layers
        if "Dropout" in layer.__class__.__name__
    ]


def test_a_later_training_begins_with_the_stem_of_the_earlier_one(shallow: Learnt) -> None:
    """Whose stem another recipe may have trained: what it makes of the pictures is learnt from."""
    samples, stem = shallow.samples, shallow.whole.stem
    assert samples.draws is not None
    assert stem is not None
    made = np.asarray(stem(samples.pictures[:2, ..., None].astype(np.float32))["stem"])
    assert made.std() > 0.1
    np.testing.assert_allclose(samples.draws.features[:2, 0], made, rtol=0.02, atol=1e-3)


def test_a_later_training_needs_no_weights_of_imagenet(start: Path) -> None:
    again = build(tiny(), NOWHERE, start)
    for one, other in zip(read_weights(start), again.weights(), strict=True):
        assert np.array_equal(one, other)
    with pytest.raises(ModelError, match=r"imagenet\.weights\.h5\. Received"):
        build(tiny(), NOWHERE)


def test_weights_are_the_same_of_every_recipe_of_a_model(learnt: Learnt) -> None:
    """So that a retraining, whose recipe keeps the stem, begins with what another one made."""
    shapes = [w.shape for w in learnt.whole.weights()]
    assert shapes[0] == (3, 3, 1, 32)
    assert len(shapes) == 281
    assert shapes == [w.shape for w in learnt.before()]


def test_what_a_network_says_to_pictures_is_traced_once(
    shallow: Learnt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shortcut tests ask of pictures changed in three ways."""
    made: list[keras.Model] = []

    def noted(model: keras.Model) -> Answers:
        made.append(model)
        return calling(model)

    monkeypatch.setattr("artemis.training.network.fitted.calling", noted)
    trunk, stem = shallow.whole.trained, shallow.whole.stem
    one = Fitted(shallow.whole.recipe, trunk, stem)
    pictures = shallow.samples.pictures[:2]
    with eagerly():
        answers = [one.predict_pictures(pictures) for _ in range(3)]
    expected = np.asarray(one.serving()(pictures[..., None].astype(np.float32))["logits"])
    for received in answers:
        assert received == pytest.approx(expected, abs=1e-4)
    assert [model.name for model in made] == ["trunk", "mobilenet_v2"]


def test_answers_to_batches_of_any_size_are_traced_once() -> None:
    traced = []

    class Noted(keras.layers.Layer):  # type: ignore[misc]
        def call(self, x: tf.Tensor) -> tf.Tensor:
            traced.append(x.shape)
            return 2.0 * x

    inputs = keras.Input((3,))
    call = calling(keras.Model(inputs, {"twice": Noted()(inputs)}))
    traced.clear()
    for count in (4, 2, 1):
        picture = np.full((count, 3), count, dtype=np.uint8)
        assert np.array_equal(call(picture)["twice"], 2.0 * picture)
    assert [tuple(shape) for shape in traced] == [(None, 3)]
