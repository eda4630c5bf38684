from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames, get_frame
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless

from artemis.errors import ScanError
from artemis.ingest.dicom import fragments as dicom_fragments
from artemis.ingest.dicom.fragments import frame_alone, frames_of
from artemis.ingest.dicom.reader import DicomScan
from tests.ingest.builders import KEY, SETTINGS, dicom_bytes, encapsulated, head, lossless_jpeg, mr


class Counted(io.BytesIO):
    """A file that counts how often it is read."""

    reads = 0

    def read(self, *size: Any) -> bytes:
        self.reads += 1
        return super().read(*size)


def codestream(pixels: np.ndarray, syntax: str) -> bytes:
    ds = mr(pixels)
    ds.compress(syntax)
    return next(generate_frames(ds.PixelData, number_of_frames=1))


def scan_of(value: bytes, syntax: str, frames: int) -> tuple[DicomScan, Counted]:
    ds = encapsulated([bytes(2)], head(), syntax, NumberOfFrames=frames)
    ds.PixelData = value
    data = dicom_bytes(ds)
    stream = Counted(data)
    return DicomScan(stream, len(data), SETTINGS, KEY, 0), stream


def test_a_frame_costs_as_much_however_many_there_are() -> None:
    frame = codestream(head(), RLELossless)
    reads = []
    for frames in (10, 500):
        value = encapsulate([frame] * frames, has_bot=False)
        scan, stream = scan_of(value, RLELossless, frames)
        scan.decode(0)
        before = stream.reads
        scan.decode(frames - 1)
        reads.append(stream.reads - before)
    assert reads[0] == reads[1]


@pytest.mark.parametrize("has_table", [True, False])
@pytest.mark.parametrize("parts", [1, 2, 3])
def test_fragments_of_a_frame_are_put_together(has_table: bool, parts: int) -> None:
    pictures = [np.roll(head(), shift) for shift in range(4)]
    frames = [codestream(picture, JPEG2000Lossless) for picture in pictures]
    value = encapsulate(frames, fragments_per_frame=parts, has_bot=has_table)
    scan, _ = scan_of(value, JPEG2000Lossless, len(frames))
    for index in (3, 0, 2, 1):
        np.testing.assert_array_equal(scan.decode(index), pictures[index])


@pytest.mark.parametrize(("frames", "parts"), [(1, 1), (1, 4), (3, 1), (3, 2)])
def test_frames_are_those_that_pydicom_finds(frames: int, parts: int) -> None:
    whole = [codestream(head() + number, JPEG2000Lossless) for number in range(frames)]
    value = b"before" + encapsulate(whole, fragments_per_frame=parts, has_bot=False)
    stream = io.BytesIO(value)
    found = frames_of(stream, 6, frames)
    assert found is not None
    assert [frame_alone(stream, one) for one in found] == [
        get_frame(value[6:], index, number_of_frames=frames) for index in range(frames)
    ]


def test_frames_that_are_missing_are_truncated_and_the_others_read() -> None:
    frames = [codestream(head() + number, JPEG2000Lossless) for number in range(3)]
    scan, _ = scan_of(encapsulate(frames, has_bot=False), JPEG2000Lossless, 5)
    np.testing.assert_array_equal(scan.decode(2), head() + 2)
    with pytest.raises(ScanError) as caught:
        scan.decode(3)
    assert caught.value.reason_code == "truncated"
    assert "expected 4 compressed frames. Received 3" in str(caught.value)


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, RLELossless])
@pytest.mark.parametrize("table", ["none", "basic", "extended"])
def test_a_frame_that_the_file_ends_within_is_truncated_and_no_picture(syntax, table) -> None:
    pictures = [head() + number for number in range(3)]
    frames = [
        lossless_jpeg(one) if syntax == JPEGLosslessSV1 else codestream(one, syntax)
        for one in pictures
    ]
    ds = encapsulated(frames, head(), syntax, NumberOfFrames=3)
    if table == "extended":
        ds.PixelData, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = encapsulate_extended(
            frames
        )
    else:
        ds.PixelData = encapsulate(frames, has_bot=table == "basic")
    data = dicom_bytes(ds)
    within, before = len(frames[2]) // 10, len(frames[2]) + 40
    for gone, answered in ((within, 2), (before, 1)) if table != "none" else ((within, 2),):
        cut = data[: len(data) - gone]
        scan = DicomScan(io.BytesIO(cut), len(cut), SETTINGS, KEY, 0)
        for index in range(answered):
            np.testing.assert_array_equal(scan.decode(index), pictures[index])
        for index in range(answered, 3):
            with pytest.raises(ScanError) as caught:
                scan.decode(index)
            assert caught.value.reason_code == "truncated"


@pytest.mark.parametrize("begins", [[0], [0, 7, 9], [9, 0, 18]])
def test_a_table_that_knows_less_than_the_fragments_is_not_believed(begins: list[int]) -> None:
    frames = [codestream(head() + number, RLELossless) for number in range(3)]
    value = encapsulate(frames, has_bot=False)
    table = struct.pack(f"<HHI{len(begins)}I", 0xFFFE, 0xE000, 4 * len(begins), *begins)
    found = frames_of(io.BytesIO(table + value[8:]), 0, 3)
    assert (None if found is None else len(found)) == (3 if len(begins) < 3 else None)


def test_fragments_without_end_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicom_fragments, "_MOST_FRAGMENTS", 100)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
    with pytest.raises(ScanError, match="at most 100 fragments"):
        frames_of(io.BytesIO(item * 200), 0, 1)
