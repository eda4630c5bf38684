from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from artemis.batches.thumbnails import (
    VIEWS,
    doubtful_slices,
    finished_thumbnails,
    keep_thumbnails,
    thumbnail_row,
)
from artemis.preprocess import square_box


def slice_of(name: str) -> dict[str, Any]:
    return {"slice_id": name, "path": f"{name}.png", "frame": 0}


def test_a_thumbnail_gets_its_evidence_where_the_model_saw_it(tmp_path: Path) -> None:
    picture = np.zeros((240, 300), dtype=np.uint8)
    picture[20:220, 80:280] = 120  # the head, right of the middle
    kept = tmp_path / "thumbnails.parquet"
    box = square_box(picture)
    keep_thumbnails(
        kept, [thumbnail_row(slice_of(name), picture, box, 100) for name in ("a", "b", "c")]
    )
    evidence = np.zeros((4, 4), dtype=np.float32)
    evidence[0, 0] = 3
    rows = finished_thumbnails(kept, [evidence, evidence * 0, evidence * 0], {})
    assert [row["slice_id"] for row in rows] == ["a", "b", "c"]
    assert [row["overlay"] is None for row in rows] == [False, True, True]
    plain = np.asarray(Image.open(io.BytesIO(rows[0]["jpeg"])))
    drawn = np.asarray(Image.open(io.BytesIO(rows[0]["overlay"]))).astype(int)
    assert plain.shape == (80, 100)
    assert drawn.shape == (80, 100, 3)
    coloured = (drawn.max(axis=2) - drawn.min(axis=2)) > 40
    rows_hit, columns_hit = np.nonzero(coloured)
    assert 5 <= rows_hit.mean() <= 20  # the upper left corner of the head, not of the picture
    assert 27 <= columns_hit.mean() <= 42


def test_a_chunk_without_slices_has_no_thumbnails(tmp_path: Path) -> None:
    keep_thumbnails(tmp_path / "t.parquet", [])
    assert finished_thumbnails(tmp_path / "t.parquet", [], {}) == []


def test_only_what_is_looked_at_first_has_a_larger_picture(tmp_path: Path) -> None:
    picture = np.full((300, 300), 90, dtype=np.uint8)
    box = square_box(picture)
    rows = [thumbnail_row(slice_of(name), picture, box, 112) for name in ("a", "b", "c")]
    keep_thumbnails(tmp_path / "t.parquet", rows)
    seen = np.full((192, 192), 90, dtype=np.uint8)
    evidence = np.eye(12, dtype=np.float32)
    finished = finished_thumbnails(
        tmp_path / "t.parquet",
        [evidence, evidence * 0, evidence],
        {0: seen, 1: seen},
    )
    assert [row["view_jpeg"] is not None for row in finished] == [True, True, False]
    assert [row["view_evidence"] is not None for row in finished] == [True, False, False]
    large = Image.open(io.BytesIO(finished[0]["view_jpeg"]))
    assert (large.size, large.mode) == ((192, 192), "L")


def test_the_most_doubtful_are_looked_at_first_and_copies_once() -> None:
    def row(slice_id: str, doubt: float, *, review: bool = True) -> dict[str, Any]:
        return {"slice_id": slice_id, "doubt": doubt, "needs_review": review}

    rows = [row("a", 0.2), row("b", 0.9), row("c", 0.95, review=False), row("a", 0.2)]
    assert doubtful_slices(rows) == [1, 0]
    many = [row(f"{k}", k / 100) for k in range(100)]
    assert doubtful_slices(many) == [*range(99, 99 - VIEWS, -1)]
