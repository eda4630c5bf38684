"""Train one model: a sister network sets its temperature and distance, then it is kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artemis.errors import TrainingDataError
from artemis.models.manifest import CROSS_VALIDATED, Evaluation
from artemis.models.ood import fit_reference
from artemis.models.runtime import softmax
from artemis.progress import report_progress
from artemis.system.files import sha256_file
from artemis.training.figures.calibrate import (
    Temperature,
    choose_temperature,
    cross_fitted,
    group_parts,
)
from artemis.training.figures.conformal import fit_sets
from artemis.training.figures.out_of_fold import (
    PART_SCHEMA,
    logits_of,
    make_part,
    out_of_fold,
    read_frame,
    write_frame,
)
from artemis.training.figures.refusals import distance_limit, false_refusals
from artemis.training.labelled.dataset import TrainingSet
from artemis.training.labelled.split import content_names
from artemis.training.network.feeds import Samples
from artemis.training.network.fit import Epoch, prepare
from artemis.training.network.fitted import Fitted
from artemis.training.network.recipes import Recipe
from artemis.training.network.taught import train_network
from artemis.training.network.weights import Weights, read_weights, save_weights
from artemis.training.package import Calibration, Trained, write_model

_PREDICTIONS: Final = "calibration.parquet"
_WEIGHTS: Final = "calibrating.npz"

OnEpoch = Callable[[str, Epoch], None]
"""Called with the stage (``calibrating``, ``training``, ``fold 3``) and each finished epoch."""


@dataclass(frozen=True, slots=True)
class Split:
    """Which slices train, which set temperature and threshold, and which test.

    Attributes
    ----------
    train, fitting, calibration, test : ndarray, (n,), bool
        A sister network is trained on `fitting` alone, a part of `train`, and sets
        temperature and threshold on `calibration`, another part whose groups it has not
        seen. Then `train` is trained on as a whole; `test` never is.
    words : str
        The split, for the manifest.
    """

    train: NDArray[np.bool_]
    fitting: NDArray[np.bool_]
    calibration: NDArray[np.bool_]
    test: NDArray[np.bool_]
    words: str


@dataclass(frozen=True, slots=True)
class Means:
    """What a training needs besides its pictures.

    Attributes
    ----------
    imagenet : Path, 'imagenet' or None
        Where MobileNetV2's first weights are.
    cache : Path
        Folder for draws of the stem or of the pictures.
    start : Path, optional
        Weights of an earlier model to start from.
    seen : frozenset of str
        Slices that those have learnt from.
    work : Path, optional
        Folder for what a training that is ended early goes on from.
    on_epoch : callable
        Told of each finished epoch.
    """

    imagenet: Path | str | None
    cache: Path
    start: Path | None = None
    seen: frozenset[str] = frozenset()
    work: Path | None = None
    on_epoch: OnEpoch | None = None

    def first_weights(self, recipe: Recipe) -> str:
        """Return in words what a training of a recipe begins with."""
        if self.start is not None:
            return f"weights of {self.start.parent.name}, SHA-256 {sha256_file(self.start)}"
        if recipe.model == "baseline" or self.imagenet is None:
            return f"random, seed {recipe.seed}"
        if self.imagenet == "imagenet":
            return "ImageNet, as Keras fetches them"
        path = Path(self.imagenet)
        return f"ImageNet, {path.name}, SHA-256 {sha256_file(path)}"

    def checkpoint(self, stage: str) -> Path | None:
        """Return the folder of a stage's checkpoint."""
        return None if self.work is None else self.work / stage.replace(" ", "-")

    def done(self, stage: str) -> None:
        """Remove a stage's checkpoint: what the stage makes is written."""
        if (folder := self.checkpoint(stage)) is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def reporter(self, stage: str) -> Callable[[Epoch], None] | None:
        """Return what an epoch of a stage is told to."""
        told = self.on_epoch
        return None if told is None else lambda epoch: told(stage, epoch)


