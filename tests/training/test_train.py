"""Training for real, on a few small pictures."""

from __future__ import annotations

import random
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from artemis.errors import ModelError, TrainingDataError
from artemis.models.architectures import build_baseline, build_stem, build_trunk, join
from artemis.models.runtime import ClassificationModel, Network, softmax
from artemis.training.figures.evaluate import macro_f1
from artemis.training.labelled.dataset import TrainingSet
from artemis.training.network.augment import augment_batch, augment_with_boxes, seed_of
from artemis.training.network.augmentation import Augmentation
from artemis.training.network.draws import draw_areas, make_draws
from artemis.training.network.export import export_litert
from artemis.training.network.feeds import Samples, StemDraws
from artemis.training.network.fit import Epoch, fit, prepare
from artemis.training.network.memory import keep_freed_memory
from artemis.training.network.recipes import RECIPES, Recipe
from artemis.training.network.weights import read_weights, save_weights
from artemis.training.train import Means, Split, train_model

pytestmark = pytest.mark.slow
keep_freed_memory()  # as every training does

STILL = Augmentation(**dict.fromkeys(Augmentation.__dataclass_fields__, 0.0))


@pytest.fixture(scope="module")
def shapes() -> TrainingSet:
    """Pictures that a network can tell apart: a bright square in one of twelve places."""
    generator = np.random.default_rng(0)
    categories = np.tile(np.arange(12), 20)
    pictures = generator.integers(0, 60, (240, 150, 150), dtype=np.uint8)
    for picture, category in zip(pictures, categories, strict=True):
        row, column = divmod(int(category), 4)
        picture[row * 50 + 8 : row * 50 + 42, column * 37 + 4 : column * 37 + 34] = 230
    table = pd.DataFrame(
        {
            "path": [f"{k}.png" for k in range(240)],
            "slice_id": [f"{k:064x}" for k in range(240)],
            "category": categories,
            "group": [str(k // 12) for k in range(240)],
            "fold": [k // 48 for k in range(240)],
            "source": "drawn",
        }
    )
    return TrainingSet(table, {150: pictures}, corrected=0)


def split_of(shapes: TrainingSet, test: int, calibration: int) -> Split:
    folds = shapes.table["fold"].to_numpy()
    held_out, tested = folds == calibration, folds == test
    return Split(~tested, ~tested & ~held_out, held_out, tested, f"fold {test} tests")


def samples_of(shapes: TrainingSet) -> Samples:
    return Samples(shapes.pictures[150], shapes.table["category"].to_numpy(), None)


def tiny(**changes: object) -> Recipe:
    """MobileNetV2 on pictures of 64 px, for a moment."""
    small = {"side": 64, "epochs": 1, "draws": 2, "batch_size": 8}
    return replace(RECIPES["mobilenet_v2"], **(small | changes))


@pytest.fixture(scope="module")
def boxed(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """Noise with a bright square whose box is known, in every other picture."""
    generator = np.random.default_rng(6)
    pictures = generator.integers(0, 40, (48, 64, 64), dtype=np.uint8)
    boxes = np.full((48, 4), np.nan, dtype=np.float32)
    for k in range(0, 48, 2):
        left, top = generator.integers(4, 40, 2)
        pictures[k, top : top + 18, left : left + 18] = 240
        boxes[k] = np.array([left, top, left + 18, top + 18]) / 64
    cache = tmp_path_factory.mktemp("cache")
    return prepare(tiny(), pictures, np.arange(48) % 12, boxes, imagenet=None, cache=cache)


def test_original_baseline_has_the_parameters_of_2022() -> None:
    model = build_baseline(original=True)
    assert model.count_params() == 82_104
    kinds = [layer.__class__.__name__ for layer in model.layers]
    assert kinds.count("Conv2D") == 5
    assert "BatchNormalization" not in kinds


def test_baseline_keeps_the_shape_of_the_original() -> None:
    convolutions = [
        (layer.filters, layer.kernel_size)
        for layer in build_baseline().layers
        if layer.__class__.__name__ == "Conv2D"
    ]
    assert convolutions == [(32, (2, 2)), (64, (3, 3)), (32, (3, 3)), (32, (3, 3)), (64, (2, 2))]


@pytest.mark.shared
def test_one_channel_is_imagenets_three_equal_ones(imagenet_weights: Path) -> None:
    import keras

    colour = keras.applications.MobileNetV2(
        weights=None, include_top=False, input_shape=(96, 96, 3)
    )
    colour.load_weights(str(imagenet_weights))
    pictures = np.random.default_rng(1).uniform(0, 255, (2, 96, 96, 1)).astype(np.float32)
    scaled = np.repeat(pictures / 127.5 - 1, 3, axis=-1)
    expected = colour(scaled, training=False).numpy().mean(axis=(1, 2))
    network = join(build_stem(96, imagenet_weights), build_trunk(96, imagenet=imagenet_weights))
    features = network(pictures, training=False)["features"].numpy()
    assert features == pytest.approx(expected, abs=1e-3)


def test_evidence_and_pooled_features_add_up_to_the_logits() -> None:
    trunk = build_trunk(64, imagenet=None)
    outputs = trunk(np.random.default_rng(2).normal(size=(3, 8, 8, 32)), training=False)
    maps, attention = outputs["maps"].numpy(), outputs["attention"].numpy()
    assert maps.shape == (3, 4, 4, 4)
    assert attention.sum(axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    dense = next(layer for layer in trunk.layers if layer.__class__.__name__ == "Dense")
    whole = dense(outputs["features"]).numpy()
    local = np.repeat(maps.sum(axis=(1, 2)), 3, axis=1)
    assert outputs["logits"].numpy() == pytest.approx(whole + local, abs=1e-4)


def test_initial_weights_do_not_depend_on_other_threads_draws() -> None:
    stop = threading.Event()

    def draw() -> None:
        while not stop.is_set():
            random.random()  # noqa: S311  # nothing secret

    thread = threading.Thread(target=draw)
    thread.start()
    try:
        pairs = [(build_baseline(seed=3), build_baseline(seed=3))]
        pairs.append(tuple(build_trunk(64, imagenet=None, seed=s) for s in (3, 3)))
    finally:
        stop.set()
        thread.join()
    for one, other in pairs[:1]:
        for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
            assert np.array_equal(a, b)
    heads = [[layer for layer in t.layers if layer.__class__.__name__ == "Dense"] for t in pairs[1]]
    assert np.array_equal(heads[0][0].get_weights()[0], heads[1][0].get_weights()[0])


@pytest.mark.parametrize("half", [True, False])
def test_exported_network_agrees_with_keras(tmp_path: Path, half: bool) -> None:
    model = join(build_stem(96, None), build_trunk(96, imagenet=None))
    pictures = np.random.default_rng(3).integers(0, 256, (20, 96, 96), dtype=np.uint8)
    shapes = export_litert(model, tmp_path / "model.tflite", half=half)
    served = Network(tmp_path / "model.tflite").run(pictures)
    trained = model(pictures[..., None].astype(np.float32), training=False)["logits"].numpy()
    assert shapes == {"logits": [12], "features": [1280], "maps": [6, 6, 4]}
    assert softmax(served["logits"]) == pytest.approx(softmax(trained), abs=1e-2)
    size = (tmp_path / "model.tflite").stat().st_size
    assert (4.5e6 < size < 7e6) if half else (9e6 < size < 12e6)


def test_augmentation_keeps_shape_range_and_dtype() -> None:
    pictures = np.random.default_rng(4).uniform(0, 255, (6, 48, 48, 1)).astype(np.float32)
    changed = augment_batch(pictures, Augmentation(), seed_of(1, 2)).numpy()
    assert changed.shape == pictures.shape
    assert changed.dtype == np.float32
    assert 0 <= changed.min() <= changed.max() <= 255
    assert not np.allclose(changed[0], pictures[0])


def test_augmentation_of_nothing_changes_nothing() -> None:
    pictures = np.random.default_rng(5).uniform(0, 255, (3, 32, 32, 1)).astype(np.float32)
    changed = augment_batch(pictures, STILL, seed_of(1, 2)).numpy()
    assert changed == pytest.approx(pictures, abs=0.05)


def test_tumour_box_moves_with_its_picture() -> None:
    boxes = np.tile(np.array([[0.25, 0.5, 0.5, 0.75]], dtype=np.float32), (20, 1))
    areas = draw_areas(boxes, 64)[..., None]
    how = replace(STILL, rotation=20, shift=0.1)
    moved, area = augment_with_boxes(areas * 255, areas, how, seed_of(1, 2))
    assert not np.allclose(area.numpy()[0], areas[0])
    assert moved.numpy() / 255 == pytest.approx(area.numpy(), abs=0.01)


def test_areas_are_drawn_where_the_box_is_and_nowhere_without_one() -> None:
    boxes = np.array([[0.25, 0.5, 0.5, 1.0], [np.nan] * 4], dtype=np.float32)
    areas = draw_areas(boxes, 8)
    assert areas[0].sum() == 2 * 4
    assert areas[0, 4:, 2:4].all()
    assert not areas[1].any()


def test_first_draw_is_the_picture_as_it_is(boxed: Samples) -> None:
    assert boxed.draws is not None
    assert boxed.draws.count == 2
    stem = build_stem(64, None)  # random weights: compare with those of the file
    assert boxed.draws.features.shape == (48, 3, *stem.output["stem"].shape[1:])
    assert boxed.draws.areas[::2, 0].sum(axis=(1, 2)) == pytest.approx(18**2 / 16**2, abs=1e-2)
    assert not boxed.draws.areas[1::2].any()


def test_draws_are_made_once(tmp_path: Path) -> None:
    pictures = np.random.default_rng(7).integers(0, 256, (4, 64, 64), dtype=np.uint8)
    boxes, told = np.full((4, 4), np.nan, dtype=np.float32), []
    weights = tmp_path / "any.weights.h5"
    build_imagenet_like(weights)
    for _ in range(2):
        make_draws(
            tiny(), pictures, boxes, tmp_path, weights, lambda done, of: told.append((done, of))
        )
    assert told == [(1, 3), (2, 3), (3, 3)]
    make_draws(tiny(draws=1), pictures, boxes, tmp_path, weights)
    assert len(list(tmp_path.glob("stem-*"))) == 1


def build_imagenet_like(path: Path) -> None:
    import keras

    model = keras.applications.MobileNetV2(input_shape=(64, 64, 3), include_top=False, weights=None)
    model.save_weights(str(path))


def test_each_epoch_feeds_every_picture_once_and_depends_on_its_number_alone(
    boxed: Samples,
) -> None:
    rows = np.arange(0, 40)
    feed, again = (StemDraws(tiny(), boxed, rows) for _ in range(2))
    feed.start(5)
    again.start(2)
    again.start(5)
    assert len(feed) == 5
    truths = np.concatenate([feed[step][1]["logits"] for step in range(5)])
    assert truths.sum(axis=0).tolist() == np.bincount(rows % 12, minlength=12).tolist()
    for step in range(5):
        assert np.array_equal(feed[step][0], again[step][0])
    feed.start(6)
    assert not np.array_equal(feed[0][0], again[0][0])


def test_attention_goes_into_the_tumour_box(boxed: Samples) -> None:
    recipe = tiny(epochs=25, box_weight=1.0, learning_rate=3e-3, label_smoothing=0.0, mixup=0.0)
    rows = np.arange(48)
    fitted = fit(recipe, boxed, rows, imagenet=None)
    attention = fitted.predict(boxed, rows[::2])["attention"]
    assert boxed.draws is not None
    inside = (attention * (boxed.draws.areas[::2, 0].reshape(24, -1) > 0)).sum(axis=1)
    assert inside.mean() > 0.8  # 4.5 of 16 places


def test_same_seed_trains_the_same_network(shapes: TrainingSet) -> None:
    recipe = replace(RECIPES["baseline"], epochs=1)
    rows = np.arange(64)
    first, second = (
        fit(recipe, samples_of(shapes), rows).predict(samples_of(shapes), rows) for _ in range(2)
    )
    assert first["logits"] == pytest.approx(second["logits"], abs=1e-2)


def test_training_that_was_ended_goes_on_from_its_last_epoch(
    shapes: TrainingSet, tmp_path: Path
) -> None:
    recipe = replace(RECIPES["baseline"], epochs=4, augmentation=None)
    rows, seen = np.arange(96), []

    def stop_after_three(epoch: Epoch) -> None:
        seen.append(epoch.number)
        if epoch.number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(recipe, samples_of(shapes), rows, checkpoint=tmp_path / "c", on_epoch=stop_after_three)
    fit(
        recipe,
        samples_of(shapes),
        rows,
        checkpoint=tmp_path / "c",
        on_epoch=lambda epoch: seen.append(epoch.number),
    )
    assert seen == [1, 2, 3, 4]


def test_held_out_macro_f1_is_told_after_each_epoch(shapes: TrainingSet) -> None:
    recipe = replace(RECIPES["baseline"], epochs=2, augmentation=None, learning_rate=1e-2)
    samples, told = samples_of(shapes), []
    rows, watched = np.arange(96), np.arange(192, 240)
    fitted = fit(recipe, samples, rows, watched=watched, on_epoch=told.append)
    predicted = fitted.predict(samples, watched)["logits"].argmax(axis=1)
    assert told[-1].macro_f1 == pytest.approx(macro_f1(predicted, samples.categories[watched]))


def test_weights_of_another_architecture_are_refused(shapes: TrainingSet, tmp_path: Path) -> None:
    save_weights([np.ones((2, 2), np.float32)], tmp_path / "start.npz")
    with pytest.raises(ModelError, match=r"start\.npz: expected 34 weights .* Received 1 others"):
        fit(
            replace(RECIPES["baseline"], epochs=1),
            samples_of(shapes),
            np.arange(12),
            start=tmp_path / "start.npz",
        )


def test_trained_model_is_a_folder_that_serves(shapes: TrainingSet, tmp_path: Path) -> None:
    recipe = replace(
        RECIPES["baseline"], epochs=10, augmentation=None, learning_rate=1e-2, batch_size=8
    )
    seen: list[tuple[str, int]] = []
    means = Means(
        None,
        tmp_path / "cache",
        work=tmp_path / "work",
        on_epoch=lambda stage, epoch: seen.append((stage, epoch.number)),
    )
    folder = train_model(recipe, shapes, split_of(shapes, 4, 3), tmp_path / "models", means)
    assert seen == [(s, k) for s in ("calibrating", "training") for k in range(1, 11)]
    model = ClassificationModel(folder)
    test = (shapes.table["fold"] == 4).to_numpy()
    output = model.predict(shapes.pictures[150][test])
    hits = output.logits.argmax(axis=1) == shapes.table["category"].to_numpy()[test]
    evaluation = model.manifest.evaluation
    assert evaluation.metrics["accuracy"].value == pytest.approx(hits.mean())
    assert hits.mean() > 0.8
    assert evaluation.images == 48
    assert model.manifest.training.images == 192
    assert model.manifest.training.training_set_sha256 == shapes.sha256
    assert {path.name for path in folder.iterdir()} == {
        "manifest.json",
        "model.tflite",
        "reference.npz",
        "MODEL_CARD.md",
        "start.npz",
        "out_of_fold.parquet",
    }
    kept = pq.read_table(folder / "out_of_fold.parquet").to_pandas()
    assert sorted(kept["slice_id"]) == sorted(shapes.table["slice_id"][~test])
    assert set(kept.loc[kept["start_unseen"], "fold"]) == {3}
    assert kept["p_glioma_coronal"].notna().tolist() == kept["start_unseen"].tolist()
    weights = read_weights(folder / "start.npz")
    assert [w.shape for w in weights] == [w.shape for w in build_baseline().get_weights()]


def test_split_without_a_part_is_refused(shapes: TrainingSet, tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match=r"slices to use as test \(fold 9 tests\)"):
        train_model(
            RECIPES["baseline"],
            shapes,
            split_of(shapes, 9, 3),
            tmp_path,
            Means(None, tmp_path / "cache"),
        )
    assert not list(tmp_path.iterdir())
