"""The stages of a retraining, each of which leaves its result in files and is done once.

collect -> audit -> train (a model each) -> judge (a model each) -> report. What a stage left
is found again by the next, and by a retraining that goes on after it was ended.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from artemis import __version__
from artemis.errors import DivergedError, ModelError, TrainingDataError
from artemis.models.manifest import START_NAME, load_manifest
from artemis.models.out_of_fold import read_out_of_fold
from artemis.models.registry import CHAMPION, model_folder
from artemis.models.retrainings import (
    EpochRow,
    RetrainingRecord,
    Start,
    new_record,
    read_record,
    retrainings_root,
    unfinished,
    write_record,
)
from artemis.progress import report_progress
from artemis.settings import Settings
from artemis.system.ending import has_ended, watching
from artemis.training.data_summary import summary_of
from artemis.training.failures import keep_failures
from artemis.training.gate.policy import load_policy
from artemis.training.jobs import (
    AUDITS,
    audit_labelled,
    choose_recipes,
    means_of,
    read_training_set,
)
from artemis.training.labelled.dataset import TrainingSet
from artemis.training.labelled.locked import lock_groups, read_locked
from artemis.training.network.fit import Epoch
from artemis.training.network.recipes import Recipe
from artemis.training.train import Split, train_model

_WRITING: Final = threading.Lock()  # models may be trained on two threads of one process
_MIN_CALIBRATION: Final = 40  # slices that a temperature can be fitted on


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a flow run is given, and hands to every stage.

    Attributes
    ----------
    data : Path
        Folder or manifest of labelled pictures.
    settings : Settings
        Workspace, and where first weights are.
    start : {'champion', 'imagenet'}
        What networks start from.
    models : tuple of str
        Models.
    epochs : int or None
        Epochs instead of the recipe's.
    """

    data: Path
    settings: Settings
    start: Start
    models: tuple[str, ...]
    epochs: int | None = None

    @property
    def workspace(self) -> Path:
        """Folder of everything that is written."""
        return self.settings.workspace

    def recipe(self, model: str) -> Recipe:
        """Return how a model is trained from its first weights."""
        return next(iter(choose_recipes([model], epochs=self.epochs).values()))


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
    """Train one model, unless it was, and return its version.

    Its folder lies in the workspace's registry; the champion stays what it is.

    Raises
    ------
    DivergedError
        If its training diverged, now or before: the next try would alike. The record says so.
    """
    record = read_record(retrainings_root(inputs.workspace) / retraining)
    if model in record.diverged:
        raise DivergedError(record.diverged[model])
    if model in record.trained:
        return record.trained[model]
    with _timed(inputs, record, f"train {model}"), watching(lambda: has_ended(retraining)):
        data = read_data(inputs)
        chosen = choose_start(inputs, model, data)
        recipe = inputs.recipe(model)
        if chosen.weights is not None:
            warm = recipe.warm()
            recipe = warm.with_epochs(inputs.epochs) if inputs.epochs else warm
        means = means_of(
            inputs.settings,
            recipe,
            start=chosen.weights,
            work=retrainings_root(inputs.workspace) / retraining / "unfinished" / model,
            on_epoch=lambda recipe, stage, epoch: _note_epoch(
                inputs, retraining, recipe, stage, epoch
            ),
        )
        with noting_divergence(inputs, retraining, model):
            folder = train_model(recipe, data, chosen.split, inputs.workspace / "models", means)
        keep_failures(inputs.workspace, folder, data)
        with changing(inputs, retraining) as changed:
            changed.trained[model] = folder.name
            changed.started_from[model] = chosen.words
    return folder.name


def finish(inputs: Inputs, retraining: str, *, reason: str | None = None) -> RetrainingRecord:
    """Close the record: done, or failed for a reason."""
    with changing(inputs, retraining) as record:
        record.status = "done" if reason is None else "failed"
        record.reason, record.finished = reason, datetime.now(UTC)
    return record


@dataclass(frozen=True, slots=True)
class ChosenStart:
    """What a model starts from: weights of an earlier one, or ImageNet's; in words; its split."""

    weights: Path | None
    words: str
    split: Split


