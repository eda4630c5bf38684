"""What a network is fed with, step by step: pictures changed on the fly, or draws of the stem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from artemis.labels import CATEGORIES
from artemis.training.network.augment import augment_batch
from artemis.training.network.draws import Draws
from artemis.training.network.recipes import Recipe


@dataclass(frozen=True, slots=True)
class Samples:
    """Everything that one recipe trains and is measured on.

    Attributes
    ----------
    pictures : ndarray, (n, side, side), uint8
        Model inputs.
    categories : ndarray, (n,), int64
        Category indices, 0 to 11.
    draws : Draws or None
        Stem outputs of the same pictures, for a recipe that trains on them.
    """

    pictures: NDArray[np.uint8]
    categories: NDArray[np.int64]
    draws: Draws | None


def category_weights(recipe: Recipe, categories: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return ``(n,)`` weights of pictures, with mean 1, by the frequency of their category."""
    counts = np.bincount(categories, minlength=len(CATEGORIES)).clip(min=1)
    weights = (counts[categories] / len(categories)) ** -recipe.balance
    scaled: NDArray[np.float32] = (weights / weights.mean()).astype(np.float32)
    return scaled


def changed_pictures(recipe: Recipe, samples: Samples, rows: NDArray[np.int64]) -> tf.data.Dataset:
    """Return endless batches of pictures, each changed anew, their categories and weights."""
    categories = samples.categories[rows]
    how = recipe.augmentation

    def prepare(picture: Any, category: Any, weight: Any) -> tuple[Any, Any, Any]:
        values = tf.cast(picture, tf.float32)[..., None]
        values = augment_batch(values, how) if how else values
        return values, {"logits": tf.one_hot(category, len(CATEGORIES))}, {"logits": weight}

    return (
        tf.data.Dataset.from_tensor_slices(
            (samples.pictures[rows], categories, category_weights(recipe, categories))
        )
        .shuffle(len(rows), seed=recipe.seed, reshuffle_each_iteration=True)
        .repeat()
        .batch(recipe.batch_size, drop_remainder=len(rows) >= recipe.batch_size)
        .map(prepare, num_parallel_calls=1)
        .prefetch(2)
    )


class StemDraws(keras.utils.PyDataset):  # type: ignore[misc]  # Keras ships no types
    """Batches of stem outputs: each picture once an epoch, by another draw each time.

    The order and the draws depend on the seed and the epoch alone, so that a training
    resumed at an epoch sees what it would have seen.

    Parameters
    ----------
    recipe : Recipe
        Batch size, balance and seed.
    samples : Samples
        With draws.
    rows : ndarray, (m,), int64
        Which of them to train on.
    """

    def __init__(self, recipe: Recipe, samples: Samples, rows: NDArray[np.int64]) -> None:
        super().__init__()
        if samples.draws is None:
            raise ValueError("StemDraws: expected samples with draws. Received none.")
        self._recipe, self._rows, self._draws = recipe, rows, samples.draws
        self._truth = np.eye(len(CATEGORIES), dtype=np.float32)[samples.categories]
        self._weights = np.zeros(len(samples.categories), dtype=np.float32)
        self._weights[rows] = category_weights(recipe, samples.categories[rows])
        self.start(0)

    def start(self, epoch: int) -> None:
        """Set the order and the draws of an epoch, counted from 0."""
        self._epoch = epoch
        random = np.random.default_rng((self._recipe.seed, epoch))
        self._order = random.permutation(self._rows)
        # Each picture goes through its draws in an order of its own.
        turns = np.random.default_rng(self._recipe.seed).random(
            (len(self._truth), self._draws.count)
        )
        self._chosen = turns.argsort(axis=1)[:, epoch % self._draws.count] + 1

    def __len__(self) -> int:
        return max(1, len(self._rows) // self._recipe.batch_size)

    def __getitem__(self, step: int) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        size = self._recipe.batch_size
        rows = self._order[step * size : (step + 1) * size]
        chosen = self._chosen[rows]
        areas = self._draws.areas[rows, chosen].reshape(len(rows), -1).astype(np.float32)
        boxed = (areas.sum(axis=1) > 0).astype(np.float32)
        features, truth = self._mix(
            step, self._draws.features[rows, chosen].astype(np.float32), self._truth[rows]
        )
        return (
            features,
            {"logits": truth, "attention": areas},
            {"logits": self._weights[rows], "attention": boxed / max(boxed.mean(), 1e-6)},
        )

    def _mix(
        self, step: int, features: NDArray[np.float32], truth: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mix each picture with another of the batch; boxes stay those of the larger part."""
        if not self._recipe.mixup:
            return features, truth
        random = np.random.default_rng((self._recipe.seed, self._epoch, step))
        drawn = float(random.beta(self._recipe.mixup, self._recipe.mixup))
        share = np.float32(max(drawn, 1 - drawn))
        other = random.permutation(len(features))
        return (
            share * features + (1 - share) * features[other],
            share * truth + (1 - share) * truth[other],
        )
