"""The stages of a retraining, each of which leaves its result in files and is done once.

collect -> audit -> train (a model each) -> judge (a model each) -> report. What a stage left
is found again by the next, and by a retraining that goes on after it was ended.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from artemis import __version__
from artemis.errors import DivergedError
from artemis.models.card.pictures import pictures_path
from artemis.models.retrainings import (
    EpochRow,
    RetrainingRecord,
    new_record,
    read_record,
    retrainings_root,
    unfinished,
    write_record,
)
from artemis.progress import report_progress
from artemis.system.ending import has_ended, watching
from artemis.training.data_summary import summary_of
from artemis.training.failures import keep_failures
from artemis.training.gate.policy import load_policy
from artemis.training.inputs import Inputs, champion_of, choose_start, read_data, split_of
from artemis.training.jobs import AUDITS, audit_labelled, means_of
from artemis.training.labelled.dataset import TrainingSet
from artemis.training.network.fit import Epoch
from artemis.training.network.recipes import Recipe
from artemis.training.train import train_model

_UNFINISHED: Final = "unfinished"  # folder of what trainings that are ended go on from
_WRITING: Final = threading.Lock()  # models may be trained on two threads of one process


def collect(inputs: Inputs) -> str:
    """Read everything labelled so far, lock the evaluation set at first, and open the record.

    Returns
    -------
    str
        Id of the retraining: a new one, or that of one with the same inputs that was ended, also
        after it had promoted some of its models.

    Raises
    ------
    TrainingDataError
        If the labels, groups or folds are wrong, or nothing is left to train on.
    SettingsError
        If the gate's policy of the workspace cannot be read: not only after hours of training.
    """
    policy = load_policy(inputs.workspace)
    data = read_data(inputs)
    split = split_of(inputs, data)
    key, champions = _key(inputs, data), _champions(inputs)
    record = unfinished(inputs.workspace, key, champions) or new_record(
        key, inputs.start, [*inputs.models], champions, __version__
    )
    with _timed(inputs, record, "collect") as record:
        record.status, record.reason = "running", None
        record.data = summary_of(data, split)
        record.policy = record.policy or policy.sha256
    return record.id


def audit(inputs: Inputs, retraining: str) -> Path:
    """Audit the labels before anyone trains on them, and return the audit's folder; once."""
    folder = inputs.workspace / AUDITS
    record = read_record(retrainings_root(inputs.workspace) / retraining)
    if record.audit is not None and (folder / record.audit).is_dir():
        return folder / record.audit
    with _timed(inputs, record, "audit"), watching(lambda: has_ended(retraining)):
        result = audit_labelled(inputs.data, inputs.settings)
        with changing(inputs, retraining) as changed:
            changed.audit, changed.audit_counts = result.folder.name, result.record.findings
    return result.folder


def train(inputs: Inputs, retraining: str, model: str) -> str:
    """Train one model, unless it was, and return its version; keep pictures of its mistakes.

    Its folder lies in the workspace's registry; the champion stays what it is.

    Raises
    ------
    DivergedError
        If its training diverged, now or before: the next try would alike. The record says so.
    """
    record = read_record(retrainings_root(inputs.workspace) / retraining)
    if model in record.diverged:
        raise DivergedError(record.diverged[model])
    version = record.trained.get(model)
    if version is not None and pictures_path(inputs.workspace, model, version).is_file():
        return version
    with _timed(inputs, record, f"train {model}"), watching(lambda: has_ended(retraining)):
        data = read_data(inputs)
        version = version or _train(inputs, retraining, model, data)
        # Noted as trained before this: what fails here is no reason to train for hours again.
        keep_failures(inputs.workspace, inputs.workspace / "models" / model / version, data)
    return version


def finish(inputs: Inputs, retraining: str, *, reason: str | None = None) -> RetrainingRecord:
    """Close the record: done, or failed for a reason."""
    with changing(inputs, retraining) as record:
        record.status = "done" if reason is None else "failed"
        record.reason, record.finished = reason, datetime.now(UTC)
    return record


