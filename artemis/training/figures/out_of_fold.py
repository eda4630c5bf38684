"""Predictions of slices by a network that has not seen them: the base of every figure.

A protocol writes a part for each of its folds; a finished part is never made again. A model's
folder keeps a table of the slices that it was trained on, with their probabilities where they
were predicted out of fold, so that it can be compared fairly later on.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from artemis.labels import CATEGORY_NAMES, PROBABILITY_COLUMNS
from artemis.models.runtime import softmax
from artemis.system.files import atomic_path

LOGIT_COLUMNS: Final = tuple(f"logit_{name}" for name in CATEGORY_NAMES)

PART_SCHEMA: Final = pa.schema(
    [
        pa.field("slice_id", pa.string(), nullable=False),
        pa.field("category", pa.int64(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("fold", pa.int64(), nullable=False),
        *(pa.field(name, pa.float32(), nullable=False) for name in LOGIT_COLUMNS),
        pa.field("ood_score", pa.float32(), nullable=False),
    ]
)
"""One fold of a protocol: truth, logits before any temperature, and distance."""

EVALUATED_SCHEMA: Final = pa.schema(
    [
        pa.field("slice_id", pa.string(), nullable=False),
        pa.field("category", pa.string(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("fold", pa.int64(), nullable=False),
        *(pa.field(name, pa.float32(), nullable=False) for name in PROBABILITY_COLUMNS),
    ]
)
"""What a protocol says of each slice, for people: truth, and probabilities as they are served."""

OUT_OF_FOLD_SCHEMA: Final = pa.schema(
    [
        pa.field("slice_id", pa.string(), nullable=False),
        pa.field("fold", pa.int64(), nullable=False),
        pa.field("category", pa.int64(), nullable=False),
        pa.field("start_unseen", pa.bool_(), nullable=False),
        *(pa.field(name, pa.float32()) for name in PROBABILITY_COLUMNS),
        pa.field("ood_score", pa.float32()),
    ]
)
"""Beside a model: what it was trained on, which of it the weights in ``start.npz`` have not seen,
and probabilities and distances, null where none were made."""


def make_part(
    table: pd.DataFrame,
    fold: int,
    logits: NDArray[np.float32],
    scores: NDArray[np.float32],
) -> pd.DataFrame:
    """Return one fold's predictions.

    Parameters
    ----------
    table : DataFrame
        ``slice_id``, ``category``, ``group``, ``source`` of the fold's slices.
    fold : int
        Its number.
    logits : ndarray, (n, 12), float32
        Before any temperature.
    scores : ndarray, (n,), float32
        Out-of-distribution scores against the network's own training features.
    """
    part = table[["slice_id", "category", "group", "source"]].reset_index(drop=True)
    part["fold"] = fold
    part[list(LOGIT_COLUMNS)] = logits
    part["ood_score"] = scores
    return part


def evaluated(predictions: pd.DataFrame, probabilities: NDArray[np.float32]) -> pd.DataFrame:
    """Return a protocol's predictions in the columns of `EVALUATED_SCHEMA`.

    Parameters
    ----------
    predictions : DataFrame
        Parts, see `make_part`.
    probabilities : ndarray, (n, 12), float32
        Theirs, calibrated.
    """
    table = predictions[["slice_id", "group", "source", "fold"]].reset_index(drop=True)
    table["category"] = [CATEGORY_NAMES[index] for index in predictions["category"]]
    table[list(PROBABILITY_COLUMNS)] = probabilities
    return table


def logits_of(predictions: pd.DataFrame) -> NDArray[np.float32]:
    """Return the logits, ``(n, 12)`` float32."""
    return predictions[list(LOGIT_COLUMNS)].to_numpy(dtype=np.float32)


def out_of_fold(
    trained_on: pd.DataFrame,
    predictions: pd.DataFrame,
    temperature: float,
    start_unseen: Collection[str],
) -> pd.DataFrame:
    """Return the table that a model's folder keeps.

    Parameters
    ----------
    trained_on : DataFrame
        ``slice_id``, ``fold`` and ``category`` of every slice that it was trained on.
    predictions : DataFrame
        Of some or all of them, by networks that had not seen them.
    temperature : float
        Of the model; divides the logits.
    start_unseen : collection of str
        Slices that the network whose weights are kept to start from has not seen.
    """
    table = trained_on[["slice_id", "fold", "category"]].drop_duplicates("slice_id")
    table["start_unseen"] = table["slice_id"].isin(start_unseen)
    made = predictions[["slice_id"]].copy()
    made[list(PROBABILITY_COLUMNS)] = softmax(logits_of(predictions) / np.float32(temperature))
    made["ood_score"] = predictions["ood_score"]
    return table.merge(made.drop_duplicates("slice_id"), on="slice_id", how="left")


def write_frame(target: Path, frame: pd.DataFrame, schema: pa.Schema) -> None:
    """Write a table as Parquet, atomically."""
    table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
    with atomic_path(target) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_frame(path: Path, schema: pa.Schema) -> pd.DataFrame:
    """Read a table that `write_frame` wrote."""
    frame: pd.DataFrame = pq.ParquetFile(path).read().cast(schema).to_pandas()
    return frame
