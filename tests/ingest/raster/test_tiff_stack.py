"""Stacks of ImageJ: many planes, and one directory that says so in words alone."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artemis.ingest.read import read_chunk
from artemis.settings import IngestSettings
from tests.ingest.builders import (
    KEY,
    SETTINGS,
    head8,
    imagej_stack,
    ingest,
    picture_bytes,
    plan,
    tiff_pages,
)

SAYS_FOUR = "ImageJ=1.54f\nimages=4\nslices=4\n"


def planes(kind: str = "u1", count: int = 4) -> np.ndarray:
    return np.stack([np.roll(head8(), 5 * shift, 0) for shift in range(count)]).astype(kind)


def read(tmp_path: Path, data: bytes, settings: IngestSettings = SETTINGS) -> list:
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / "a.tif").write_bytes(data)
    return ingest(tmp_path, settings)


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "f4"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_plane_of_a_stack_is_a_slice(tmp_path: Path, kind: str, order: str) -> None:
    stored = planes(kind)
    found = read(tmp_path / "stack", imagej_stack(stored, order))
    single = [read(tmp_path / "single", tiff_pages([plane]))[0] for plane in stored]
    assert [one.row["status"] for one in found] == ["ok"] * 4
    assert [one.row["frame"] for one in found] == [0, 1, 2, 3]
    for one, other in zip(found, single, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)


def test_planes_of_a_stack_are_read_in_any_order(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(imagej_stack(planes("u2")))
    whole = [one.row for one in ingest(tmp_path)]
    (entry,) = plan(tmp_path)
    for first in (3, 0, 2, 2):
        entries = [type(entry)(entry.path, "tiff", first, 1)]
        (one,) = read_chunk(tmp_path, entries, SETTINGS, KEY)
        assert one.row == whole[first]


def test_a_stack_of_strips_is_read_as_that_of_whole_planes(tmp_path: Path) -> None:
    data = imagej_stack(planes())
    with Image.open(io.BytesIO(data)) as image:
        start, height = image.tag_v2[273][0], image.height
    strips = imagej_stack(planes(), t278=height // 2)
    # Two strips a plane, their places and sizes at the end of the file.
    half = planes()[0].nbytes // 2
    for tag, values in ((273, (start, start + half)), (279, (half, half))):
        at = strips.index(tag.to_bytes(2, "big") + b"\0\4\0\0\0\1")
        entry = strips[at : at + 4] + (2).to_bytes(4, "big") + len(strips).to_bytes(4, "big")
        strips = strips[:at] + entry + strips[at + 12 :]
        strips += b"".join(value.to_bytes(4, "big") for value in values)
    whole, divided = read(tmp_path / "a", data), read(tmp_path / "b", strips)
    assert len(divided) == 4
    for one, other in zip(whole, divided, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)


def test_planes_that_are_cut_off_are_a_failed_row_that_counts_them(tmp_path: Path) -> None:
    data = imagej_stack(planes())
    found = read(tmp_path, data[: -planes()[0].nbytes - 1])
    assert [one.row["status"] for one in found] == ["ok", "ok", "failed"]
    assert found[2].row["reason_code"] == "truncated"
    assert "expected 4 planes, as the ImageDescription says. Received 2." in found[2].row["reason"]
    np.testing.assert_array_equal(found[1].pixels, planes()[1])


def test_a_stack_of_more_planes_than_allowed_is_one_refused_row(tmp_path: Path) -> None:
    (only,) = read(tmp_path, imagej_stack(planes()), IngestSettings(max_frames=3))
    assert only.row["reason_code"] == "too_many_frames"
    assert len(read(tmp_path, imagej_stack(planes()), IngestSettings(max_frames=4))) == 4


def test_directories_count_where_there_are_several(tmp_path: Path) -> None:
    pages = [Image.fromarray(plane) for plane in planes()[:2]]
    data = picture_bytes(
        pages[0], "TIFF", save_all=True, append_images=pages[1:], tiffinfo={270: SAYS_FOUR}
    )
    assert [one.row["status"] for one in read(tmp_path, data)] == ["ok", "ok"]


@pytest.mark.parametrize(
    "data",
    [
        imagej_stack(planes()[:1], description=SAYS_FOUR, t274=1),
        picture_bytes(head8(), "TIFF", compression="tiff_lzw", tiffinfo={270: SAYS_FOUR}),
        imagej_stack(planes()[:1], description="ImageJ=1.54f\nunit=mm\n"),
        imagej_stack(planes()[:1], description="a page of\nimages=4\n"),
        imagej_stack(planes()[:1]),
    ],
    ids=["turned by another program", "compressed", "no number", "no ImageJ", "one image"],
)
def test_a_page_with_the_words_of_a_stack_is_one_slice(tmp_path: Path, data: bytes) -> None:
    (only,) = read(tmp_path, data)
    assert only.row["status"] == "ok"
    np.testing.assert_array_equal(only.pixels, head8())
