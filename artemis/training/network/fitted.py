"""A recipe's network: at its first weights, at those that were kept, or trained. Imports Keras."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from artemis.models.architectures import build_baseline, build_mobilenet, join
from artemis.training.network.feeds import Samples
from artemis.training.network.recipes import Recipe
from artemis.training.network.weights import Weights, set_weights

_BATCH: Final = 64

Answers = Callable[[NDArray[Any]], dict[str, NDArray[np.float32]]]
"""What a network says to a batch, by output."""


@dataclass(frozen=True)  # without slots, for what is made once where it is asked for
class Fitted:
    """A network of a recipe.

    Attributes
    ----------
    recipe : Recipe
        How it is, or was, trained.
    trained : keras.Model
        The baseline, or MobileNetV2's trunk.
    stem : keras.Model or None
        What comes before the trunk; trained with it if the recipe trains all layers.
    """

    recipe: Recipe
    trained: keras.Model
    stem: keras.Model | None
    _call: Answers = field(init=False, repr=False, compare=False)  # compiled once

    def __post_init__(self) -> None:
        whole = self.stem is not None and self.recipe.all_layers
        model = join(self.stem, self.trained, tuple(self.trained.output)) if whole else self.trained
        object.__setattr__(self, "_call", calling(model))

    @property
    def parts(self) -> list[keras.Model]:
        """What its weights are of: stem, where there is one, and the rest."""
        return [self.trained] if self.stem is None else [self.stem, self.trained]

    def weights(self) -> Weights:
        """Return all weights, the stem's first."""
        return [weight for part in self.parts for weight in part.get_weights()]

    def serving(self) -> keras.Model:
        """Return the network from picture to outputs, as it is exported."""
        return self.trained if self.stem is None else join(self.stem, self.trained)

    def predict(self, samples: Samples, rows: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
        """Return outputs, by name, of the unchanged pictures of some rows."""
        if samples.draws is None:
            return self._answers(lambda of: samples.pictures[of, ..., None], rows)
        return self.predict_draw(samples, rows, 0)

    def predict_draw(
        self, samples: Samples, rows: NDArray[np.int64], draw: int
    ) -> dict[str, NDArray[np.float32]]:
        """Return outputs, by name, of one variant of the pictures of some rows.

        Raises
        ------
        ValueError
            If the samples have no draws.
        """
        draws = samples.draws
        if draws is None:
            raise ValueError("predict_draw: expected samples with draws. Received none.")
        return self._answers(lambda of: draws.features[of, draw], rows)

    @cached_property
    def answers(self) -> Answers:
        """What it says to pictures, by output, as it is served: traced once."""
        whole = self.stem is None or self.recipe.all_layers
        return self._call if whole else calling(self.serving())

    def predict_pictures(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the logits, ``(n, 12)``, of pictures that are not among the samples."""
        starts = range(0, len(pictures), _BATCH)
        parts = [self.answers(pictures[start : start + _BATCH, ..., None]) for start in starts]
        return np.concatenate([part["logits"] for part in parts])

    def _answers(
        self, batch_of: Callable[[NDArray[np.int64]], NDArray[Any]], rows: NDArray[np.int64]
    ) -> dict[str, NDArray[np.float32]]:
        starts = range(0, len(rows), _BATCH)
        parts = [self._call(batch_of(rows[start : start + _BATCH])) for start in starts]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def build(recipe: Recipe, imagenet: Path | str | None, start: Path | None = None) -> Fitted:
    """Return a recipe's network as its training begins with it, or at weights that were kept.

    Parameters
    ----------
    recipe : Recipe
        Its model, size, dropout and seed.
    imagenet : Path, 'imagenet' or None
        First weights of MobileNetV2; not needed, nor looked for, if `start` is given.
    start : Path, optional
        Weights of the same architecture instead, see
        `artemis.training.network.weights.save_weights`.

    Raises
    ------
    ModelError
        If those are of another architecture.
    """
    side, imagenet = recipe.side, imagenet if start is None else None
    if recipe.model == "baseline":
        body = build_baseline(side, original=recipe.original, seed=recipe.seed)
        fitted = Fitted(recipe, body, None)
    else:
        stem, trunk = build_mobilenet(
            side,
            imagenet=imagenet,
            all_layers=recipe.all_layers,
            dropout=recipe.dropout,
            seed=recipe.seed,
        )
        fitted = Fitted(recipe, trunk, stem)
    if start is not None:
        set_weights(fitted.parts, start)
    return fitted


def calling(model: keras.Model) -> Answers:
    """Return a model's answers to a batch: compiled once, not at each call, nor for the last one.

    That is smaller than the others, as a rule. MobileNetV2 takes seconds to trace.
    """
    batch_of_any_size = tf.TensorSpec(model.input_shape, tf.float32)
    call = tf.function(lambda x: model(x, training=False), input_signature=[batch_of_any_size])
    return lambda batch: {
        name: values.numpy() for name, values in call(tf.constant(batch.astype(np.float32))).items()
    }