def _train(inputs: Inputs, retraining: str, model: str, data: TrainingSet) -> str:
    """Train one model, note its version in the record, and return it."""
    chosen = choose_start(inputs, model, data)
    recipe = inputs.recipe(model)
    if chosen.weights is not None:
        warm = recipe.warm()
        recipe = warm.with_epochs(inputs.epochs) if inputs.epochs else warm
    unfinished_work = retrainings_root(inputs.workspace) / retraining / _UNFINISHED
    means = means_of(
        inputs.settings,
        recipe,
        start=chosen.weights,
        seen=chosen.seen,
        work=unfinished_work / model,
        on_epoch=lambda recipe, stage, epoch: _note_epoch(inputs, retraining, recipe, stage, epoch),
    )
    with noting_divergence(inputs, retraining, model):
        folder = train_model(recipe, data, chosen.split, inputs.workspace / "models", means)
    with changing(inputs, retraining) as changed:
        changed.trained[model] = folder.name
        changed.started_from[model] = chosen.words
    shutil.rmtree(unfinished_work / model, ignore_errors=True)
    return folder.name


def _key(inputs: Inputs, data: TrainingSet) -> str:
    recipes = {model: inputs.recipe(model).record() for model in inputs.models}
    text = json.dumps(
        [data.sha256, data.details_sha256, recipes, inputs.start, __version__], sort_keys=True
    )
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _champions(inputs: Inputs) -> dict[str, str]:
    found = {model: champion_of(inputs.workspace, model) for model in inputs.models}
    return {model: folder.name for model, folder in found.items() if folder is not None}


@contextmanager
def changing(inputs: Inputs, retraining: str) -> Iterator[RetrainingRecord]:
    """Read the record, let it be changed, and write it; one thread at a time.

    One model is judged while the next is trained, and every epoch of that one is written too.
    """
    with _WRITING:
        record = read_record(retrainings_root(inputs.workspace) / retraining)
        yield record
        write_record(inputs.workspace, record)


@contextmanager
def noting_divergence(inputs: Inputs, retraining: str, model: str) -> Iterator[None]:
    """Write into the record that a model's answers are not finite; the error goes on its way."""
    try:
        yield
    except DivergedError as error:
        with changing(inputs, retraining) as record:
            record.diverged[model] = str(error)
        raise


@contextmanager
def _timed(inputs: Inputs, record: RetrainingRecord, stage: str) -> Iterator[RetrainingRecord]:
    """Time a stage, and write the record when it is done."""
    started = time.monotonic()
    if not (retrainings_root(inputs.workspace) / record.id).is_dir():
        write_record(inputs.workspace, record)
    yield record
    with changing(inputs, record.id) as current:
        if stage == "collect":
            current.status, current.reason, current.data = record.status, None, record.data
            current.policy = record.policy
        current.seconds[stage] = round(
            current.seconds.get(stage, 0.0) + time.monotonic() - started, 1
        )


def _note_epoch(inputs: Inputs, retraining: str, recipe: Recipe, stage: str, epoch: Epoch) -> None:
    row = EpochRow(
        model=recipe.model,
        stage=stage,
        number=epoch.number,
        of=recipe.epochs,
        loss=epoch.loss if np.isfinite(epoch.loss) else None,
        accuracy=epoch.accuracy,
        macro_f1=None if np.isnan(epoch.macro_f1) else epoch.macro_f1,
        seconds=epoch.seconds,
    )
    with changing(inputs, retraining) as record:
        record.epochs.append(row)
    score = "" if row.macro_f1 is None else f", macro F1 {row.macro_f1:.3f}"
    report_progress(
        f"{recipe.model}, {stage}: loss {epoch.loss:.3f}{score}", row.number, recipe.epochs
    )
