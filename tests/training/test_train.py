"""Training for real, on a few small pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from artemis.errors import TrainingDataError
from artemis.models.architectures import build_baseline, build_mobilenet_v2
from artemis.models.runtime import ClassificationModel, Network, softmax
from artemis.training.augment import augment_batch
from artemis.training.augmentation import Augmentation
from artemis.training.dataset import TrainingSet
from artemis.training.export import export_litert
from artemis.training.fit import fit, predict
from artemis.training.recipes import RECIPES
from artemis.training.train import Split, train_model

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shapes() -> TrainingSet:
    """Pictures that a network can tell apart: a bright square in one of twelve places."""
    random = np.random.default_rng(0)
    categories = np.tile(np.arange(12), 30)
    pictures = random.integers(0, 60, (360, 150, 150), dtype=np.uint8)
    for picture, category in zip(pictures, categories, strict=True):
        row, column = divmod(int(category), 4)
        picture[row * 50 + 8 : row * 50 + 42, column * 37 + 4 : column * 37 + 34] = 230
    table = pd.DataFrame(
        {
            "path": [f"{k}.png" for k in range(360)],
            "slice_id": [f"{k:064x}" for k in range(360)],
            "category": categories,
            "group": [str(k // 12) for k in range(360)],
            "fold": [k // 72 for k in range(360)],
            "source": "drawn",
        }
    )
    return TrainingSet(table, {150: pictures}, corrected=0)


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
    grey = build_mobilenet_v2(96, imagenet=imagenet_weights).get_layer("backbone")
    picture = np.random.default_rng(1).uniform(-1, 1, (2, 96, 96, 1)).astype(np.float32)
    expected = colour(np.repeat(picture, 3, axis=-1), training=False).numpy()
    assert grey(picture, training=False).numpy() == pytest.approx(expected, abs=1e-3)


def test_maps_average_to_the_logits() -> None:
    model = build_mobilenet_v2(64, imagenet=None)
    outputs = predict(model, np.random.default_rng(2).integers(0, 256, (3, 64, 64), dtype=np.uint8))
    assert outputs["maps"].shape == (3, 2, 2, 12)
    assert outputs["maps"].mean(axis=(1, 2)) == pytest.approx(outputs["logits"], abs=1e-4)


@pytest.mark.parametrize("half", [True, False])
def test_exported_network_agrees_with_keras(tmp_path: Path, half: bool) -> None:
    model = build_mobilenet_v2(96, imagenet=None)
    pictures = np.random.default_rng(3).integers(0, 256, (20, 96, 96), dtype=np.uint8)
    shapes = export_litert(model, tmp_path / "model.tflite", half=half)
    served = Network(tmp_path / "model.tflite").run(pictures)
    trained = predict(model, pictures)
    assert shapes == {"logits": [12], "features": [1280], "maps": [3, 3, 12]}
    assert softmax(served["logits"]) == pytest.approx(softmax(trained["logits"]), abs=1e-2)
    size = (tmp_path / "model.tflite").stat().st_size
    assert (4e6 < size < 6e6) if half else (8e6 < size < 11e6)


def test_augmentation_keeps_shape_range_and_dtype() -> None:
    pictures = np.random.default_rng(4).uniform(0, 255, (6, 48, 48, 1)).astype(np.float32)
    changed = augment_batch(pictures, Augmentation()).numpy()
    assert changed.shape == pictures.shape
    assert changed.dtype == np.float32
    assert 0 <= changed.min() <= changed.max() <= 255
    assert not np.allclose(changed[0], pictures[0])


def test_augmentation_of_nothing_changes_nothing() -> None:
    still = Augmentation(**dict.fromkeys(Augmentation.__dataclass_fields__, 0.0))
    pictures = np.random.default_rng(5).uniform(0, 255, (3, 32, 32, 1)).astype(np.float32)
    assert augment_batch(pictures, still).numpy() == pytest.approx(pictures, abs=0.05)


def test_same_seed_trains_the_same_network(shapes: TrainingSet) -> None:
    recipe = replace(RECIPES["baseline"], epochs=1)
    pictures, categories = shapes.pictures[150][:64], shapes.table["category"].to_numpy()[:64]
    first, second = (predict(fit(recipe, pictures, categories), pictures) for _ in range(2))
    assert first["logits"] == pytest.approx(second["logits"], abs=1e-2)


def test_trained_model_is_a_folder_that_serves(shapes: TrainingSet, tmp_path: Path) -> None:
    recipe = replace(
        RECIPES["baseline"], epochs=12, augmentation=None, learning_rate=1e-2, batch_size=16
    )
    seen = []
    folder = train_model(
        recipe,
        shapes,
        Split(test=4, calibration=3),
        tmp_path,
        imagenet=None,
        on_epoch=lambda stage, epoch: seen.append((stage, epoch.number)),
    )
    assert seen == [(s, k) for s in ("calibrating", "training") for k in range(1, 13)]
    model = ClassificationModel(folder)
    test = (shapes.table["fold"] == 4).to_numpy()
    output = model.predict(shapes.pictures[150][test])
    hits = output.logits.argmax(axis=1) == shapes.table["category"].to_numpy()[test]
    evaluation = model.manifest.evaluation
    assert evaluation.metrics["accuracy"].value == pytest.approx(hits.mean())
    assert hits.mean() > 0.8
    assert evaluation.images == 72
    assert model.manifest.training.images == 288
    assert model.manifest.training.training_set_sha256 == shapes.sha256
    assert {path.name for path in folder.iterdir()} == {
        "manifest.json",
        "model.tflite",
        "reference.npz",
        "MODEL_CARD.md",
    }


def test_split_without_a_fold_is_refused(shapes: TrainingSet, tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match="Received none with test fold 9"):
        train_model(
            RECIPES["baseline"],
            shapes,
            Split(test=9, calibration=3),
            tmp_path,
            imagenet=None,
            on_epoch=lambda stage, epoch: None,
        )
    assert not list(tmp_path.iterdir())
