"""Train, calibrate, measure and export one model. Imports TensorFlow."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artemis.errors import ModelError, TrainingDataError, WorkspaceError
from artemis.files import sha256_file, write_text_atomic
from artemis.labels import CATEGORY_NAMES
from artemis.models.manifest import (
    CARD_NAME,
    MANIFEST_NAME,
    REFERENCE_NAME,
    WEIGHTS_NAME,
    Evaluation,
    Manifest,
    ModelInput,
    OutOfDistribution,
    Training,
)
from artemis.models.ood import METHOD, fit_reference
from artemis.models.runtime import Network, softmax
from artemis.preprocess import PREPROCESSING_ID
from artemis.training.calibrate import fit_temperature
from artemis.training.card import render_card
from artemis.training.dataset import TrainingSet
from artemis.training.evaluate import evaluate
from artemis.training.export import export_litert
from artemis.training.fit import Epoch, fit, predict
from artemis.training.recipes import Recipe

EXPORT_TOLERANCE = 1e-2
"""Largest difference of a probability between the trained and the exported network."""

FALSE_REFUSALS = 0.03
"""Share of held-out slices that may lie beyond the out-of-distribution threshold."""


@dataclass(frozen=True, slots=True)
class Split:
    """Which folds train, which one sets temperature and threshold, and which one tests.

    `calibration` is trained on as well once the two numbers are known from a network that
    has not seen it.
    """

    test: int
    calibration: int

    def describe(self, folds: pd.Series[int]) -> str:
        """Return the split in words for the manifest."""
        train = ", ".join(str(f) for f in sorted(set(folds) - {self.test}))
        return f"whole patient groups: folds {train} train, fold {self.test} tests"


@dataclass(frozen=True, slots=True)
class Calibration:
    """What held-out slices of a sister network set: temperature and distance threshold."""

    temperature: float
    threshold: float
    fitted_on: str


def train_model(
    recipe: Recipe,
    data: TrainingSet,
    split: Split,
    output: Path,
    *,
    imagenet: Path | str | None,
    on_epoch: Callable[[str, Epoch], None],
) -> Path:
    """Train one model twice, first to calibrate, then to keep, and write its folder.

    Parameters
    ----------
    recipe : Recipe
        How to train.
    data : TrainingSet
        Labelled pictures.
    split : Split
        Folds to test and to calibrate on.
    output : Path
        The model's folder is ``output/<name>/<version>``.
    imagenet : Path, 'imagenet' or None
        Where MobileNetV2 starts.
    on_epoch : callable
        Called with the stage (``calibrating`` or ``training``) and each finished epoch.

    Returns
    -------
    Path
        The folder, complete: it appears by a rename when everything in it is written.

    Raises
    ------
    TrainingDataError
        If a fold of the split is empty.
    """
    folds = data.table["fold"].to_numpy()
    pictures, categories = data.pictures[recipe.side], data.table["category"].to_numpy()
    test, held_out = folds == split.test, folds == split.calibration
    train = ~test
    for name, mask in (("test", test), ("calibration", held_out), ("training", train & ~held_out)):
        if not mask.any():
            raise TrainingDataError(
                f"Split: expected slices in the {name} folds. Received none with test fold "
                f"{split.test} and calibration fold {split.calibration}. Choose other folds."
            )
    sister = fit(
        recipe,
        pictures[train & ~held_out],
        categories[train & ~held_out],
        imagenet=imagenet,
        on_epoch=lambda epoch: on_epoch("calibrating", epoch),
    )
    calibration = _calibrate(sister, pictures, categories, train & ~held_out, held_out)
    model = fit(
        recipe,
        pictures[train],
        categories[train],
        imagenet=imagenet,
        on_epoch=lambda epoch: on_epoch("training", epoch),
    )
    return _write(model, recipe, data, split, calibration, output)


def _calibrate(
    sister: keras.Model,
    pictures: NDArray[np.uint8],
    categories: NDArray[np.int64],
    trained_on: NDArray[np.bool_],
    held_out: NDArray[np.bool_],
) -> Calibration:
    unseen = predict(sister, pictures[held_out])
    reference = fit_reference(
        predict(sister, pictures[trained_on])["features"], categories[trained_on]
    )
    scores = reference.score(unseen["features"])
    return Calibration(
        temperature=fit_temperature(unseen["logits"], categories[held_out]),
        threshold=float(np.quantile(scores, 1 - FALSE_REFUSALS)),
        fitted_on=f"{int(held_out.sum())} slices of patients unseen by a network trained with the "
        "same recipe on the other training folds",
    )


def _write(
    model: keras.Model,
    recipe: Recipe,
    data: TrainingSet,
    split: Split,
    calibration: Calibration,
    output: Path,
) -> Path:
    created = datetime.now(UTC).replace(microsecond=0)
    folder = output / recipe.model / f"{created:%Y%m%d}-{secrets.token_hex(3)}"
    building = folder.with_name(f".{folder.name}.building")
    try:
        building.mkdir(parents=True)
    except OSError as error:
        raise WorkspaceError(
            f"{output}: expected a folder that can be written. Received: {error.strerror}."
        ) from error
    try:
        shapes, agreement = _export(model, building, recipe, data, split, calibration)
        table, pictures = data.table, data.pictures[recipe.side]
        train = table["fold"].to_numpy() != split.test
        features = predict(model, pictures[train])["features"]
        fit_reference(features, table["category"].to_numpy()[train]).save(building / REFERENCE_NAME)
        evaluation = _test(building, recipe, data, split, calibration)
        manifest = Manifest(
            name=recipe.model,
            version=folder.name,
            created=created,
            categories=list(CATEGORY_NAMES),
            input=ModelInput(side=recipe.side, preprocessing=PREPROCESSING_ID),
            outputs=shapes,
            temperature=calibration.temperature,
            temperature_fitted_on=calibration.fitted_on,
            out_of_distribution=OutOfDistribution(
                method=METHOD,
                threshold=calibration.threshold,
                held_out_false_refusals=FALSE_REFUSALS,
                fitted_on=calibration.fitted_on,
            ),
            training=_describe_training(recipe, data, train, split.describe(table["fold"])),
            evaluation=evaluation,
            export_agreement=agreement,
            files={name: sha256_file(building / name) for name in (WEIGHTS_NAME, REFERENCE_NAME)},
        )
        write_text_atomic(building / MANIFEST_NAME, manifest.model_dump_json(indent=2) + "\n")
        write_text_atomic(building / CARD_NAME, render_card(manifest))
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return folder


def _export(
    model: keras.Model,
    building: Path,
    recipe: Recipe,
    data: TrainingSet,
    split: Split,
    calibration: Calibration,
) -> tuple[dict[str, list[int]], float]:
    """Export with float16 weights, or float32 where half precision changes the answers.

    Returns the shapes of the outputs, and the largest difference of a test slice's
    probability from Keras's.
    """
    test = data.table["fold"].to_numpy() == split.test
    pictures, temperature = data.pictures[recipe.side][test], calibration.temperature
    trained = softmax(predict(model, pictures)["logits"] / temperature)
    agreement = np.inf
    for half in (True, False):
        shapes = export_litert(model, building / WEIGHTS_NAME, half=half)
        logits = Network(building / WEIGHTS_NAME).run(pictures)["logits"]
        agreement = float(np.abs(softmax(logits / temperature) - trained).max())
        if agreement <= EXPORT_TOLERANCE:
            return shapes, agreement
    raise ModelError(
        f"{building / WEIGHTS_NAME}: expected the exported network's probabilities within "
        f"{EXPORT_TOLERANCE} of Keras's. Received a difference of {agreement:.4f}. "
        "Check the versions of TensorFlow and LiteRT against the lock."
    )


def _test(
    building: Path, recipe: Recipe, data: TrainingSet, split: Split, calibration: Calibration
) -> Evaluation:
    """Measure the exported network, the very file that serves, on the test fold."""
    table = data.table
    test = table["fold"].to_numpy() == split.test
    logits = Network(building / WEIGHTS_NAME).run(data.pictures[recipe.side][test])["logits"]
    return evaluate(
        softmax(logits / calibration.temperature),
        table["category"].to_numpy()[test],
        table["group"][test].tolist(),
        table["source"][test].tolist(),
        f"Patient-disjoint: {split.describe(table['fold'])}, never trained on.",
    )


def _describe_training(
    recipe: Recipe, data: TrainingSet, train: NDArray[np.bool_], split: str
) -> Training:
    table = data.table[train]
    counts = np.bincount(table["category"], minlength=len(CATEGORY_NAMES))
    return Training(
        training_set_sha256=data.sha256,
        images=len(table),
        groups=int(table["group"].nunique()),
        per_category=dict(zip(CATEGORY_NAMES, counts.tolist(), strict=True)),
        split=split,
        recipe=recipe.record(),
        label_corrections=data.corrected,
        versions={name: version(name) for name in ("tensorflow", "keras", "numpy", "pillow")},
    )
