"""Weights of a trained network, for a later training to start from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from artemis.errors import ModelError
from artemis.system.files import atomic_path
from artemis.system.numpy_files import read_arrays

Weights = Sequence[NDArray[np.float32]]
"""Of one network, in Keras's order."""


def save_weights(weights: Weights, path: Path) -> None:
    """Write weights as float16 arrays, atomically."""
    arrays = {f"w{k:04d}": w.astype(np.float16) for k, w in enumerate(weights)}
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)


def read_weights(path: Path) -> list[NDArray[np.float32]]:
    """Return the weights that `save_weights` wrote; nothing is unpickled."""
    arrays = read_arrays(path)
    return [arrays[name].astype(np.float32) for name in sorted(arrays)]


def set_weights(models: Sequence[keras.Model], path: Path) -> None:
    """Start networks, one after the other, from weights that `save_weights` wrote.

    Raises
    ------
    ModelError
        If they are of another architecture.
    """
    weights = read_weights(path)
    expected = [[w.shape for w in model.get_weights()] for model in models]
    if [w.shape for w in weights] != [shape for shapes in expected for shape in shapes]:
        raise ModelError(
            f"{path}: expected {sum(map(len, expected))} weights of this version's architecture. "
            f"Received {len(weights)} others. Start from ImageNet instead (--from imagenet)."
        )
    for model, shapes in zip(models, expected, strict=True):
        model.set_weights(weights[: len(shapes)])
        weights = weights[len(shapes) :]
