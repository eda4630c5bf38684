"""Protocols of evaluation: the trainings of `artemis.training.folds`, run and measured."""

from __future__ import annotations

import hashlib
import json
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from artemis.errors import BusyError
from artemis.models.architectures import REVISIONS
from artemis.models.manifest import Evaluation
from artemis.models.runtime import softmax
from artemis.progress import report_progress
from artemis.system.locks import exclusive
from artemis.training.figures.evaluate import evaluate
from artemis.training.figures.localisation import summarise as summarise_maps
from artemis.training.figures.out_of_fold import PART_SCHEMA, logits_of, read_frame
from artemis.training.figures.study_figures import study_figures
from artemis.training.figures.together import together_figures
from artemis.training.fold_files import EVIDENCE_SCHEMA, FoldFiles, localisation_of, measure_fold
from artemis.training.folds import DISJOINT, Fold, plan
from artemis.training.labelled.dataset import TrainingSet
from artemis.training.labelled.split import content_names
from artemis.training.network.feeds import Samples
from artemis.training.network.fitted import Fitted, build
from artemis.training.network.recipes import Recipe
from artemis.training.network.taught import train_network
from artemis.training.network.weights import save_weights
from artemis.training.shortcuts import SHORTCUT_SCHEMA, summarise
from artemis.training.train import Means, samples_of, temperature_of

_LOOK_AGAIN: Final = 5.0  # seconds until folds that others work at are looked for again
_WAITING: Final = "waiting for folds that other processes train"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a protocol measured: predictions of unseen slices, and figures made of them.

    Attributes
    ----------
    protocol : str
        One of `artemis.training.jobs.PROTOCOLS`, after a hyphen the variant where there is one.
    predictions : DataFrame
        See `artemis.training.figures.out_of_fold`.
    evaluation : Evaluation
        Figures at temperatures that were fitted on the other folds; without a temperature where
        there is no other, as in ``official``.
    """

    protocol: str
    predictions: pd.DataFrame
    evaluation: Evaluation


def run(
    protocol: str, recipe: Recipe, data: TrainingSet, folder: Path, means: Means
) -> dict[str, Outcome]:
    """Train a protocol's networks and measure them on what they have not seen.

    Parameters
    ----------
    protocol : str
        One of `artemis.training.jobs.PROTOCOLS`.
    recipe : Recipe
        How to train; nothing in it was chosen by the folds' own results.
    data : TrainingSet
        Labelled pictures.
    folder : Path
        For the parts. Those that are there, of the same recipe and data, are not made again.
    means : Means
        Weights and caches.

    Returns
    -------
    dict of str to Outcome
        By variant: ``patient``; ``official`` and ``official-disjoint``; ``random``.

    Raises
    ------
    DivergedError
        If the training of a fold, which is named, diverges.
    """
    parts = folder / f"{protocol}-{evaluation_key(recipe, data)}"
    # What is kept names groups by content: a hash of a patient's number can be looked up.
    names = content_names(data.table["group"], data.table["slice_id"])
    data = replace(data, table=data.table.assign(group=names))
    folds = plan(protocol, data)
    kept = {fold.number: FoldFiles(parts, fold.number, protocol == "patient") for fold in folds}
    samples = None
    for fold in _in_turn(folds, kept):
        samples = samples or samples_of(recipe, data, means)
        fitted = _network_of(fold, f"{protocol} {fold.words}", recipe, samples, kept, means)
        measure_fold(kept[fold.number], fitted, samples, data, fold.train, fold.test)
    made: dict[str, list[FoldFiles]] = {}
    for fold in folds:
        variant = f"{protocol}-disjoint" if fold.words == DISJOINT else protocol
        made.setdefault(variant, []).append(kept[fold.number])
    caveats = dict.fromkeys(_DISJOINT_PATIENTS, data.caveat + _divided(data))
    known = frozenset(data.table.loc[data.of_known_patients, "slice_id"])
    return {
        variant: _measure(variant, files, caveats.get(variant, data.plane_caveat), known)
        for variant, files in made.items()
    }


def _divided(data: TrainingSet) -> str:
    crossing = int(data.table["crossing"].sum()) if "crossing" in data.table else 0
    if not crossing:
        return ""
    return (
        f" The given folds divide the groups of {crossing} pictures, which are copies of others: "
        "no network that tests one of a group was trained on the rest of it."
    )


def is_finished(protocol: str, recipe: Recipe, data: TrainingSet, folder: Path) -> bool:
    """Return whether `run` with the same arguments would train nothing: every fold is kept."""
    parts = folder / f"{protocol}-{evaluation_key(recipe, data)}"
    patients = protocol == "patient"
    return all(FoldFiles(parts, fold.number, patients).done for fold in plan(protocol, data))


def _in_turn(folds: list[Fold], kept: Mapping[int, FoldFiles]) -> Iterator[Fold]:
    """Yield the folds that lack something, each while its lock is held.

    The same protocol may run in several processes, on machines that share the folder: each
    takes a fold that nobody works at, and the last to be done are waited for.
    """
    waiting = deque(folds)
    passed = 0
    while waiting:
        fold = waiting.popleft()
        files = kept[fold.number]
        if files.done:
            continue
        try:
            with exclusive(files.folder / f"fold-{fold.number}.lock", f"work at {fold.words}"):
                if not files.done:
                    yield fold
            passed = 0
        except BusyError:
            waiting.append(fold)
            passed += 1
            if passed >= len(waiting):
                report_progress(_WAITING, len(folds) - len(waiting), len(folds))
                time.sleep(_LOOK_AGAIN)


def _network_of(
    fold: Fold,
    stage: str,
    recipe: Recipe,
    samples: Samples,
    kept: Mapping[int, FoldFiles],
    means: Means,
) -> Fitted:
    """Return the fold's network, of weights that are kept, or trained and kept now."""
    files = kept[fold.number]
    if files.weights.is_file():
        return build(recipe, means.imagenet, files.weights)
    work = f"{files.folder.name} {fold.number}"
    fitted = train_network(
        recipe,
        samples,
        np.flatnonzero(fold.train),
        stage,
        watched=np.flatnonzero(fold.test),
        imagenet=means.imagenet,
        checkpoint=means.checkpoint(work),
        reporter=means.reporter,
    )
    save_weights(fitted.weights(), files.weights)
    means.done(work)
    return fitted


