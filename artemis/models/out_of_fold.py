"""What a model's folder keeps of the slices that it was trained on, answered by others.

See `artemis.training.figures.out_of_fold`, which makes the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from artemis.errors import ModelError
from artemis.labels import PROBABILITY_COLUMNS
from artemis.models.manifest import OUT_OF_FOLD_NAME

_REQUIRED: Final = ("slice_id", "fold", "category", "start_unseen", *PROBABILITY_COLUMNS)


def read_out_of_fold(folder: Path) -> pd.DataFrame:
    """Return a model's out-of-fold predictions.

    Parameters
    ----------
    folder : Path
        The model's folder; `artemis.models.manifest.load_manifest` checks the file's hash.

    Returns
    -------
    pandas.DataFrame
        ``slice_id``, ``fold``, ``category`` (the index trained with), ``start_unseen`` (whether
        the weights to start from have not seen it), and ``p_<category>`` (float32, missing where
        none was made).

    Raises
    ------
    ModelError
        If the file is not such a table, or has a slice twice.
    """
    path = folder / OUT_OF_FOLD_NAME
    try:
        table: pd.DataFrame = pq.ParquetFile(path).read().to_pandas()
    except (OSError, pa.ArrowInvalid) as error:
        raise ModelError(
            f"{path}: expected a table of out-of-fold predictions. Received: {error}. "
            "Train the model again."
        ) from error
    missing = [column for column in _REQUIRED if column not in table]
    if missing or table["slice_id"].duplicated().any():
        raise ModelError(
            f"{path}: expected one row a slice with {', '.join(_REQUIRED[:4])} and p_<category>. "
            f"Received {f'none of {missing[0]}' if missing else 'a slice twice'}. "
            "Train the model again."
        )
    return table


def unseen_answers(folder: Path) -> Mapping[str, int | None]:
    """Return what a model was trained on, and how networks that had not seen it answered.

    Parameters
    ----------
    folder : Path
        The model's folder.

    Returns
    -------
    mapping of str to int or None
        By slice id the index of the most probable category, by a network of the same recipe
        whose training held out the slice and its group; None where none was asked.

    Raises
    ------
    ModelError
        See `read_out_of_fold`.
    """
    table = read_out_of_fold(folder)
    probabilities = table[list(PROBABILITY_COLUMNS)].to_numpy(dtype=np.float32)
    asked = ~np.isnan(probabilities).any(axis=1)
    answers = np.where(asked, np.nan_to_num(probabilities).argmax(axis=1), -1).tolist()
    return {
        slice_id: None if answer < 0 else answer
        for slice_id, answer in zip(table["slice_id"], answers, strict=True)
    }