def choose_start(inputs: Inputs, model: str, data: TrainingSet) -> ChosenStart:
    """Return what a model starts from, and the split that fits it.

    Weights of the champion are used only if the network that they are of has seen no slice of
    the locked groups, and only those slices calibrate of whose group it has seen none either,
    however new they are: a network that starts from what has seen a patient would be measured
    too well on that patient's other slices. Of the groups that it has not seen, those calibrate
    that the champion was calibrated on, and new ones of the fold that calibrates anyway; the
    other new ones are fitted on, or the network that sets temperature and threshold would
    never have learnt what the new data bring.
    """
    fresh = split_of(inputs, data)
    if inputs.start == "imagenet":
        return ChosenStart(None, "first weights, as asked for", fresh)
    folder = champion_of(inputs.workspace, model)
    if folder is None:
        return ChosenStart(None, "first weights: there is no champion", fresh)
    manifest = load_manifest(folder)
    recipe = inputs.recipe(model).record()
    if any(manifest.training.recipe.get(name) != recipe[name] for name in ("side", "original")):
        return ChosenStart(None, "first weights: the champion is of another recipe", fresh)
    known = read_out_of_fold(folder)
    groups = data.table["group"]
    seen = data.table["slice_id"].isin(known.loc[~known["start_unseen"], "slice_id"])
    unseen = ~groups.isin(groups[seen]).to_numpy()
    if (~unseen & fresh.test).any():
        return ChosenStart(None, "first weights: the champion's have seen locked slices", fresh)
    of_champion = data.table["slice_id"].isin(known.loc[known["start_unseen"], "slice_id"])
    own = groups.isin(groups[of_champion]).to_numpy()
    calibration = fresh.train & unseen & (own | fresh.calibration)
    fitting, count = data.training_mask(calibration | fresh.test), int(calibration.sum())
    if count < _MIN_CALIBRATION or not fitting.any():
        words = f"leave {count} slices to calibrate on, and {_MIN_CALIBRATION} are needed"
        return ChosenStart(None, f"first weights: the champion's {words}", fresh)
    split = Split(fresh.train, fitting, calibration, fresh.test, fresh.words)
    words = f"weights of {manifest.version}, calibrated on {count} slices"
    return ChosenStart(folder / START_NAME, words, split)


def read_data(inputs: Inputs) -> TrainingSet:
    """Read the training set with reviewed labels, and lock its last fold if nothing is yet.

    Pictures come from the cache after the first time. What cannot be trained on is not locked:
    a set that was locked once stays.
    """
    recipes = [inputs.recipe(model) for model in inputs.models]
    data = read_training_set(inputs.data, inputs.settings, recipes, reviewed=True)
    if read_locked(inputs.workspace) is None:
        folds = data.table["fold"].to_numpy()
        last = (folds == folds.max()) & ~data.table["crossing"].to_numpy(dtype=bool)
        if last.any():
            _divide(inputs, data, last)
        lock_groups(inputs.workspace, data.table, data.prints, last)
        data = read_training_set(inputs.data, inputs.settings, recipes, reviewed=True)
    return data


def locked_slices(inputs: Inputs, data: TrainingSet) -> NDArray[np.bool_]:
    """Return which pictures are of the locked evaluation set, (n,) bool.

    Raises
    ------
    TrainingDataError
        If the data holds none of it.
    """
    locked = read_locked(inputs.workspace)
    ids = locked.slice_ids if locked is not None else frozenset()
    mask = data.table["slice_id"].isin(ids).to_numpy(dtype=np.bool_)
    if not mask.any():
        raise TrainingDataError(
            f"{inputs.data}: expected the {len(ids)} slices of the locked evaluation set among "
            "the labelled pictures, to measure on. Received none of them. Give the data that "
            "the first retraining was given, with what came since; or, for other data, another "
            "--workspace."
        )
    return mask


def split_of(inputs: Inputs, data: TrainingSet) -> Split:
    """Return the split: the locked set tests, one fold of the rest calibrates.

    It is the last fold that holds at least half as many slices of the rest as the fullest: of the
    fold that was locked, only what came later is among the rest, and may be a handful.
    """
    return _divide(inputs, data, locked_slices(inputs, data))


def _divide(inputs: Inputs, data: TrainingSet, test: NDArray[np.bool_]) -> Split:
    train = data.training_mask(test)
    folds = data.table["fold"].to_numpy()
    if not train.any():
        raise TrainingDataError(
            f"{inputs.data}: expected labelled pictures beside the locked evaluation set, which is "
            "the last fold at first. Received none. Add labelled data, or folds."
        )
    sizes = np.bincount(folds[train])
    calibration = train & (folds == np.flatnonzero(2 * sizes >= sizes.max())[-1])
    fitting = data.training_mask(calibration | test)
    if not fitting.any():
        groups = data.table.loc[train, "group"].nunique()
        raise TrainingDataError(
            f"{inputs.data}: expected pictures of patients in two folds or more beside the locked "
            f"evaluation set, some to train on and others to set the temperature. Received one "
            f"fold, of {groups} patient group{'' if groups == 1 else 's'}. Add patients."
        )
    return Split(
        train=train,
        fitting=fitting,
        calibration=calibration,
        test=test,
        words=f"whole patient groups: the locked evaluation set of {int(test.sum())} slices tests",
    )


def _key(inputs: Inputs, data: TrainingSet) -> str:
    recipes = {model: inputs.recipe(model).record() for model in inputs.models}
    text = json.dumps(
        [data.sha256, data.details_sha256, recipes, inputs.start, __version__], sort_keys=True
    )
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _champions(inputs: Inputs) -> dict[str, str]:
    found = {model: champion_of(inputs.workspace, model) for model in inputs.models}
    return {model: folder.name for model, folder in found.items() if folder is not None}


def champion_of(workspace: Path, model: str) -> Path | None:
    """Return the folder of a model's champion; None where there is none.

    Raises
    ------
    ModelError
        If the workspace names one that is not there: the gate must not take that for none.
    """
    try:
        return model_folder(workspace, model)
    except ModelError:
        if (workspace / "models" / model / CHAMPION).is_file():
            raise
        return None


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
