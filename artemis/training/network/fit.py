"""Fit one network. Imports TensorFlow."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from artemis.models.architectures import build_stem, join, join_mixing
from artemis.system.ending import check_goes_on
from artemis.training.figures.evaluate import macro_f1
from artemis.training.network.adam import AdamW
from artemis.training.network.checkpoint import Checkpoint
from artemis.training.network.draws import make_draws
from artemis.training.network.feeds import ChangedPictures, Drawn, Feed, Samples
from artemis.training.network.finite import Finite
from artemis.training.network.fitted import Fitted, build
from artemis.training.network.losses import inside_box, named_places
from artemis.training.network.recipes import Recipe

_LEARNT: Final = ("logits", "attention", "places")
_WATCHED: Final = 256  # slices whose macro F1 is shown after each epoch; nothing is chosen by it


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one finished epoch shows: number from 1, figures, and seconds.

    `macro_f1` is of at most 256 held-out slices, NaN without any; it is shown, and nothing
    is chosen by it.
    """

    number: int
    loss: float
    accuracy: float
    macro_f1: float
    seconds: float


def prepare(
    recipe: Recipe,
    pictures: NDArray[np.uint8],
    categories: NDArray[np.int64],
    boxes: NDArray[np.float32],
    *,
    imagenet: Path | str | None,
    cache: Path,
    start: Path | None = None,
    on_draw: Callable[[int, int], None] | None = None,
) -> Samples:
    """Return what a recipe trains on, from `start` if that is given.

    See `artemis.training.network.draws.make_draws`.
    """
    if not recipe.draws:
        return Samples(pictures, categories, None)
    draws = make_draws(
        recipe, pictures, boxes, cache, _fixed_stem(recipe, imagenet, start), on_draw
    )
    return Samples(pictures, categories, draws)


def _fixed_stem(
    recipe: Recipe, imagenet: Path | str | None, start: Path | None
) -> keras.Model | None:
    if not recipe.learns_of_stem:
        return None
    if start is None:
        return build_stem(recipe.side, imagenet)
    return build(recipe, imagenet, start).stem  # the whole, to which its weights must fit


def fit(
    recipe: Recipe,
    samples: Samples,
    rows: NDArray[np.int64],
    *,
    watched: NDArray[np.int64] | None = None,
    imagenet: Path | str | None = "imagenet",
    start: Path | None = None,
    checkpoint: Path | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    stage: str = "training",
) -> Fitted:
    """Train a network for the recipe's number of epochs; nothing is selected on the way.

    Parameters
    ----------
    recipe : Recipe
        All settings; its seed fixes weights, order and augmentation, up to the
        order of floating-point sums on several threads.
    samples : Samples
        Pictures; see `prepare`.
    rows : ndarray, (m,), int64
        Which of them to train on.
    watched : ndarray, (k,), int64, optional
        Rows held out, whose macro F1 is shown after each epoch.
    imagenet : Path, 'imagenet' or None
        Where MobileNetV2 starts.
    start : Path, optional
        Weights of an earlier training of the same architecture to start from.
    checkpoint : Path, optional
        Folder for the state after each epoch. If it holds one, training goes on there. It is
        left, for what is made of the network may be ended too.
    on_epoch : callable, optional
        Called after each epoch.
    stage : str
        What an error calls this training.

    Raises
    ------
    DivergedError
        If weights are not finite after an epoch, or answers to the slices held out, or trained
        on where there are none, after the last.
    RunEndedError
        If what is watched was ended, see `artemis.system.ending.watching`.
    """
    keras.utils.set_random_seed(recipe.seed)
    fitted = build(recipe, imagenet, start)
    trained = _compiled(fitted)
    steps = max(1, len(rows) // recipe.batch_size)
    feed: Feed = (ChangedPictures if samples.draws is None else Drawn)(recipe, samples, rows)
    _make_state(trained, feed)
    callbacks: list[keras.callbacks.Callback] = [
        _finite(fitted, samples, rows, watched, stage, start),
        _Ender(),
        _Beginner(feed, steps, fitted.trained),
        Pacer(schedule_of(recipe, steps)),
        _Watcher(fitted, samples, watched, on_epoch),
    ]
    done = 0
    if checkpoint is not None:
        callbacks.insert(1, keeper := Checkpoint(checkpoint))  # no weights that are not finite
        done = keeper.restore(trained)
    trained.fit(
        feed.batches,
        initial_epoch=done,
        epochs=recipe.epochs,
        shuffle=False,  # Keras would do it by Python's generator, which anyone may draw from
        verbose=0,
        callbacks=callbacks,
    )
    return fitted


def _compiled(fitted: Fitted) -> keras.Model:
    """Return the network with its optimiser and losses, from what its feed yields."""
    recipe = fitted.recipe
    learnt = [name for name in _LEARNT if name in fitted.trained.output]
    losses = {
        "logits": keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=recipe.label_smoothing
        ),
        "attention": inside_box,
        "places": named_places,
    }
    shares = {"logits": 1.0, "attention": recipe.box_weight, "places": recipe.place_weight}
    trained = _learning(fitted, learnt)
    trained.compile(
        optimizer=AdamW(recipe.learning_rate, weight_decay=recipe.weight_decay),
        loss={name: losses[name] for name in learnt},
        loss_weights={name: shares[name] for name in learnt},
        metrics={"logits": "accuracy"},
    )
    return trained