def samples_of(recipe: Recipe, data: TrainingSet, means: Means) -> Samples:
    """Return the pictures of a training set as a recipe trains on them."""
    return prepare(
        recipe,
        data.pictures[recipe.side],
        data.table["category"].to_numpy(),
        data.boxes,
        imagenet=means.imagenet,
        cache=means.cache,
        start=means.start,
        on_draw=lambda done, total: report_progress("variants of every picture", done, total),
    )


def train_model(
    recipe: Recipe, data: TrainingSet, split: Split, output: Path, means: Means
) -> Path:
    """Train one model twice, first to calibrate, then to keep, and write its folder.

    Parameters
    ----------
    recipe : Recipe
        How to train.
    data : TrainingSet
        Labelled pictures.
    split : Split
        What trains, calibrates and tests.
    output : Path
        The model's folder is ``output/<name>/<version>``.
    means : Means
        Weights, caches, and where to go on from. That stays: whoever has noted the model's
        folder removes it, and one that was ended before writes another folder and trains nothing.

    Raises
    ------
    TrainingDataError
        If a part of the split is empty.
    DivergedError
        If a network's weights or answers are not finite.
    """
    _check_parts(split)
    samples = samples_of(recipe, data, means)
    predictions, start = _sister(recipe, samples, data.table, split, means)
    calibration = calibrate_on(
        predictions, f"{len(predictions)} slices that a network trained without them had not seen"
    )
    fitted = train_network(
        recipe,
        samples,
        np.flatnonzero(split.train),
        "training",
        watched=np.flatnonzero(split.test),
        imagenet=means.imagenet,
        start=means.start,
        checkpoint=means.checkpoint("training"),
        reporter=means.reporter,
    )
    return write_model(
        Trained(
            fitted=fitted,
            samples=samples,
            data=data,
            train=split.train,
            test=split.test,
            split=split.words,
            first_weights=means.first_weights(recipe),
            calibration=calibration,
            evaluation=None,
            out_of_fold=out_of_fold(
                data.table[split.train],
                predictions,
                calibration.temperature,
                start_unseen=set(predictions["slice_id"]),
            ),
            start=start,
            seen_before=means.seen.difference(data.table["slice_id"][split.train]),
        ),
        output,
    )


def _check_parts(split: Split) -> None:
    for name, mask in (
        ("test", split.test),
        ("calibration", split.calibration),
        ("training", split.fitting),
    ):
        if not mask.any():
            raise TrainingDataError(
                f"Split: expected slices to use as {name} ({split.words}). Received none. "
                "Choose other folds, or add patients."
            )


def train_on_all(
    recipe: Recipe,
    data: TrainingSet,
    predictions: pd.DataFrame,
    evaluation: Evaluation,
    output: Path,
    means: Means,
) -> Path:
    """Train one model on every slice; a protocol's out-of-fold predictions stand for it.

    Parameters
    ----------
    recipe : Recipe
        How to train: the protocol's.
    data : TrainingSet
        The protocol's.
    predictions : DataFrame
        Out-of-fold predictions of every slice, see `artemis.training.figures.out_of_fold`.
    evaluation : Evaluation
        The protocol's figures, which the manifest carries.
    output : Path
        The model's folder is ``output/<name>/<version>``.
    means : Means
        Weights, caches, and where to go on from.
    """
    samples = samples_of(recipe, data, means)
    everything = np.ones(len(data.table), dtype=np.bool_)
    fitted = train_network(
        recipe,
        samples,
        np.flatnonzero(everything),
        "training",
        imagenet=means.imagenet,
        checkpoint=means.checkpoint("training"),
        reporter=means.reporter,
    )
    calibration = calibrate_on(predictions, "the out-of-fold predictions of its protocol")
    folder = write_model(
        Trained(
            fitted=fitted,
            samples=samples,
            data=data,
            train=everything,
            test=~everything,
            split=CROSS_VALIDATED,
            first_weights=means.first_weights(recipe),
            calibration=calibration,
            evaluation=evaluation,
            out_of_fold=out_of_fold(data.table, predictions, calibration.temperature, ()),
            start=fitted.weights(),
        ),
        output,
    )
    means.done("training")
    return folder


