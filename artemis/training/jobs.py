"""What ``artemis-cli train`` does: read the pictures, train each model, say how far it is."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from artemis.errors import MissingExtraError, TrainingDataError
from artemis.models.manifest import load_manifest
from artemis.models.registry import promote
from artemis.settings import Settings
from artemis.training.recipes import RECIPES, Recipe

if TYPE_CHECKING:
    from artemis.training.fit import Epoch


def train_all(
    data: Path,
    settings: Settings,
    *,
    names: list[str],
    recipe: str | None,
    folds: tuple[int, int],
    epochs: int | None,
    output: Path | None,
    promote_after: bool,
    console: Console,
) -> list[Path]:
    """Train models one after the other and return their folders.

    Parameters
    ----------
    data : Path
        Folder with a ``manifest.csv``.
    settings : Settings
        Workspace, limits of reading, and where MobileNetV2's first weights are.
    names : list of str
        Models.
    recipe : str or None
        Recipe instead of the model's own; for a single model.
    folds : (int, int)
        Fold that tests, and fold that calibrates.
    epochs : int or None
        Epochs instead of the recipe's.
    output : Path or None
        Folder of the models; the workspace's by default.
    promote_after : bool
        Whether the workspace uses them from now on.
    console : Console
        Where progress is printed.

    Raises
    ------
    MissingExtraError
        If TensorFlow is not installed.
    TrainingDataError
        If the training set or the recipe does not fit.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise MissingExtraError(
            "Training: expected TensorFlow. Received an installation without it. "
            "Run `pip install 'artemis-mri[train]'`, or `make train-setup` in a clone."
        )
    if folds[0] == folds[1]:
        raise TrainingDataError(
            f"--test-fold, --calibration-fold: expected two folds. Received {folds[0]} twice; "
            "figures of slices that set the temperature would be too good."
        )
    if promote_after and output is not None:
        raise TrainingDataError(
            "--promote: expected models in the workspace. Received --output as well. Leave one out."
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    recipes = [_recipe(name, recipe, names, epochs) for name in names]

    from artemis.training.dataset import load_training_set
    from artemis.training.train import Split, train_model

    training_set = load_training_set(
        data,
        sorted({r.side for r in recipes}),
        settings.workspace / "cache" / "training",
        settings.ingest,
    )
    console.print(f"{len(training_set.table)} pictures read from {data}")
    folders = []
    for chosen in recipes:
        folder = train_model(
            chosen,
            training_set,
            Split(test=folds[0], calibration=folds[1]),
            output or settings.workspace / "models",
            imagenet=settings.imagenet_weights or "imagenet",
            on_epoch=_reporter(console, chosen),
        )
        metrics = load_manifest(folder).evaluation.metrics
        console.print(
            f"{chosen.model}: accuracy {metrics['accuracy'].value:.3f}, macro F1 "
            f"{metrics['macro_f1'].value:.3f} on the test fold"
        )
        if promote_after:
            promote(settings.workspace, chosen.model, folder.name)
        folders.append(folder)
    return folders


def _recipe(name: str, recipe: str | None, names: list[str], epochs: int | None) -> Recipe:
    chosen = RECIPES.get(recipe or name)
    if chosen is None or chosen.model != name or (recipe and len(names) > 1):
        fitting = ", ".join(key for key, value in RECIPES.items() if value.model == name)
        raise TrainingDataError(
            f"--recipe: expected a recipe of the one model {name}: {fitting}. "
            f"Received {recipe!r} for {', '.join(names)}."
        )
    return chosen.with_epochs(epochs) if epochs else chosen


def _reporter(console: Console, recipe: Recipe) -> Callable[[str, Epoch], None]:
    def report(stage: str, epoch: Epoch) -> None:
        left = (recipe.epochs - epoch.number) * epoch.seconds
        console.print(
            f"{recipe.model} {stage}: epoch {epoch.number} of {recipe.epochs}, "
            f"loss {epoch.loss:.3f}, accuracy {epoch.accuracy:.3f}, about {left / 60:.0f} min left"
        )

    return report
