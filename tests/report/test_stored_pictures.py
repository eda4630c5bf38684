from __future__ import annotations

from pathlib import Path

import pytest

from artemis.errors import RunRecordError
from artemis.predictions import THUMBNAILS_SCHEMA, part_name, write_part
from artemis.report.stored_pictures import stored_pictures
from tests.report.conftest import thumbnail_row


def write(run_dir: Path, chunks: int) -> None:
    for chunk in range(chunks):
        rows = [
            thumbnail_row(
                f"{chunk}-{k}",
                f"jpeg {chunk} {k}".encode(),
                overlay=f"overlay {chunk} {k}".encode() if k else None,
            )
            for k in range(3)
        ]
        write_part(run_dir / "thumbnails" / part_name(chunk), rows, THUMBNAILS_SCHEMA)


def test_every_picture_is_found_in_whatever_order_it_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path, 40)  # more parts than are held at once
    pictures = stored_pictures(tmp_path)
    thumbnails, overlays = pictures["jpeg"], pictures["overlay"]
    assert [len(stored) for stored in pictures.values()] == [120, 80, 0, 0]
    for chunk in (39, 0, 20, 39):
        assert thumbnails[f"{chunk}-0"] == f"jpeg {chunk} 0".encode()
        assert overlays.get(f"{chunk}-0") is None
        assert overlays[f"{chunk}-2"] == f"overlay {chunk} 2".encode()
    assert list(thumbnails)[:4] == ["0-0", "0-1", "0-2", "1-0"]


def test_of_copies_the_last_is_shown(tmp_path: Path) -> None:
    rows = [
        thumbnail_row("a", b"first", view_jpeg=b"large"),
        thumbnail_row("a", b"last"),  # no larger one: its chunk held more doubtful slices
    ]
    for chunk, row in enumerate(rows):
        write_part(tmp_path / "thumbnails" / part_name(chunk), [row], THUMBNAILS_SCHEMA)
    pictures = stored_pictures(tmp_path)
    assert dict(pictures["jpeg"]) == {"a": b"last"}
    assert dict(pictures["view_jpeg"]) == {"a": b"large"}
    assert dict(pictures["overlay"]) == {}


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    write(tmp_path, 2)
    (tmp_path / "thumbnails" / part_name(1)).write_bytes(b"no table")
    with pytest.raises(RunRecordError, match=r"part-00001\.parquet: expected a Parquet file"):
        stored_pictures(tmp_path)
