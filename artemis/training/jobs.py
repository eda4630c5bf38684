"""What every training, evaluation, retraining and audit begins with: data, recipes and means."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from artemis.datasets.catalogue import dataset_folder
from artemis.errors import MissingExtraError, TrainingDataError
from artemis.models.registry import MODEL_NAMES, load_model, model_folder
from artemis.progress import report_progress
from artemis.settings import Settings
from artemis.system.native_talk import native_talk_silenced
from artemis.training.network.memory import keep_freed_memory
from artemis.training.network.recipes import RECIPES, Recipe

if TYPE_CHECKING:
    from artemis.datasets.audit_record import AuditResult
    from artemis.training.labelled.dataset import TrainingSet
    from artemis.training.network.fit import Epoch
    from artemis.training.train import Means

OnEpoch = Callable[[Recipe, str, "Epoch"], None]
"""Told the recipe, the stage and each finished epoch."""

PROTOCOLS: Final = ("patient", "official", "random")
"""Of an evaluation, see `artemis.training.folds.plan`."""

AUDITS: Final = "audits"
"""Folder of audits, in a workspace and in the reports."""


def labelled_data(given: Path | None, settings: Settings) -> Path:
    """Return the labelled pictures to use: as given, else as set, else as fetched.

    Raises
    ------
    TrainingDataError
        If there is nothing there.
    """
    named = given or settings.schedule.retrain_data
    data = named or dataset_folder(settings.workspace)
    if not data.exists():
        remedy = (
            "Correct --data or ARTEMIS_SCHEDULE__RETRAIN_DATA, whichever named it."
            if named
            else "Run `artemis-cli data fetch`, give --data, or set ARTEMIS_SCHEDULE__RETRAIN_DATA."
        )
        raise TrainingDataError(
            f"{data}: expected labelled pictures. Received nothing there. {remedy}"
        )
    return data


def require_tensorflow() -> None:
    """Raise if TensorFlow is not installed; keep its start quiet, and the memory it frees.

    Raises
    ------
    MissingExtraError
        Naming the extra.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise MissingExtraError(
            "Training: expected TensorFlow. Received an installation without it. "
            "Run `pip install 'artemis-mri[train]'`, or `make train-setup` in a clone."
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # TensorFlow leaves oneDNN off where a processor has no AVX-512 VNNI. Measured on such a one
    # (Zen 3, 2 cores): a step of mobilenet_v2 takes 22.9 ms a picture with it, 31.1 without.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    keep_freed_memory()
    with native_talk_silenced():  # of a GPU that is not there, before its own level counts
        tensorflow = importlib.import_module("tensorflow")
        tensorflow.config.list_physical_devices()
    tensorflow.get_logger().setLevel("ERROR")  # else it warns of each graph traced anew


def choose_recipes(
    models: Sequence[str], recipe: str | None = None, epochs: int | None = None
) -> dict[str, Recipe]:
    """Return the recipe of each model, by the recipe's name.

    Parameters
    ----------
    models : sequence of str
        Models.
    recipe : str, optional
        Another recipe than the model's own; for a single model.
    epochs : int, optional
        Epochs instead of the recipe's.

    Raises
    ------
    TrainingDataError
        If the recipe is not one of the model.
    """
    chosen = {recipe or name: RECIPES.get(recipe or name) for name in models}
    for name, found in zip(models, chosen.values(), strict=False):
        if found is None or found.model != name or (recipe and len(models) > 1):
            fitting = ", ".join(key for key, value in RECIPES.items() if value.model == name)
            raise TrainingDataError(
                f"--recipe: expected a recipe of the one model {name}: {fitting}. "
                f"Received {recipe!r} for {', '.join(models)}."
            )
    return {
        name: found.with_epochs(epochs) if epochs else found
        for name, found in chosen.items()
        if found is not None
    }


def read_training_set(
    data: Path, settings: Settings, recipes: Sequence[Recipe], *, reviewed: bool = False
) -> TrainingSet:
    """Read labelled pictures as the recipes take them; a second reading is from the cache.

    Parameters
    ----------
    data : Path
        Folder or manifest, see `artemis.training.labelled.sources.read_labels`.
    settings : Settings
        Workspace and limits of reading.
    recipes : sequence of Recipe
        Whose sizes of pictures are needed.
    reviewed : bool
        Whether the workspace's reviewed labels and locked evaluation set count.
    """
    from artemis.training.labelled.dataset import load_training_set

    return load_training_set(
        data,
        sorted({recipe.side for recipe in recipes}),
        training_cache(settings),
        settings.ingest,
        lambda done, total: report_progress("reading pictures", done, total),
        workspace=settings.workspace if reviewed else None,
    )


def training_cache(settings: Settings) -> Path:
    """Return the folder of decoded pictures and draws."""
    return settings.workspace / "cache" / "training"


def means_of(
    settings: Settings,
    recipe: Recipe,
    *,
    on_epoch: OnEpoch | None = None,
    start: Path | None = None,
    seen: frozenset[str] = frozenset(),
    work: Path | None = None,
) -> Means:
    """Return what a training needs besides its pictures, by the settings."""
    from artemis.training.train import Means

    return Means(
        imagenet=settings.imagenet_weights or "imagenet",
        cache=training_cache(settings),
        start=start,
        seen=seen,
        work=work,
        on_epoch=None if on_epoch is None else lambda stage, epoch: on_epoch(recipe, stage, epoch),
    )


def audit_labelled(data: Path, settings: Settings, predictions: Path | None = None) -> AuditResult:
    """Audit labelled pictures; the tables are in the workspace's ``audits/<id>``.

    Parameters
    ----------
    data : Path
        Folder or manifest of labelled pictures.
    settings : Settings
        Workspace and limits of reading.
    predictions : Path, optional
        Parquet of out-of-fold predictions, ``slice_id`` and ``p_<category>``.
    """
    from artemis.datasets.audit import audit_dataset
    from artemis.training.labelled.sources import labels_root, read_labels

    return audit_dataset(
        labels_root(data),
        read_labels(data, settings.ingest, cache=training_cache(settings)),
        settings.workspace / AUDITS,
        load_model(model_folder(settings.workspace, MODEL_NAMES[0])),
        settings=settings.ingest,
        predictions=None if predictions is None else _read_predictions(predictions),
    )


def _read_predictions(path: Path) -> pd.DataFrame:
    try:
        table: pd.DataFrame = pq.ParquetFile(path).read().to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise TrainingDataError(
            f"{path}: expected a Parquet file of out-of-fold predictions. "
            f"Received: {type(error).__name__}. Give one with slice_id and p_<category>."
        ) from error
    return table
