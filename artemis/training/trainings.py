"""Trainings by hand, `artemis-cli train`: a fold tests, another calibrates, the others train."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from artemis.errors import TrainingDataError, WorkspaceError
from artemis.models.champions import promote
from artemis.models.promotion import check_person
from artemis.models.registry import champion_version
from artemis.settings import Settings
from artemis.training.jobs import (
    OnEpoch,
    choose_recipes,
    means_of,
    read_training_set,
    require_tensorflow,
)
from artemis.training.network.recipes import Recipe
from artemis.training.once import made_once

if TYPE_CHECKING:
    from artemis.training.labelled.dataset import TrainingSet
    from artemis.training.train import Means, Split


def split_by_folds(data: TrainingSet, test: int, calibration: int) -> Split:
    """Return the split in which one fold tests and one calibrates, and the others train.

    Raises
    ------
    TrainingDataError
        If the two are the same.
    """
    from artemis.training.train import Split

    if test == calibration:
        raise TrainingDataError(
            f"--test-fold, --calibration-fold: expected two folds. Received {test} twice; "
            "figures of slices that set the temperature would be too good."
        )
    folds = data.table["fold"].to_numpy()
    train = data.training_mask(folds == test)
    held_out = train & (folds == calibration)
    names = ", ".join(str(fold) for fold in sorted(set(folds.tolist()) - {test}))
    return Split(
        train=train,
        fitting=data.training_mask(held_out | (folds == test)),
        calibration=held_out,
        test=np.asarray(folds == test, dtype=np.bool_),
        words=f"whole patient groups: folds {names} train, fold {test} tests",
    )


def train_all(
    data: Path,
    settings: Settings,
    *,
    models: Sequence[str],
    recipe: str | None = None,
    folds: tuple[int, int] = (4, 3),
    epochs: int | None = None,
    output: Path | None = None,
    promote_by: str | None = None,
    on_epoch: OnEpoch | None = None,
) -> list[Path]:
    """Train models one after the other and return their folders.

    One that was ended goes on after its last finished epoch, when it is asked for again. Of
    several processes that are asked for the same, one trains each; the others wait and return
    its folder.

    Parameters
    ----------
    data : Path
        Folder or manifest of labelled pictures.
    settings : Settings
        Workspace, limits of reading, and where MobileNetV2's first weights are.
    models : sequence of str
        Models.
    recipe : str, optional
        Recipe instead of the model's own; for a single model.
    folds : (int, int)
        Fold that tests, and fold that calibrates.
    epochs : int, optional
        Epochs instead of the recipe's.
    output : Path, optional
        Folder of the models; the workspace's by default.
    promote_by : str, optional
        Who decides that the workspace uses them from now on, past the gate.
    on_epoch : callable, optional
        Told of each epoch.

    Raises
    ------
    MissingExtraError
        If TensorFlow is not installed.
    TrainingDataError
        If the training set, the recipe or an option does not fit.
    DivergedError
        If a network's answers are not finite.
    WorkspaceError
        If the models' folder cannot be written.
    """
    require_tensorflow()
    check_targets(settings, output, promote_by)
    recipes = choose_recipes(models, recipe, epochs)
    training_set = read_training_set(data, settings, [*recipes.values()], reviewed=True)
    split = split_by_folds(training_set, *folds)
    models_folder = output or settings.workspace / "models"
    folders = []
    for name, chosen in recipes.items():
        work = _work_of(settings, name, chosen, training_set, split)
        train_it = partial(
            _trained,
            chosen,
            training_set,
            split,
            models_folder,
            means_of(settings, chosen, on_epoch=on_epoch, work=work),
        )
        folder = made_once(work, models_folder / chosen.model, f"a training of {name}", train_it)
        finish_trained(settings, folder, training_set, promote_by)
        folders.append(folder)
    return folders


def _trained(
    recipe: Recipe, data: TrainingSet, split: Split, models_folder: Path, means: Means
) -> Path:
    """Train a model as `train_model` does, then let go of what it would have gone on from."""
    from artemis.training.train import train_model

    folder = train_model(recipe, data, split, models_folder, means)
    if means.work is not None:
        shutil.rmtree(means.work, ignore_errors=True)
    return folder


def _work_of(
    settings: Settings, name: str, recipe: Recipe, data: TrainingSet, split: Split
) -> Path:
    """Return the folder of what a training that is ended goes on from: of these very inputs."""
    from artemis.training.protocols import evaluation_key

    parts = np.stack([split.train, split.fitting, split.calibration, split.test])
    key = f"{evaluation_key(recipe, data)}-{hashlib.sha256(parts.tobytes()).hexdigest()[:16]}"
    return settings.workspace / "evaluations" / name / "unfinished" / f"fold-{key}"


def finish_trained(settings: Settings, folder: Path, data: TrainingSet, by: str | None) -> None:
    """Keep pictures of a new model's mistakes; let it be used if a person decided so.

    Where another process trained it for both, it may be in use already.
    """
    from artemis.training.failures import keep_failures

    keep_failures(settings.workspace, folder, data)
    name = folder.parent.name
    if by is not None and champion_version(settings.workspace, name) != folder.name:
        promote(
            settings.workspace,
            name,
            folder.name,
            by=by,
            reason="`artemis-cli train --promote`: a person's choice, without the gate",
        )


def check_targets(settings: Settings, output: Path | None, promote_by: str | None) -> None:
    """Raise if models could not be written or promoted as asked for; hours later is too late.

    Raises
    ------
    TrainingDataError, ModelError
        Naming the option.
    WorkspaceError
        If the models' folder cannot be written.
    """
    if promote_by is not None and output is not None:
        raise TrainingDataError(
            "--promote: expected models in the workspace. Received --output as well. Leave one out."
        )
    if promote_by is not None:
        check_person(promote_by, "--promote")
    folder = output or settings.workspace / "models"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise WorkspaceError(
            f"{folder}: expected a folder that models can be written to. Received: "
            f"{error.strerror}. Choose another with "
            f"{'--workspace' if output is None else '--output'}."
        ) from error
