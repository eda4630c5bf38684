"""Pictures of a model's most confident mistakes, kept in the workspace and never in its folder.

A model's folder is what is copied, packaged and mailed, so no picture of a patient may lie in
it: the card there lists the mistakes. Where the pictures are at hand, in the workspace of the
training, they are kept there instead, see `artemis.training.failures`, and a page among the
workspace's reports shows them with the evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from artemis.errors import ModelError
from artemis.predictions import write_part

FAILURES: Final = "failures"
"""Folder of these pictures in a workspace."""

PICTURES_SCHEMA: Final = pa.schema(
    [
        pa.field("slice_id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("answer_now", pa.string(), nullable=False),
        pa.field("jpeg", pa.binary(), nullable=False),
        pa.field("overlay", pa.binary()),
    ]
)
"""A row a slice: its file, what the network that serves answers, the picture as that network
sees it, and its evidence for the tumour type of the mistake."""


def pictures_path(workspace: Path, name: str, version: str) -> Path:
    """Return where the pictures of a version's mistakes are, if they were kept."""
    return workspace / FAILURES / name / f"{version}.parquet"


def write_pictures(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write pictures, atomically."""
    write_part(path, [*rows], PICTURES_SCHEMA)


def read_pictures(path: Path) -> dict[str, dict[str, Any]]:
    """Return pictures by slice; nothing where none were kept.

    Raises
    ------
    ModelError
        If the file is damaged.
    """
    if not path.is_file():
        return {}
    try:
        rows = pq.ParquetFile(path).read().cast(PICTURES_SCHEMA).to_pylist()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise ModelError(
            f"{path}: expected pictures of a model's mistakes. Received: {type(error).__name__}. "
            "Delete the file; the card is made without pictures then."
        ) from error
    return {row["slice_id"]: row for row in rows}
