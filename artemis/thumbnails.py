"""The small pictures of a run: made when a slice is read, with its evidence once it is known.

Between the two they wait in the chunk's scratch, with the square that the models see.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from artemis.overlay import jpeg_bytes, overlay_jpeg
from artemis.predictions import write_part
from artemis.preprocess import SquareBox

_SCRATCH_SCHEMA: Final = pa.schema(
    [
        pa.field("slice_id", pa.string(), nullable=False),
        pa.field("jpeg", pa.binary(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        *(pa.field(name, pa.int32(), nullable=False) for name in ("left", "top", "side")),
    ]
)


def thumbnail_row(
    slice_id: str, pixels: NDArray[np.uint8], box: SquareBox, side: int
) -> dict[str, Any]:
    """Return what is kept of a slice until its evidence is known.

    Parameters
    ----------
    slice_id : str
        Of the slice.
    pixels : ndarray, (h, w), uint8
        Grey picture.
    box : SquareBox
        What of it the models see.
    side : int
        Longest side of the thumbnail in pixels.
    """
    image = Image.fromarray(pixels)
    image.thumbnail((side, side), Image.Resampling.BILINEAR)
    return {
        "slice_id": slice_id,
        "jpeg": jpeg_bytes(image),
        "width": pixels.shape[1],
        "left": box.left,
        "top": box.top,
        "side": box.side,
    }


def keep_thumbnails(target: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows of `thumbnail_row` to a scratch file, atomically."""
    write_part(target, rows, _SCRATCH_SCHEMA)


def finished_thumbnails(
    kept: Path, evidence: Mapping[str, NDArray[np.float32]]
) -> list[dict[str, Any]]:
    """Return the rows of the table `thumbnails`.

    Parameters
    ----------
    kept : Path
        Written by `keep_thumbnails`.
    evidence : mapping of str to ndarray, (h, w), float32
        By slice id, see `artemis.evidence_map.tumor_evidence`; a slice without it, or without
        any place above zero, has no overlay.
    """
    return [
        {
            "slice_id": row["slice_id"],
            "jpeg": row["jpeg"],
            "overlay": _overlay(row, evidence.get(row["slice_id"])),
        }
        for row in pq.ParquetFile(kept).read().to_pylist()
    ]


def _overlay(row: Mapping[str, Any], evidence: NDArray[np.float32] | None) -> bytes | None:
    if evidence is None or not evidence.max() > 0:
        return None
    picture = Image.open(io.BytesIO(row["jpeg"]))
    box = SquareBox(row["left"], row["top"], row["side"])
    return overlay_jpeg(picture, picture.width / row["width"], box, evidence)