def price_of_the_leak(patient: Evaluation, random: Evaluation) -> dict[str, float]:
    """Return how much better each figure looks on the random split than by patient."""
    return {
        name: random.metrics[name].value - patient.metrics[name].value
        for name in ("accuracy", "macro_f1", "tumor_accuracy", "plane_accuracy")
    }


_DISJOINT_PATIENTS: Final = ("patient", "official-disjoint")

_WORDS: Final = {
    "patient": "Patient-disjoint, cross-validated: every slice is predicted by a network that "
    "has seen no slice of its group (patient, copies and near-copies).",
    "official": "The official split as given, such as Kaggle's own Training and Testing folders. "
    "It leaks where patients or near-copies are in both.",
    "official-disjoint": "The official split as given, such as Kaggle's own Training and Testing "
    "folders, without the training images that share a patient or a near-copy with a test image.",
    "random": "A random tenth of the images is tested, three times, as in the project's first "
    "version. It leaks: neighbouring slices and near-copies are in both. Compare, do not quote.",
}


def _join(paths: list[Path], schema: pa.Schema) -> pd.DataFrame:
    return pd.concat([read_frame(path, schema) for path in paths], ignore_index=True)


def _measure(
    variant: str, files: list[FoldFiles], caveat: str, of_known_patients: frozenset[str]
) -> Outcome:
    predictions = _join([one.predictions for one in files], PART_SCHEMA)
    probabilities, ids = calibrated_across(predictions), predictions["slice_id"]
    categories, groups = predictions["category"].to_numpy(), predictions["group"].tolist()
    evaluation = evaluate(
        probabilities,
        categories,
        groups,
        predictions["source"].tolist(),
        _WORDS[variant] + caveat,
        uncalibrated=softmax(logits_of(predictions)),
        slice_ids=ids.tolist(),
    )
    if variant == "patient":
        answers = _join([one.shortcuts for one in files], SHORTCUT_SCHEMA)
        maps = _join([one.evidence for one in files], EVIDENCE_SCHEMA)
        figures = summarise_maps(localisation_of(maps), maps["group"].tolist())
        known = {name: interval for name, interval in figures.items() if interval is not None}
        of_known = ids.isin(of_known_patients).to_numpy(dtype=np.bool_)
        evaluation = evaluation.model_copy(
            update={
                "shortcuts": summarise(answers),
                "studies": study_figures(ids.tolist(), probabilities, categories, groups, of_known),
                "metrics": evaluation.metrics | known,
            }
        )
    return Outcome(variant, predictions, evaluation)


def calibrated_across(predictions: pd.DataFrame) -> NDArray[np.float32]:
    """Return probabilities, ``(n, 12)``, each fold's at a temperature chosen on the others.

    As a model is served: where the likeliest is not seen to help there, there is none. A single
    fold has no others, so it stays as it is.
    """
    scaled = logits_of(predictions).copy()  # of one block, pandas gives its own
    folds = predictions["fold"].to_numpy()
    for fold in set(folds.tolist()):
        mine = folds == fold
        if not mine.all():
            scaled[mine] /= np.float32(temperature_of(predictions[~mine]).value)
    return softmax(scaled)


def measured_together(outcomes: Mapping[str, Outcome], weight: float) -> dict[str, Outcome] | None:
    """Return outcomes with the figures of all models' shared doubt, see `together_figures`.

    Parameters
    ----------
    outcomes : mapping of str to Outcome
        By model.
    weight : float
        Of the other models.

    Returns
    -------
    dict of str to Outcome or None
        None of fewer than two models, or of another protocol than ``patient``.
    """
    if len(outcomes) < 2 or {one.protocol for one in outcomes.values()} != {"patient"}:
        return None
    figures = together_figures(
        {name: one.predictions for name, one in outcomes.items()},
        {name: calibrated_across(one.predictions) for name, one in outcomes.items()},
        weight,
    )
    return {
        name: replace(
            one,
            evaluation=one.evaluation.model_copy(
                update={"metrics": one.evaluation.metrics | figures[name]}
            ),
        )
        for name, one in outcomes.items()
    }


def evaluation_key(recipe: Recipe, data: TrainingSet) -> str:
    """Return what names the results of one recipe on one training set."""
    revision = REVISIONS[recipe.model]
    record = json.dumps(recipe.record(), sort_keys=True)
    text = f"{revision} {record} {data.sha256} {data.details_sha256}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
