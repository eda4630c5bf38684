"""Write a trained network as a model's folder: exported, described, measured, or not there."""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artemis.errors import ModelError, WorkspaceError
from artemis.labels import CATEGORY_NAMES
from artemis.models.card.contents import read_card
from artemis.models.card.markdown import render_card
from artemis.models.evidence_map import MAPS
from artemis.models.manifest import (
    CARD_NAME,
    MANIFEST_NAME,
    MODEL_FILES,
    OUT_OF_FOLD_NAME,
    REFERENCE_NAME,
    START_NAME,
    WEIGHTS_NAME,
    Evaluation,
    Interval,
    Manifest,
    ModelInput,
    OutOfDistribution,
    PredictionSets,
    Randomisation,
    Training,
)
from artemis.models.network import open_network
from artemis.models.ood import METHOD, fit_reference, load_reference
from artemis.models.runtime import softmax
from artemis.preprocess import PREPROCESSING_ID
from artemis.seen import SeenSlices, seen_slices
from artemis.system.files import sha256_file, write_text_atomic
from artemis.training.figures.evaluate import evaluate
from artemis.training.figures.far import auroc, far_pictures
from artemis.training.figures.localisation import figures_of_maps
from artemis.training.figures.out_of_fold import OUT_OF_FOLD_SCHEMA, write_frame
from artemis.training.figures.refusals import FALSE_REFUSALS
from artemis.training.figures.study_figures import study_figures
from artemis.training.labelled.dataset import TrainingSet
from artemis.training.labelled.split import content_names
from artemis.training.network.export import export_litert
from artemis.training.network.feeds import Samples
from artemis.training.network.fitted import Fitted
from artemis.training.network.randomised import check_randomisation
from artemis.training.network.recipes import Recipe
from artemis.training.network.weights import Weights, save_weights

EXPORT_TOLERANCE: Final = 1e-2
"""Largest difference of a probability between the trained and the exported network."""

_FAR_PER_KIND: Final = 10
_FAR_HEADS: Final = 256
_COMPARED: Final = 600  # trained-on slices to compare on where none are held out


@dataclass(frozen=True, slots=True)
class Calibration:
    """What held-out slices set: temperature, distance threshold and prediction sets.

    `scores` are their out-of-distribution scores, ``(n,)`` float32; `false_refusals` the share
    of them beyond a threshold that was set on other groups, None where there are no others.
    """

    temperature: float
    threshold: float
    fitted_on: str
    sets: PredictionSets
    scores: NDArray[np.float32]
    false_refusals: Interval | None


@dataclass(frozen=True, slots=True)
class Trained:
    """A network with all that its folder says of it.

    Attributes
    ----------
    fitted : Fitted
        The network.
    samples : Samples
        Its pictures.
    data : TrainingSet
        Their labels.
    train : ndarray, (n,), bool
        What it was trained on.
    test : ndarray, (n,), bool
        What it is measured on; empty if `evaluation` is given.
    split : str
        The split in words.
    first_weights : str
        In words, what the training began with.
    calibration : Calibration
        Temperature and threshold.
    evaluation : Evaluation or None
        Cross-validated figures of the same recipe, for a network trained on everything.
    out_of_fold : DataFrame
        See `artemis.training.figures.out_of_fold`.
    start : sequence of ndarray
        Weights that a later training may start from: of a network that has not seen the
        slices which `out_of_fold` marks so.
    seen_before : frozenset of str
        Slices that those weights have learnt from in earlier trainings alone.
    """

    fitted: Fitted
    samples: Samples
    data: TrainingSet
    train: NDArray[np.bool_]
    test: NDArray[np.bool_]
    split: str
    first_weights: str
    calibration: Calibration
    evaluation: Evaluation | None
    out_of_fold: pd.DataFrame
    start: Weights
    seen_before: frozenset[str] = frozenset()

    @property
    def recipe(self) -> Recipe:
        """How it was trained."""
        return self.fitted.recipe


def write_model(model: Trained, output: Path) -> Path:
    """Export a network and write its folder ``output/<name>/<version>``.

    Returns
    -------
    Path
        The folder, complete: it appears by a rename when everything in it is written.

    Raises
    ------
    ModelError
        If the exported network answers otherwise than the trained one.
    WorkspaceError
        If `output` cannot be written.
    """
    created = datetime.now(UTC).replace(microsecond=0)
    folder = output / model.recipe.model / f"{created:%Y%m%d}-{secrets.token_hex(3)}"
    building = folder.with_name(f".{folder.name}.building")
    try:
        building.mkdir(parents=True)
    except OSError as error:
        raise WorkspaceError(
            f"{output}: expected a folder that can be written. Received: {error.strerror}."
        ) from error
    try:
        shapes, agreement = _export(model, building)
        rows = np.flatnonzero(model.train)
        features = model.fitted.predict(model.samples, rows)["features"]
        pictures = model.samples.pictures[rows]
        fit_reference(features, model.samples.categories[rows], pictures).save(
            building / REFERENCE_NAME
        )
        scores = load_reference(building / REFERENCE_NAME).score(features, pictures)
        seen = seen_slices(scores, model.out_of_fold)
        save_weights(model.start, building / START_NAME)
        write_frame(building / OUT_OF_FOLD_NAME, model.out_of_fold, OUT_OF_FOLD_SCHEMA)
        manifest = _describe(model, building, folder.name, created, shapes, agreement, seen)
        write_text_atomic(building / MANIFEST_NAME, manifest.model_dump_json(indent=2) + "\n")
        write_text_atomic(building / CARD_NAME, render_card(read_card(building)))
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return folder