def predict_unseen(
    fitted: Fitted,
    samples: Samples,
    table: pd.DataFrame,
    train: NDArray[np.bool_],
    unseen: NDArray[np.bool_],
    fold: int,
) -> pd.DataFrame:
    """Return a network's predictions of slices that it was not trained on."""
    rows = np.flatnonzero(unseen)
    seen = fitted.predict(samples, np.flatnonzero(train))["features"]
    reference = fit_reference(seen, samples.categories[train], samples.pictures[train])
    outputs = fitted.predict(samples, rows)
    scores = reference.score(outputs["features"], samples.pictures[rows])
    return make_part(table.iloc[rows], fold, outputs["logits"], scores)


def calibrate_on(predictions: pd.DataFrame, words: str) -> Calibration:
    """Return temperature, distance threshold and prediction sets of out-of-fold predictions.

    Parameters
    ----------
    predictions : DataFrame
        See `artemis.training.figures.out_of_fold`.
    words : str
        What they are, for the manifest.
    """
    categories = predictions["category"].to_numpy()
    logits, parts = logits_of(predictions), parts_of(predictions)
    groups, scores = _dealt_groups(predictions), predictions["ood_score"].to_numpy(np.float32)
    temperature = temperature_of(predictions)
    return Calibration(
        temperature=temperature.value,
        threshold=distance_limit(scores),
        fitted_on=f"{words} ({temperature.words})",
        scores=scores,
        false_refusals=false_refusals(scores, parts, groups),
        sets=fit_sets(
            softmax(logits / np.float32(temperature.value)),
            softmax(logits) if temperature.value == 1 else cross_fitted(logits, categories, parts),
            categories,
            groups,
            parts,
            words,
        ),
    )


def temperature_of(predictions: pd.DataFrame) -> Temperature:
    """Return what `choose_temperature` says of out-of-fold predictions."""
    categories = predictions["category"].to_numpy()
    return choose_temperature(logits_of(predictions), categories, parts_of(predictions))


def parts_of(predictions: pd.DataFrame) -> NDArray[np.int64]:
    """Return the folds of out-of-fold predictions; of a single one, parts of whole groups."""
    folds = predictions["fold"].to_numpy()
    if len(set(folds.tolist())) > 1:
        return folds
    return group_parts(_dealt_groups(predictions))


def _dealt_groups(predictions: pd.DataFrame) -> list[str]:
    return content_names(predictions["group"], predictions["slice_id"]).tolist()


def _sister(
    recipe: Recipe, samples: Samples, table: pd.DataFrame, split: Split, means: Means
) -> tuple[pd.DataFrame, Weights]:
    """Return predictions of the calibration slices by a network without them, and its weights.

    They are kept, so that a training that was ended does not make them again.
    """
    work = means.work
    if work is not None and (work / _PREDICTIONS).is_file():
        return read_frame(work / _PREDICTIONS, PART_SCHEMA), read_weights(work / _WEIGHTS)
    sister = train_network(
        recipe,
        samples,
        np.flatnonzero(split.fitting),
        "calibrating",
        watched=np.flatnonzero(split.calibration),
        imagenet=means.imagenet,
        start=means.start,
        checkpoint=means.checkpoint("calibrating"),
        reporter=means.reporter,
    )
    predictions = predict_unseen(sister, samples, table, split.fitting, split.calibration, 0)
    weights = sister.weights()
    if work is not None:
        save_weights(weights, work / _WEIGHTS)
        write_frame(work / _PREDICTIONS, predictions, PART_SCHEMA)
    means.done("calibrating")
    return predictions, weights
