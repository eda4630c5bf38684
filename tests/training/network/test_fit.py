"""Training for real, on a few small pictures."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

import keras
import tensorflow as tf

from artemis.errors import DivergedError, ModelError
from artemis.training.figures.evaluate import macro_f1
from artemis.training.labelled.dataset import TrainingSet
from artemis.training.network.augment import augment_batch
from artemis.training.network.finite import Finite
from artemis.training.network.fit import Epoch, Pacer, fit, schedule_of
from artemis.training.network.fitted import Fitted
from artemis.training.network.memory import keep_freed_memory
from artemis.training.network.weights import save_weights
from tests.training.small import draw_boxed, eagerly, samples_of, small, tiny

pytestmark = pytest.mark.slow(seconds=50)
keep_freed_memory()  # as every training does


@pytest.mark.shared
def test_attention_goes_into_the_tumour_box(imagenet_weights: Path, tmp_path: Path) -> None:
    # A stem of random weights passes next to nothing on (1e-7): there is nothing to attend to.
    boxed = draw_boxed(tmp_path, imagenet_weights)
    changes = {"epochs": 12, "batch_size": 16, "label_smoothing": 0.0, "mixup": 0.0}
    recipe = tiny(**changes, box_weight=1.0, learning_rate=3e-3)
    rows = np.arange(48)
    fitted = fit(recipe, boxed, rows, imagenet=imagenet_weights)
    attention = fitted.predict(boxed, rows[::2])["attention"]
    assert boxed.draws is not None
    inside = (attention * (boxed.draws.areas[::2, 0].reshape(24, -1) > 0)).sum(axis=1)
    assert inside.mean() > 0.8  # 4.5 of 16 places


def test_each_step_is_taken_at_the_rate_of_the_schedule() -> None:
    recipe = small(epochs=3, learning_rate=0.1, warmup_epochs=1.0)
    rates: list[float] = []
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: rates.append(float(model.optimizer.learning_rate))
    )
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.AdamW(9.0), "mse")
    data = tf.data.Dataset.from_tensors((np.ones((2, 1)), np.ones((2, 1)))).repeat(4)
    with eagerly():
        model.fit(data, epochs=3, verbose=0, callbacks=[Pacer(schedule_of(recipe, 4)), note])
    warmup = [0.01 + 0.09 * step / 4 for step in range(4)]
    cosine = [0.05 * (1 + np.cos(np.pi * step / 8)) for step in range(8)]
    assert rates == pytest.approx(warmup + cosine, rel=1e-5)


def test_a_step_and_the_changes_of_its_pictures_are_traced_once(
    shapes: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    traced, train_step = [], keras.Model.train_step

    def noted(model: keras.Model, data: object) -> object:
        traced.append("step")
        return train_step(model, data)

    def changed(*given: object) -> object:
        traced.append("changes")
        return augment_batch(*given)

    monkeypatch.setattr(keras.Model, "train_step", noted)
    monkeypatch.setattr("artemis.training.network.feeds.augment_batch", changed)
    fit(small(epochs=2, batch_size=4), samples_of(shapes), np.arange(8))
    assert sorted(traced) == ["changes", "step"]


def test_same_seed_trains_the_same_network(shapes: TrainingSet) -> None:
    # The one step is taken at the full rate, on two thirds of the rows: which, hangs on the order.
    recipe, rows = small(epochs=1, batch_size=16, warmup_epochs=0), np.arange(24)
    with eagerly():
        first, second = (
            fit(recipe, samples_of(shapes), rows).predict(samples_of(shapes), rows)
            for _ in range(2)
        )
    assert first["logits"] == pytest.approx(second["logits"], abs=1e-2)


def test_training_that_was_ended_goes_on_from_its_last_epoch(
    shapes: TrainingSet, tmp_path: Path
) -> None:
    recipe, seen = small(epochs=3, augmentation=None, batch_size=4), []

    def stop_after_two(epoch: Epoch) -> None:
        seen.append(epoch.number)
        if seen == [1, 2]:
            raise KeyboardInterrupt

    def train() -> None:
        fit(
            recipe,
            samples_of(shapes),
            np.arange(4),
            checkpoint=tmp_path / "c",
            on_epoch=stop_after_two,
        )

    with eagerly():
        with pytest.raises(KeyboardInterrupt):
            train()
        train()
    assert seen == [1, 2, 3]


def test_resumed_training_is_the_one_that_was_never_ended(
    shapes: TrainingSet, tmp_path: Path
) -> None:
    """Order and optimiser; up to the order of floating-point sums.

    Random changes are compared value by value in `test_feeds`, MobileNetV2 in `test_fitted`.
    """
    # A step an epoch, on two thirds of the rows: which, hangs on the order.
    samples, recipe, rows = samples_of(shapes), small(epochs=2, batch_size=16), np.arange(24)

    def keep_the_first(epoch: Epoch) -> None:
        if epoch.number == 1:
            shutil.copytree(tmp_path / "whole", tmp_path / "ended")

    def train(checkpoint: str, on_epoch: Callable[[Epoch], None]) -> Fitted:
        return fit(recipe, samples, rows, checkpoint=tmp_path / checkpoint, on_epoch=on_epoch)

    told: list[Epoch] = []
    with eagerly():
        whole = train("whole", keep_the_first)
        random.random()  # noqa: S311  # somebody else draws from the global generators
        tf.random.uniform((9,))
        resumed = train("ended", told.append)
        expected, received = (of.predict(samples, rows)["logits"] for of in (whole, resumed))
    assert [epoch.number for epoch in told] == [2]
    assert received == pytest.approx(expected, abs=1e-2)


def test_held_out_macro_f1_is_told_after_each_epoch(shapes: TrainingSet) -> None:
    recipe = small(epochs=3, augmentation=None, learning_rate=0.05, batch_size=4)
    samples, told = samples_of(shapes), []
    rows, watched = np.arange(3, 51, 12), np.arange(195, 240, 12)  # of one category, soon learnt
    with eagerly():
        fitted = fit(recipe, samples, rows, watched=watched, on_epoch=told.append)
        predicted = fitted.predict(samples, watched)["logits"].argmax(axis=1)
    assert [epoch.macro_f1 for epoch in told[:2]] == [0.0, 1.0]
    assert told[-1].macro_f1 == pytest.approx(macro_f1(predicted, samples.categories[watched]))


def test_weights_of_another_architecture_are_refused(shapes: TrainingSet, tmp_path: Path) -> None:
    save_weights([np.ones((2, 2), np.float32)], tmp_path / "start.npz")
    with pytest.raises(ModelError, match=r"start\.npz: expected 34 weights .* Received 1 others"):
        fit(
            small(epochs=1),
            samples_of(shapes),
            np.arange(12),
            start=tmp_path / "start.npz",
        )


def test_training_that_diverges_is_stopped_and_not_kept(
    shapes: TrainingSet, tmp_path: Path
) -> None:
    recipe = small(epochs=3, augmentation=None, batch_size=12, learning_rate=1e30, warmup_epochs=0)
    told: list[Epoch] = []
    with eagerly(), pytest.raises(DivergedError) as raised:
        fit(
            recipe,
            samples_of(shapes),
            np.arange(24),
            watched=np.arange(192, 240),
            checkpoint=tmp_path / "c",
            on_epoch=told.append,
            stage="calibrating",
        )
    assert str(raised.value) == (
        "baseline, calibrating: expected finite weights, and finite answers to all slices. "
        "Received weights that are not after epoch 1 of 3, and no finite answer to 48 of 48 "
        "held-out slices: the training diverged, and nothing of it is kept. Look at the pictures, "
        "whose faults `artemis-cli data audit` names, or train at a lower rate than 1e+30, by "
        "another recipe."
    )
    assert told == []
    assert not (tmp_path / "c").exists()


def test_last_step_that_diverges_is_found_though_its_loss_was_finite(shapes: TrainingSet) -> None:
    recipe = small(epochs=1, augmentation=None, batch_size=12, learning_rate=1e38, warmup_epochs=0)
    told: list[Epoch] = []
    with eagerly(), pytest.raises(DivergedError, match=r"no finite answer to 9 of 9 held-out sli"):
        fit(
            recipe,
            samples_of(shapes),
            np.arange(12),
            watched=np.arange(192, 201),
            on_epoch=told.append,
        )
    assert np.isfinite(told[0].loss)


def test_weights_that_were_not_finite_to_begin_with_are_named(
    shapes: TrainingSet, tmp_path: Path
) -> None:
    start = tmp_path / "start.npz"
    recipe, rows = small(epochs=1, augmentation=None, batch_size=12), np.arange(12)
    with eagerly():
        weights = fit(recipe, samples_of(shapes), rows).trained.get_weights()
        save_weights([np.full_like(one, np.nan) for one in weights], start)
        with pytest.raises(DivergedError, match="to 12 of 12 trained-on slices") as raised:
            fit(recipe, samples_of(shapes), rows, start=start)
    assert f", or start with --from imagenet instead of {start}, or" in str(raised.value)


def test_answers_that_are_not_finite_are_found_where_the_weights_are() -> None:
    answers = np.zeros((5, 12), np.float32)
    looking = Finite("baseline, training", lambda: answers, "held-out", "Look at the pictures.")
    looking.on_train_end()
    answers[2, 3] = np.inf
    with pytest.raises(DivergedError, match=r"Received no finite answer to 1 of 5 held-out slices"):
        looking.on_train_end()