def _export(model: Trained, building: Path) -> tuple[dict[str, list[int]], float]:
    """Export with float16 weights, or float32 where half precision changes the answers.

    Returns the shapes of the outputs, and the largest difference of a probability from
    Keras's on all slices that were not trained on, where there are any: an answer that half
    precision leaves not finite may be any one's.
    """
    held_out = np.flatnonzero(model.test)
    compared = held_out if len(held_out) else np.flatnonzero(model.train)[:_COMPARED]
    temperature = model.calibration.temperature
    trained = softmax(model.fitted.predict(model.samples, compared)["logits"] / temperature)
    serving = model.fitted.serving()
    agreement = np.inf
    for half in (True, False):
        shapes = export_litert(serving, building / WEIGHTS_NAME, half=half)
        network = open_network(building / WEIGHTS_NAME)
        logits = network.run(model.samples.pictures[compared])["logits"]
        agreement = float(np.abs(softmax(logits / temperature) - trained).max())
        if agreement <= EXPORT_TOLERANCE:
            return shapes, agreement
    raise ModelError(
        f"{building / WEIGHTS_NAME}: expected the exported network's probabilities within "
        f"{EXPORT_TOLERANCE} of Keras's. Received a difference of {agreement:.4f}. "
        "Check the versions of TensorFlow and LiteRT against the lock."
    )


def _describe(
    model: Trained,
    building: Path,
    name: str,
    created: datetime,
    shapes: dict[str, list[int]],
    agreement: float,
    seen: SeenSlices,
) -> Manifest:
    calibration = model.calibration
    far_auroc, far_refused = _measure_far(model, building)
    return Manifest(
        name=model.recipe.model,
        version=name,
        created=created,
        categories=list(CATEGORY_NAMES),
        input=ModelInput(side=model.recipe.side, preprocessing=PREPROCESSING_ID),
        outputs=shapes,
        temperature=calibration.temperature,
        temperature_fitted_on=calibration.fitted_on,
        out_of_distribution=OutOfDistribution(
            method=METHOD,
            threshold=calibration.threshold,
            aimed_false_refusals=FALSE_REFUSALS,
            false_refusals=calibration.false_refusals,
            fitted_on=calibration.fitted_on,
            far_auroc=far_auroc,
            far_refused=far_refused,
            seen=seen,
        ),
        prediction_sets=calibration.sets,
        training=_describe_training(model),
        evaluation=model.evaluation or _test(model, building),
        randomisation=_check_evidence(model),
        export_agreement=agreement,
        files={name: sha256_file(building / name) for name in MODEL_FILES},
    )


def _check_evidence(model: Trained) -> Randomisation | None:
    """Check that evidence depends on what was learnt, on slices not trained on where there are."""
    of = model.test if model.test.any() else model.train
    return check_randomisation(
        model.fitted,
        model.samples.pictures[of],
        model.samples.categories[of],
        model.data.boxes[of],
    )


def _measure_far(model: Trained, building: Path) -> tuple[float, dict[str, float]]:
    """Score drawn pictures that are no brain MRI with the very files that serve."""
    network = open_network(building / WEIGHTS_NAME)
    reference = load_reference(building / REFERENCE_NAME)
    drawn = far_pictures(_FAR_PER_KIND, model.recipe.side, model.samples.pictures[:_FAR_HEADS])
    scores = {
        kind: reference.score(network.run(pictures)["features"], pictures)
        for kind, pictures in drawn.items()
    }
    area = auroc(model.calibration.scores, np.concatenate([*scores.values()]))
    limit = model.calibration.threshold
    return area, {kind: float((values > limit).mean()) for kind, values in scores.items()}


def _test(model: Trained, building: Path) -> Evaluation:
    """Measure the exported network, the very file that serves, on the test slices."""
    table = model.data.table[model.test]
    pictures = model.samples.pictures[model.test]
    outputs = open_network(building / WEIGHTS_NAME).run(pictures)
    probabilities = softmax(outputs["logits"] / model.calibration.temperature)
    categories = table["category"].to_numpy()
    groups = content_names(table["group"], table["slice_id"]).tolist()
    measured = evaluate(
        probabilities,
        categories,
        groups,
        table["source"].tolist(),
        f"Patient-disjoint: {model.split}, never trained on.{model.data.caveat}",
        uncalibrated=softmax(outputs["logits"]),
        slice_ids=table["slice_id"].tolist(),
    )
    ids, known = table["slice_id"].tolist(), model.data.of_known_patients[model.test]
    studies = study_figures(ids, probabilities, categories, groups, known)
    measured = measured.model_copy(update={"studies": studies})
    if MAPS not in outputs:
        return measured
    boxes = model.data.boxes[model.test]
    of_maps = figures_of_maps(outputs[MAPS], probabilities, categories, boxes, pictures, groups)
    found = {name: interval for name, interval in of_maps.items() if interval is not None}
    return measured.model_copy(update={"metrics": measured.metrics | found})


def _describe_training(model: Trained) -> Training:
    table = model.data.table[model.train]
    counts = np.bincount(table["category"], minlength=len(CATEGORY_NAMES))
    return Training(
        training_set_sha256=model.data.sha256,
        images=len(table),
        groups=int(table["group"].nunique()),
        per_category=dict(zip(CATEGORY_NAMES, counts.tolist(), strict=True)),
        per_source={str(k): int(n) for k, n in table["source"].value_counts().items()},
        split=model.split,
        first_weights=model.first_weights,
        recipe=model.recipe.record(),
        label_corrections=model.data.corrected,
        versions={name: version(name) for name in ("tensorflow", "keras", "numpy", "pillow")},
        seen_before=sorted(model.seen_before),
    )