def _learning(fitted: Fitted, learnt: Sequence[str]) -> keras.Model:
    """Return the network from what its feed yields to the outputs that have a loss."""
    if fitted.stem is None or not fitted.recipe.all_layers:
        model = fitted.trained
        return keras.Model(model.inputs, {name: model.output[name] for name in learnt})
    return (join_mixing if fitted.recipe.mixup else join)(fitted.stem, fitted.trained, learnt)


def _finite(
    fitted: Fitted,
    samples: Samples,
    rows: NDArray[np.int64],
    watched: NDArray[np.int64] | None,
    stage: str,
    start: Path | None,
) -> Finite:
    held_out = watched is not None and len(watched) > 0
    looked_at = watched if watched is not None and held_out else rows
    recipe = fitted.recipe
    return Finite(
        f"{recipe.model}, {stage}",
        lambda: fitted.predict(samples, looked_at)["logits"],
        "held-out" if held_out else "trained-on",
        "Look at the pictures, whose faults `artemis-cli data audit` names"
        + (f", or start with --from imagenet instead of {start}" if start else "")
        + f", or train at a lower rate than {recipe.learning_rate:g}, by another recipe.",
    )


def _make_state(model: keras.Model, feed: Feed) -> None:
    """Make the variables of optimiser, losses and metrics, before a step is traced.

    Those that the first step makes have it traced again: eight seconds for MobileNetV2.
    """
    model.optimizer.build(model.trainable_variables)
    inputs, truth, weights = next(iter(feed.batches))
    count = len(truth["logits"])
    answers = {name: tf.zeros((count, *of.shape[1:])) for name, of in model.output.items()}
    model.compute_loss(inputs, truth, answers, weights, training=False)
    model.compute_metrics(inputs, truth, answers, weights)
    model.reset_metrics()


def schedule_of(recipe: Recipe, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """Return the learning rate by the number of steps done: warm-up, then a cosine down to 0.

    Parameters
    ----------
    recipe : Recipe
        Its rate, warm-up and epochs.
    steps : int
        Of an epoch.
    """
    warmup = int(recipe.warmup_epochs * steps)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=recipe.learning_rate / 10 if warmup else recipe.learning_rate,
        warmup_target=recipe.learning_rate if warmup else None,
        warmup_steps=warmup,
        decay_steps=max(1, recipe.epochs * steps - warmup),
    )


class Pacer(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Set the learning rate before each step.

    An optimiser that is given the schedule works it out anew for every weight that decays: a
    hundred times a step, and a hundred times in the graph, which took ten seconds to trace.
    """

    def __init__(self, schedule: keras.optimizers.schedules.LearningRateSchedule) -> None:
        super().__init__()
        self._schedule = schedule

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Set the rate of the step that comes next."""
        optimizer = self.model.optimizer
        optimizer.learning_rate = self._schedule(optimizer.iterations)


class _Ender(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Stop before the next step if what the training is part of was ended."""

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Ask, see `artemis.system.ending.watching`."""
        check_goes_on()


class _Beginner(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Begin each epoch as its number says, whether the epochs before were of this process or not.

    A checkpoint holds weights and the optimiser's state, and not how often dropout has drawn.
    """

    def __init__(self, feed: Feed, steps: int, body: keras.Model) -> None:
        super().__init__()
        self._feed, self._steps, self._body = feed, steps, body

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._feed.start(epoch)
        for layer in self._body.layers:
            if isinstance(layer, keras.layers.Dropout) and layer.rate > 0:
                layer.seed_generator.state.assign((layer.seed, epoch * self._steps))


class _Watcher(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Report what each epoch came to."""

    def __init__(
        self,
        fitted: Fitted,
        samples: Samples,
        watched: NDArray[np.int64] | None,
        on_epoch: Callable[[Epoch], None] | None,
    ) -> None:
        super().__init__()
        self._fitted, self._samples, self._on_epoch = fitted, samples, on_epoch
        random = np.random.default_rng(0)
        self._rows = (
            None if watched is None or not len(watched) else random.permutation(watched)[:_WATCHED]
        )

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if self._on_epoch is None:
            return
        logs = logs or {}
        score = float("nan")
        if self._rows is not None:
            predicted = self._fitted.predict(self._samples, self._rows)["logits"].argmax(axis=1)
            score = macro_f1(predicted, self._samples.categories[self._rows])
        accuracy = logs.get("logits_accuracy", logs.get("accuracy", float("nan")))
        seconds = time.monotonic() - self._started
        self._on_epoch(Epoch(epoch + 1, logs["loss"], accuracy, score, seconds))
