"""Networks that are taught by others, and those of which all layers are trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from artemis.models.architectures import Mixed
from artemis.training.network.feeds import Drawn, Samples
from artemis.training.network.fit import Epoch, fit, prepare
from artemis.training.network.fitted import Fitted, build
from artemis.training.network.recipes import RECIPES, Recipe
from artemis.training.network.taught import train_network
from artemis.training.network.weights import save_weights
from tests.training.small import eagerly, small, tiny

pytestmark = pytest.mark.slow(seconds=60)

ROWS = np.arange(16)
NONE_KNOWN = np.full((24, 4), np.nan, dtype=np.float32)


def drawn(recipe: Recipe, cache: Path, start: Path | None = None) -> Samples:
    pictures = np.random.default_rng(3).integers(0, 256, (24, *2 * (recipe.side,)), dtype=np.uint8)
    truth = np.arange(24) % 12
    return prepare(recipe, pictures, truth, NONE_KNOWN, imagenet=None, cache=cache, start=start)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    return drawn(tiny(all_layers=True), tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    return drawn(small(draws=2, epochs=2), tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize("recipe", [tiny(all_layers=True), small(draws=2)], ids=lambda r: r.model)
def test_variants_of_pictures_are_kept_where_no_stem_is_fixed(
    recipe: Recipe, tmp_path: Path
) -> None:
    samples = drawn(recipe, tmp_path)
    assert samples.draws is not None
    assert samples.draws.features.dtype == np.uint8
    count = min(recipe.draws, recipe.epochs)
    assert samples.draws.features.shape == (24, 1 + count, recipe.side, recipe.side, 1)
    assert np.array_equal(samples.draws.features[:, 0, ..., 0], samples.pictures)
    assert not np.array_equal(samples.draws.features[:, 1, ..., 0], samples.pictures)


def test_target_is_the_label_and_by_a_share_what_teachers_say_of_the_same_variant(
    baseline: Samples,
) -> None:
    said = np.random.default_rng(0).random((24, 2, 12)).astype(np.float16)
    recipe = small(draws=2, taught=0.75, batch_size=4)
    feed = Drawn(recipe, replace(baseline, teaching=said), ROWS)
    told = Drawn(recipe, baseline, ROWS)
    feed.start(1)
    told.start(1)
    pictures, truth, _ = feed[2]
    labels = told[2][1]["logits"]
    assert baseline.draws is not None
    for picture, target, label in zip(pictures, truth["logits"], labels, strict=True):
        row, variant = next(
            (row, variant)
            for row in ROWS
            for variant in (1, 2)
            if np.array_equal(baseline.draws.features[row, variant], picture)
        )
        assert label.argmax() == row % 12
        assert target == pytest.approx(0.25 * label + 0.75 * said[row, variant - 1], abs=1e-3)


def test_mixed_values_are_the_share_of_ones_own_and_the_rest_of_the_others() -> None:
    values = np.array([[[1.0, 2.0]], [[10.0, 20.0]]], dtype=np.float32)
    shares, others = np.array([0.75, 1.0], np.float32), np.array([1, 0], np.int32)
    assert np.asarray(Mixed()([values, others, shares])).tolist() == [[[3.25, 6.5]], [[10, 20]]]


def test_a_network_that_mixes_is_told_what_its_truth_is_mixed_of(whole: Samples) -> None:
    feed = Drawn(tiny(all_layers=True), whole, ROWS)
    inputs, truth, _ = feed[0]
    own, _, _ = Drawn(tiny(all_layers=True, mixup=0.0), whole, ROWS)[0]
    labels = Drawn(tiny(all_layers=True, mixup=0.0), whole, ROWS)[0][1]["logits"]
    share = inputs["share"][0]
    assert np.array_equal(inputs["picture"], own)
    assert 0.5 <= share <= 1
    assert (inputs["share"] == share).all()
    assert truth["logits"] == pytest.approx(share * labels + (1 - share) * labels[inputs["other"]])


@pytest.mark.parametrize("all_layers", [True, False])
def test_the_stem_learns_where_all_layers_do_and_only_there(
    whole: Samples, tmp_path: Path, all_layers: bool
) -> None:
    recipe = tiny(all_layers=all_layers)
    samples = whole if all_layers else drawn(recipe, tmp_path)
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
    expected = fitted.serving()(whole.pictures[:4, ..., None].astype(np.float32))["logits"]
    assert fitted.predict(samples, ROWS[:4])["logits"] == pytest.approx(
        np.asarray(expected), abs=0.05 if not all_layers else 1e-4
    )


def test_a_later_training_begins_with_the_stem_of_the_earlier_one(tmp_path: Path) -> None:
    """Whose stem another recipe may have trained: what it makes of the pictures is learnt from."""
    start, recipe = tmp_path / "start.npz", tiny()
    save_weights(build(tiny(all_layers=True), None).weights(), start)
    samples = drawn(recipe, tmp_path, start)
    assert samples.draws is not None
    stem = build(recipe, None, start).stem
    assert stem is not None
    made = np.asarray(stem(samples.pictures[:2, ..., None].astype(np.float32))["stem"])
    assert samples.draws.features[:2, 0] == pytest.approx(made, rel=0.02, abs=1e-3)


def test_a_later_training_needs_no_weights_of_imagenet(tmp_path: Path) -> None:
    start, nowhere = tmp_path / "start.npz", tmp_path / "imagenet.weights.h5"
    first = build(tiny(), None)
    save_weights(first.weights(), start)
    again = build(tiny(), nowhere, start)
    for one, other in zip(first.weights(), again.weights(), strict=True):
        assert other == pytest.approx(one, rel=1e-3, abs=1e-3)
    with pytest.raises(FileNotFoundError):
        build(tiny(), nowhere)


def test_teachers_learn_first_each_from_its_own_seed_and_are_kept_when_ended(
    baseline: Samples, tmp_path: Path
) -> None:
    recipe = small(draws=2, epochs=1, batch_size=8, teachers=2, taught=0.7)
    told: list[tuple[str, int]] = []

    def train() -> Fitted:
        return train_network(
            recipe,
            baseline,
            ROWS,
            "fold 1",
            checkpoint=tmp_path,
            reporter=lambda stage: lambda epoch: told.append((stage, epoch.number)),
        )

    with eagerly():
        first = train()
    stages = ["fold 1, teacher 1 of 2", "fold 1, teacher 2 of 2", "fold 1"]
    assert told == [(stage, 1) for stage in stages]
    one, two = (np.load(tmp_path / f"teacher-{k}" / "answers.npy") for k in (1, 2))
    assert one.shape == (24, 2, 12)
    assert one[ROWS].sum(axis=2) == pytest.approx(1, abs=0.01)
    assert not one[16:].any()
    assert not np.array_equal(one, two)
    (tmp_path / "epoch-0001.npz").unlink()
    with eagerly():
        again = train()
    assert told[3:] == [("fold 1", 1)]
    assert again.predict(baseline, ROWS)["logits"] == pytest.approx(
        first.predict(baseline, ROWS)["logits"], abs=1e-2
    )


def test_what_teachers_say_is_what_is_learnt(baseline: Samples) -> None:
    """Of labels and teachers that disagree, a network taught by them alone answers as they do."""
    recipe = small(draws=2, epochs=12, batch_size=8, taught=1.0, balance=0.0, learning_rate=0.01)
    said = np.zeros((24, 2, 12), dtype=np.float16)
    said[..., 5] = 1.0
    told: list[Epoch] = []
    with eagerly():
        fitted = fit(recipe, replace(baseline, teaching=said), ROWS, on_epoch=told.append)
    assert told[-1].accuracy == 1.0
    assert (fitted.predict(baseline, ROWS)["logits"].argmax(axis=1) == 5).all()


def test_teachers_have_no_teachers_and_other_seeds() -> None:
    taught = RECIPES["mobilenet_v2_taught"]
    teachers = [taught.teacher(number) for number in (1, 2)]
    assert [teacher.seed - taught.seed for teacher in teachers] == [1, 2]
    assert {replace(one, seed=taught.seed) for one in teachers} == {
        RECIPES["mobilenet_v2_all_layers"]
    }


@pytest.mark.parametrize("name", ["mobilenet_v2_taught", "mobilenet_v2"])
def test_weights_are_the_same_of_every_recipe_of_a_model(name: str) -> None:
    """So that a retraining, whose recipe keeps the stem, begins with what another one made."""
    shapes = [w.shape for w in build(replace(RECIPES[name], side=64), None).weights()]
    assert shapes[0] == (3, 3, 1, 32)
    assert len(shapes) == 281
    keras.backend.clear_session()
