"""Fit one network to uint8 pictures. Imports TensorFlow."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from artemis.labels import CATEGORIES
from artemis.models.architectures import build_baseline, build_mobilenet_v2
from artemis.training.augment import augment_batch
from artemis.training.recipes import Recipe


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one finished epoch shows: its number from 1, loss, accuracy, and seconds."""

    number: int
    loss: float
    accuracy: float
    seconds: float


def build(recipe: Recipe, imagenet: Path | str | None) -> keras.Model:
    """Return the recipe's network, untrained or with ImageNet weights."""
    if recipe.model == "baseline":
        return build_baseline(original=recipe.original)
    return build_mobilenet_v2(recipe.side, imagenet=imagenet, dropout=recipe.dropout)


def fit(
    recipe: Recipe,
    pictures: NDArray[np.uint8],
    categories: NDArray[np.int64],
    *,
    imagenet: Path | str | None = "imagenet",
    on_epoch: Callable[[Epoch], None] | None = None,
) -> keras.Model:
    """Train a network for the recipe's number of epochs; nothing is selected on the way.

    Parameters
    ----------
    recipe : Recipe
        All settings; its seed fixes weights, order and augmentation, up to the
        order of floating-point sums on several threads.
    pictures : ndarray, (n, side, side), uint8
        Model inputs, see `artemis.preprocess.model_input`.
    categories : ndarray, (n,), int64
        Category indices, 0 to 11.
    imagenet : Path, 'imagenet' or None
        Where MobileNetV2 starts.
    on_epoch : callable, optional
        Called after each epoch.

    Returns
    -------
    keras.Model
        See `artemis.models.architectures`.
    """
    keras.utils.set_random_seed(recipe.seed)
    model = build(recipe, imagenet)
    trained = keras.Model(model.inputs, model.output["logits"])
    steps = max(1, len(pictures) // recipe.batch_size)
    trained.compile(
        optimizer=keras.optimizers.AdamW(
            _schedule(recipe, steps), weight_decay=recipe.weight_decay
        ),
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=recipe.label_smoothing
        ),
        metrics=["accuracy"],
    )
    trained.fit(
        _batches(recipe, pictures, categories),
        epochs=recipe.epochs,
        steps_per_epoch=steps,
        verbose=0,
        callbacks=[_Reporter(on_epoch)] if on_epoch else [],
    )
    return model


def predict(
    model: keras.Model, pictures: NDArray[np.uint8], batch_size: int = 64
) -> dict[str, NDArray[np.float32]]:
    """Return a network's outputs, by name, for ``(n, side, side)`` uint8 pictures."""
    call = tf.function(lambda x: model(x, training=False))
    parts: list[dict[str, Any]] = []
    for start in range(0, len(pictures), batch_size):
        batch = pictures[start : start + batch_size, ..., None].astype(np.float32)
        parts.append(call(tf.constant(batch)))
    return {name: np.concatenate([p[name].numpy() for p in parts]) for name in parts[0]}


def _schedule(recipe: Recipe, steps: int) -> Any:
    warmup = int(recipe.warmup_epochs * steps)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=recipe.learning_rate / 10 if warmup else recipe.learning_rate,
        warmup_target=recipe.learning_rate if warmup else None,
        warmup_steps=warmup,
        decay_steps=max(1, recipe.epochs * steps - warmup),
    )


def _batches(
    recipe: Recipe, pictures: NDArray[np.uint8], categories: NDArray[np.int64]
) -> tf.data.Dataset:
    counts = np.bincount(categories, minlength=len(CATEGORIES)).clip(min=1)
    weights = (counts[categories] / len(categories)) ** -recipe.balance
    weights = (weights / weights.mean()).astype(np.float32)
    how = recipe.augmentation

    def prepare(picture: Any, category: Any, weight: Any) -> tuple[Any, Any, Any]:
        values = tf.cast(picture, tf.float32)[..., None]
        values = augment_batch(values, how) if how else values
        return values, tf.one_hot(category, len(CATEGORIES)), weight

    return (
        tf.data.Dataset.from_tensor_slices((pictures, categories, weights))
        .shuffle(len(pictures), seed=recipe.seed, reshuffle_each_iteration=True)
        .repeat()
        .batch(recipe.batch_size, drop_remainder=len(pictures) >= recipe.batch_size)
        .map(prepare, num_parallel_calls=1)
        .prefetch(2)
    )


class _Reporter(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    def __init__(self, on_epoch: Callable[[Epoch], None]) -> None:
        super().__init__()
        self._on_epoch = on_epoch

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = logs or {}
        seconds = time.monotonic() - self._started
        self._on_epoch(Epoch(epoch + 1, logs["loss"], logs["accuracy"], seconds))
