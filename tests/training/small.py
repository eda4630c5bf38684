"""Small pictures and recipes for trainings of a moment. Imports TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf

from artemis.training.labelled.dataset import TrainingSet
from artemis.training.network.augmentation import Augmentation
from artemis.training.network.feeds import Samples
from artemis.training.network.fit import prepare
from artemis.training.network.recipes import RECIPES, Recipe
from artemis.training.train import Split

SIDE = 80
"""Of the baseline's small pictures: a quarter of the work of its own 150 px."""

STILL = Augmentation(**dict.fromkeys(Augmentation.__dataclass_fields__, 0.0))


@contextmanager
def eagerly() -> Iterator[None]:
    """Without graphs, each of which takes longer to make than a few steps to run."""
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


def small(**changes: object) -> Recipe:
    """The baseline on pictures of `SIDE`."""
    return replace(RECIPES["baseline"], side=SIDE, **changes)


def draw_squares(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """240 pictures, each with a bright square in one of twelve places, and the squares' boxes."""
    pictures = random.integers(0, 60, (240, SIDE, SIDE), dtype=np.uint8)
    boxes = np.empty((240, 4))
    for k, picture in enumerate(pictures):
        row, column = divmod(k % 12, 4)
        top, left = row * 27 + 4, column * 20 + 2
        picture[top : top + 18, left : left + 16] = 230
        boxes[k] = np.array([left, top, left + 16, top + 18]) / SIDE
    return pictures, boxes


def draw_shapes() -> TrainingSet:
    """Pictures that a network can tell apart: a bright square in one of twelve places."""
    categories = np.tile(np.arange(12), 20)
    pictures, _ = draw_squares(np.random.default_rng(0))
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
    return TrainingSet(table, {SIDE: pictures}, corrected=0)


def split_of(shapes: TrainingSet, test: int, calibration: int) -> Split:
    folds = shapes.table["fold"].to_numpy()
    held_out, tested = folds == calibration, folds == test
    return Split(~tested, ~tested & ~held_out, held_out, tested, f"fold {test} tests")


def samples_of(shapes: TrainingSet) -> Samples:
    return Samples(shapes.pictures[SIDE], shapes.table["category"].to_numpy(), None)


def tiny(**changes: object) -> Recipe:
    """MobileNetV2 on pictures of 64 px, for a moment."""
    small = {"side": 64, "epochs": 1, "draws": 2, "batch_size": 8}
    return replace(RECIPES["mobilenet_v2"], **(small | changes))


def draw_noise(recipe: Recipe, cache: Path, start: Path | None = None) -> Samples:
    """24 pictures of noise, two of each category, without a box, and their variants."""
    pictures = np.random.default_rng(3).integers(0, 256, (24, *2 * (recipe.side,)), dtype=np.uint8)
    truth = np.arange(24) % 12
    unknown = np.full((24, 4), np.nan, dtype=np.float32)
    return prepare(recipe, pictures, truth, unknown, imagenet=None, cache=cache, start=start)


def draw_boxed(cache: Path, imagenet: Path | None = None) -> Samples:
    """Noise with a bright square whose box is known, in every other picture."""
    generator = np.random.default_rng(6)
    pictures = generator.integers(0, 40, (48, 64, 64), dtype=np.uint8)
    boxes = np.full((48, 4), np.nan, dtype=np.float32)
    for k in range(0, 48, 2):
        left, top = generator.integers(4, 40, 2)
        pictures[k, top : top + 18, left : left + 18] = 240
        boxes[k] = np.array([left, top, left + 18, top + 18]) / 64
    twice = tiny(epochs=2)  # for both draws
    return prepare(twice, pictures, np.arange(48) % 12, boxes, imagenet=imagenet, cache=cache)
