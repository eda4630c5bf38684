"""Small pictures and recipes for trainings of a moment. Imports TensorFlow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from artemis.training.labelled.dataset import TrainingSet
from artemis.training.network.augmentation import Augmentation
from artemis.training.network.feeds import Samples
from artemis.training.network.fit import prepare
from artemis.training.network.recipes import RECIPES, Recipe
from artemis.training.train import Split

STILL = Augmentation(**dict.fromkeys(Augmentation.__dataclass_fields__, 0.0))


def draw_shapes() -> TrainingSet:
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


def draw_boxed(cache: Path, imagenet: Path | None = None) -> Samples:
    """Noise with a bright square whose box is known, in every other picture."""
    generator = np.random.default_rng(6)
    pictures = generator.integers(0, 40, (48, 64, 64), dtype=np.uint8)
    boxes = np.full((48, 4), np.nan, dtype=np.float32)
    for k in range(0, 48, 2):
        left, top = generator.integers(4, 40, 2)
        pictures[k, top : top + 18, left : left + 18] = 240
        boxes[k] = np.array([left, top, left + 18, top + 18]) / 64
    return prepare(tiny(), pictures, np.arange(48) % 12, boxes, imagenet=imagenet, cache=cache)
