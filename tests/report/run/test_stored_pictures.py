from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from artemis.errors import RunRecordError
from artemis.predictions import part_name, read_part, write_part
from artemis.report.run.stored_pictures import stored_pictures, take
from artemis.schemas import THUMBNAILS_SCHEMA
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
    pictures = stored_pictures(tmp_path).columns
    thumbnails, overlays = pictures["jpeg"], pictures["overlay"]
    assert [len(stored) for stored in pictures.values()] == [120, 80, 0, 0]
    for chunk in (39, 0, 20, 39):
        assert thumbnails[f"{chunk}-0"] == f"jpeg {chunk} 0".encode()
        assert overlays.get(f"{chunk}-0") is None
        assert overlays[f"{chunk}-2"] == f"overlay {chunk} 2".encode()
    assert list(thumbnails)[:4] == ["0-0", "0-1", "0-2", "1-0"]


def test_pictures_from_all_over_a_run_are_read_a_part_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, 40)
    pictures = stored_pictures(tmp_path).columns
    read: list[str] = []

    def noted(part: Path, schema: pa.Schema) -> pa.Table:
        read.append(part.name)
        return read_part(part, schema)

    monkeypatch.setattr("artemis.report.run.stored_pictures.read_part", noted)
    asked = [f"{chunk}-{k}" for k in (2, 0, 1) for chunk in (30, 5, 20, 5)]
    taken = take(pictures["jpeg"], [*asked, "unknown"])
    assert taken == {one: f"jpeg {one.replace('-', ' ')}".encode() for one in asked}
    assert read == [part_name(chunk) for chunk in (5, 20, 30)]


def test_pictures_at_hand_are_taken_from_where_they_are() -> None:
    assert take({"a": b"1", "b": b"2"}, ["b", "c"]) == {"b": b"2"}


def test_of_copies_that_look_alike_the_last_is_shown(tmp_path: Path) -> None:
    rows = [
        thumbnail_row("a", b"small", overlay=b"first", view_jpeg=b"large"),
        thumbnail_row("a", b"small", overlay=b"last"),  # its chunk held more doubtful slices
    ]
    for chunk, row in enumerate(rows):
        write_part(tmp_path / "thumbnails" / part_name(chunk), [row], THUMBNAILS_SCHEMA)
    stored = stored_pictures(tmp_path)
    assert stored.other_looks == {}
    assert dict(stored.columns["overlay"]) == {"a": b"last"}
    assert dict(stored.columns["view_jpeg"]) == {"a": b"large"}
    assert dict(stored.columns["view_evidence"]) == {}


def test_what_has_the_same_pixels_and_another_look_is_another_picture(tmp_path: Path) -> None:
    looks = [b"bright", b"dim", b"dim", b"bright"]
    rows = [
        thumbnail_row("a", look, path=f"{place}.dcm", view_jpeg=look if place == 2 else None)
        for place, look in enumerate(looks)
    ]
    for chunk in range(2):
        part = tmp_path / "thumbnails" / part_name(chunk)
        write_part(part, rows[2 * chunk : 2 * chunk + 2], THUMBNAILS_SCHEMA)
    stored = stored_pictures(tmp_path)
    dim = stored.other_looks["1.dcm", 0]
    assert stored.other_looks == {("1.dcm", 0): dim, ("2.dcm", 0): dim}
    assert dict(stored.columns["jpeg"]) == {"a": b"bright", dim: b"dim"}
    assert dict(stored.columns["view_jpeg"]) == {dim: b"dim"}


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    write(tmp_path, 2)
    (tmp_path / "thumbnails" / part_name(1)).write_bytes(b"no table")
    with pytest.raises(RunRecordError, match=r"part-00001\.parquet: expected a Parquet file"):
        stored_pictures(tmp_path)
