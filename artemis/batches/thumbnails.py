"""The pictures of a run: small ones of every slice, larger ones of those to be looked at first.

The small ones are made when a slice is read, with its evidence once it is known. Between the two
they wait in the chunk's scratch, with the square that the models see. The larger ones are what the
models see, which lies in the scratch anyway, so that they cost nothing until they are wanted.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from artemis.answers.overlay import evidence_layer, jpeg_bytes, overlay_jpeg
from artemis.predictions import write_part
from artemis.preprocess import SquareBox

VIEWS: Final = 40
"""Slices of a chunk that get a larger picture, the most doubtful ones.

As many as a report shows in full: the most doubtful of a run are among those of its chunks.
"""

_OF_SLICE: Final = ("slice_id", "path", "frame")
_SCRATCH_SCHEMA: Final = pa.schema(
    [
        pa.field("slice_id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("frame", pa.int32(), nullable=False),
        pa.field("jpeg", pa.binary()),
        pa.field("width", pa.int32()),
        *(pa.field(name, pa.int32(), nullable=False) for name in ("left", "top", "side")),
    ]
)


def thumbnail_row(
    slice_row: Mapping[str, Any], pixels: NDArray[np.uint8] | None, box: SquareBox, side: int
) -> dict[str, Any]:
    """Return what is kept of a slice until its evidence is known.

    Parameters
    ----------
    slice_row : mapping
        The slice's row of `slices`.
    pixels : ndarray, (h, w), uint8, or None
        Grey picture; None of a slice whose pictures are withheld.
    box : SquareBox
        What of it the models see.
    side : int
        Longest side of the thumbnail in pixels.
    """
    return {
        **{name: slice_row[name] for name in _OF_SLICE},
        "jpeg": None if pixels is None else _small(pixels, side),
        "width": None if pixels is None else pixels.shape[1],
        "left": box.left,
        "top": box.top,
        "side": box.side,
    }


def _small(pixels: NDArray[np.uint8], side: int) -> bytes:
    image = Image.fromarray(pixels)
    image.thumbnail((side, side), Image.Resampling.BILINEAR)
    return jpeg_bytes(image)


def keep_thumbnails(target: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows of `thumbnail_row` to a scratch file, atomically."""
    write_part(target, rows, _SCRATCH_SCHEMA)


def doubtful_slices(rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the places of the `VIEWS` most doubtful slices that need review, copies once.

    Parameters
    ----------
    rows : sequence of mapping
        A chunk's predictions of the run's first model.
    """
    doubtful = [place for place, row in enumerate(rows) if row["needs_review"]]
    first: dict[str, int] = {}
    for place in sorted(doubtful, key=lambda place: -rows[place]["doubt"]):
        first.setdefault(rows[place]["slice_id"], place)
    return [*first.values()][:VIEWS]


def finished_thumbnails(
    kept: Path,
    evidence: Sequence[NDArray[np.float32]],
    views: Mapping[int, NDArray[np.uint8]],
) -> list[dict[str, Any]]:
    """Return the rows of the table `thumbnails`.

    `jpeg` is the whole slice, small, and `overlay` the same with its evidence. `view_jpeg` is
    what the models see of it, larger, and `view_evidence` a PNG of the evidence alone, to be
    laid over that; both are missing for slices without a view. Every slice has a row: what has
    the same pixels may be shown otherwise, by another window. Where pictures are withheld it
    holds none.

    Parameters
    ----------
    kept : Path
        Written by `keep_thumbnails`.
    evidence : sequence of ndarray, (h, w), float32
        Of each row, see `artemis.models.evidence_map.tumor_evidence`, or empty where no model
        maps it; a slice without any place above zero has no overlay.
    views : mapping of int to ndarray, (side, side), uint8
        Model inputs of the slices that get a larger picture, by the place of their row.
    """
    rows = pq.ParquetFile(kept).read().to_pylist()
    shown = {place for place, row in enumerate(rows) if row["jpeg"] is not None}
    some = {place: one for place, one in enumerate(evidence) if place in shown and one.max() > 0}
    return [
        {
            **{name: row[name] for name in _OF_SLICE},
            "jpeg": row["jpeg"],
            "overlay": _overlay(row, some.get(place)),
            **_view(views.get(place) if place in shown else None, some.get(place)),
        }
        for place, row in enumerate(rows)
    ]


def _view(
    picture: NDArray[np.uint8] | None, evidence: NDArray[np.float32] | None
) -> dict[str, bytes | None]:
    if picture is None:
        return {"view_jpeg": None, "view_evidence": None}
    return {
        "view_jpeg": jpeg_bytes(Image.fromarray(picture)),
        "view_evidence": None if evidence is None else evidence_layer(evidence),
    }


def _overlay(row: Mapping[str, Any], evidence: NDArray[np.float32] | None) -> bytes | None:
    if evidence is None:
        return None
    picture = Image.open(io.BytesIO(row["jpeg"]))
    box = SquareBox(row["left"], row["top"], row["side"])
    return overlay_jpeg(picture, picture.width / row["width"], box, evidence)
