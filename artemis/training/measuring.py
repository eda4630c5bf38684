"""Add to a model's record what can be measured of it later, without training anything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from artemis.errors import ModelError, TrainingDataError
from artemis.labels import PROBABILITY_COLUMNS
from artemis.models.card.contents import build_card
from artemis.models.card.markdown import render_card
from artemis.models.manifest import (
    CARD_NAME,
    CROSS_VALIDATED,
    MANIFEST_NAME,
    OUT_OF_FOLD_NAME,
    START_NAME,
    Evaluation,
    Manifest,
    load_manifest,
)
from artemis.models.out_of_fold import read_out_of_fold
from artemis.settings import Settings
from artemis.system.files import write_text_atomic
from artemis.training.figures.study_figures import study_figures
from artemis.training.jobs import read_training_set, require_tensorflow
from artemis.training.labelled.dataset import TrainingSet
from artemis.training.network.recipes import recipe_of


def measure_again(folder: Path, data: Path, settings: Settings) -> Manifest:
    """Measure how slices answer together and what evidence depends on; write manifest and card.

    The former out of the out-of-fold answers that the folder keeps, the latter with the weights
    that it keeps, which are the model's own where every slice was trained on. Of a model whose
    figures are of a held-out part both are measured when it is trained.

    Parameters
    ----------
    folder : Path
        The model's.
    data : Path
        Labelled pictures that it was trained on: folder or manifest.
    settings : Settings
        Workspace, limits of reading, and where MobileNetV2's first weights are.

    Returns
    -------
    Manifest
        As written.

    Raises
    ------
    MissingExtraError
        If TensorFlow is not installed.
    ModelError
        If the model is damaged, or its figures are of a held-out part.
    TrainingDataError
        If the data lacks slices that the model was trained on, or labels them otherwise.
    """
    manifest = load_manifest(folder)
    if manifest.training.split != CROSS_VALIDATED:
        raise ModelError(
            f"{folder}: expected a model of every slice, whose folder keeps what is measured "
            f"later. Received one whose split is: {manifest.training.split}. What it lacks is "
            "measured when it is trained again."
        )
    require_tensorflow()
    from artemis.training.network.fitted import build
    from artemis.training.network.randomised import check_randomisation

    recipe = recipe_of(manifest.training.recipe)
    labelled = read_training_set(data, settings, [recipe])
    evaluation = _with_studies(manifest.evaluation, folder, labelled)
    fitted = build(recipe, settings.imagenet_weights or "imagenet", folder / START_NAME)
    categories = labelled.table["category"].to_numpy(dtype=np.int64)
    pictures = labelled.pictures[recipe.side]
    randomisation = check_randomisation(fitted, pictures, categories, labelled.boxes)
    changed = manifest.model_copy(update={"evaluation": evaluation, "randomisation": randomisation})
    write_text_atomic(folder / MANIFEST_NAME, changed.model_dump_json(indent=2) + "\n")
    write_text_atomic(folder / CARD_NAME, render_card(build_card(changed)))
    return changed


def _with_studies(evaluation: Evaluation, folder: Path, labelled: TrainingSet) -> Evaluation:
    kept = read_out_of_fold(folder).dropna(subset=PROBABILITY_COLUMNS[0])
    table = labelled.table[["slice_id", "category", "group"]].assign(
        known=labelled.of_known_patients
    )
    merged = kept.merge(
        table.drop_duplicates("slice_id"), on="slice_id", how="left", suffixes=("", "_here")
    )
    _check_same(folder, merged)
    studies = study_figures(
        merged["slice_id"].tolist(),
        merged[list(PROBABILITY_COLUMNS)].to_numpy(dtype=np.float32),
        merged["category"].to_numpy(dtype=np.int64),
        merged["group"].tolist(),
        merged["known"].to_numpy(dtype=np.bool_),
    )
    return evaluation.model_copy(update={"studies": studies})


def _check_same(folder: Path, merged: pd.DataFrame) -> None:
    missing = merged["category_here"].isna()
    other = ~missing & (merged["category_here"] != merged["category"])
    if missing.any() or other.any():
        raise TrainingDataError(
            f"{folder / OUT_OF_FOLD_NAME}: expected the labelled pictures that the model was "
            f"trained on. Received data without {int(missing.sum())} of its {len(merged)} slices, "
            f"and with another label for {int(other.sum())}. Give the data of its training."
        )
