"""What a network is fed with, step by step: pictures changed on the fly, or draws of the stem."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from artemis.labels import CATEGORIES, PLANES, TUMORS
from artemis.training.network.augment import augment_batch, seed_of
from artemis.training.network.draws import Draws
from artemis.training.network.recipes import Recipe

_COVERED = 0.5  # share of a place that the box must cover for the place to show the tumour


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
        Variants of the same pictures, or their stem outputs, for a recipe that trains on them.
    teaching : ndarray, (n, k, 12), float32, optional
        What the teachers say of each variant, from the first changed one on; probabilities.
    """

    pictures: NDArray[np.uint8]
    categories: NDArray[np.int64]
    draws: Draws | None
    teaching: NDArray[np.float32] | None = None


def category_weights(recipe: Recipe, categories: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return ``(n,)`` weights of pictures, with mean 1, by the frequency of their category."""
    counts = np.bincount(categories, minlength=len(CATEGORIES)).clip(min=1)
    weights = (counts[categories] / len(categories)) ** -recipe.balance
    scaled: NDArray[np.float32] = (weights / weights.mean()).astype(np.float32)
    return scaled


def tumor_at_places(areas: NDArray[np.float32], tumors: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return how far each place of a picture is known to show each tumour type.

    Parameters
    ----------
    areas : ndarray, (n, places), float32 in [0, 1]
        Share of each place that the tumour box covers; all 0 without a box.
    tumors : ndarray, (n,), int64
        Tumour type of each picture, an index of `TUMORS`.

    Returns
    -------
    ndarray, (n, places, 4), float32
        Weights. Half of a picture's lies inside its box, in places at least half covered,
        and names its tumour; half lies wholly outside and names none. A picture without a
        tumour is none all over; one whose tumour has no box has no weights.
    """
    none = TUMORS.index("none")
    shares = np.zeros((*areas.shape, len(TUMORS)), dtype=np.float32)
    inside = areas >= _COVERED
    boxed = inside.any(axis=1)
    healthy = tumors == none
    outside = (areas == 0) & (boxed | healthy)[:, None]
    for mask, named in ((inside, tumors), (outside, np.full_like(tumors, none))):
        count = mask.sum(axis=1, keepdims=True).clip(min=1)
        weight = np.where(healthy, 1.0, 0.5)[:, None] * mask / count
        shares[np.arange(len(tumors)), :, named] += weight.astype(np.float32)
    return shares


class Feed(Protocol):
    """Batches of one epoch after the other. What an epoch holds depends on its number alone."""

    def start(self, epoch: int) -> None:
        """Set what the next pass over `batches` yields: that of an epoch, counted from 0."""

    @property
    def batches(self) -> Any:
        """What Keras takes an epoch's batches from."""


class ChangedPictures:
    """Batches of pictures, each changed anew, their categories and weights.

    Order and changes depend on the seed, the epoch and the step alone, so that a training
    resumed at an epoch sees what it would have seen. They are made in the background, while
    the network learns from the batch before.

    Parameters
    ----------
    recipe : Recipe
        Augmentation, batch size, balance and seed.
    samples : Samples
        With pictures.
    rows : ndarray, (m,), int64
        Which of them to train on.
    """

    def __init__(self, recipe: Recipe, samples: Samples, rows: NDArray[np.int64]) -> None:
        categories = samples.categories[rows]
        self._recipe, self._count = recipe, len(rows)
        self._pictures = tf.constant(samples.pictures[rows])
        self._truth = tf.one_hot(categories, len(CATEGORIES))
        self._weights = tf.constant(category_weights(recipe, categories))
        self._epoch = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._order = tf.Variable(np.arange(len(rows)), dtype=tf.int64, trainable=False)
        self.start(0)

    def start(self, epoch: int) -> None:
        """Set the order and the changes of an epoch, counted from 0."""
        random = np.random.default_rng((self._recipe.seed, epoch))
        self._epoch.assign(epoch)
        self._order.assign(random.permutation(self._count))

    def __len__(self) -> int:
        return max(1, self._count // self._recipe.batch_size)

    @cached_property  # what changes the pictures takes longer to trace than a few steps to run
    def batches(self) -> tf.data.Dataset:
        """The batches of one epoch, two of them ahead."""
        batch = tf.autograph.experimental.do_not_convert(self._batch)
        return tf.data.Dataset.range(len(self)).map(batch).prefetch(2)

    def _batch(self, step: Any) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        size = self._recipe.batch_size
        rows = self._order[step * size : (step + 1) * size]
        rows = tf.ensure_shape(rows, (min(size, self._count),))  # every step is a full one
        values = tf.cast(tf.gather(self._pictures, rows), tf.float32)[..., None]
        if self._recipe.augmentation is not None:
            seed = seed_of(self._recipe.seed, self._epoch, step)
            values = augment_batch(values, self._recipe.augmentation, seed)
        truth, weights = tf.gather(self._truth, rows), tf.gather(self._weights, rows)
        return values, {"logits": truth}, {"logits": weights}


class Drawn(keras.utils.PyDataset):  # type: ignore[misc]  # Keras ships no types
    """Batches of stem outputs or of pictures: each once an epoch, by another draw each time.

    The order and the draws depend on the seed and the epoch alone, so that a training
    resumed at an epoch sees what it would have seen.

    Parameters
    ----------
    recipe : Recipe
        Batch size, balance, mixup, share of what is taught, and seed.
    samples : Samples
        With draws, and what is taught if the recipe has it.
    rows : ndarray, (m,), int64
        Which of them to train on.
    """

    def __init__(self, recipe: Recipe, samples: Samples, rows: NDArray[np.int64]) -> None:
        super().__init__()
        if samples.draws is None:
            raise ValueError("Drawn: expected samples with draws. Received none.")
        self._recipe, self._rows, self._draws = recipe, rows, samples.draws
        self._teaching = samples.teaching
        self._truth = np.eye(len(CATEGORIES), dtype=np.float32)[samples.categories]
        self._tumors = samples.categories // len(PLANES)
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

    @property
    def batches(self) -> Drawn:
        """The batches of one epoch: itself, of which Keras asks them one by one."""
        return self

    def __len__(self) -> int:
        return max(1, len(self._rows) // self._recipe.batch_size)

    def __getitem__(self, step: int) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        size = self._recipe.batch_size
        rows = self._order[step * size : (step + 1) * size]
        chosen = self._chosen[rows]
        areas = self._draws.areas[rows, chosen].reshape(len(rows), -1).astype(np.float32)
        boxed = (areas.sum(axis=1) > 0).astype(np.float32)
        features = self._draws.features[rows, chosen].astype(np.float32)
        truth, places = self._targets(rows, chosen), tumor_at_places(areas, self._tumors[rows])
        inputs: Any = features
        if self._recipe.mixup:
            share, other = self._mixing(step, len(rows))
            truth, places = _mixed(truth, share, other), _mixed(places, share, other)
            if self._recipe.all_layers:  # the network mixes what its stem makes of the pictures
                shares = np.full(len(rows), share, dtype=np.float32)
                inputs = {"picture": features, "other": other.astype(np.int32), "share": shares}
            else:
                inputs = _mixed(features, share, other)
        weights = self._weights[rows]
        if self._recipe.model == "baseline":
            return inputs, {"logits": truth}, {"logits": weights}
        return (
            inputs,
            {"logits": truth, "attention": areas, "places": places},
            {
                "logits": weights,
                "attention": boxed / max(boxed.mean(), 1e-6),
                "places": weights,
            },
        )

    def _targets(self, rows: NDArray[np.int64], chosen: NDArray[np.int64]) -> NDArray[np.float32]:
        truth = self._truth[rows]
        if self._teaching is None:
            return truth
        taught = np.float32(self._recipe.taught)
        return (1 - taught) * truth + taught * self._teaching[rows, chosen - 1]

    def _mixing(self, step: int, count: int) -> tuple[np.float32, NDArray[np.int64]]:
        """Return how much of each picture is kept, and the row of the batch it is mixed with."""
        random = np.random.default_rng((self._recipe.seed, self._epoch, step))
        drawn = float(random.beta(self._recipe.mixup, self._recipe.mixup))
        return np.float32(max(drawn, 1 - drawn)), random.permutation(count)


def _mixed(
    part: NDArray[np.float32], share: np.float32, other: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return each of a batch's values mixed with another's; boxes stay those of the larger part."""
    return share * part + (1 - share) * part[other]
