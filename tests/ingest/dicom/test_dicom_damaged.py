"""Damaged and hostile DICOM files: a failed or refused row each, and nothing else."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit

from artemis.ingest.dicom.reader import frame_ranks
from artemis.settings import IngestSettings
from tests.ingest.builders import (
    ENHANCED_MR,
    dicom_bytes,
    encapsulated,
    head,
    head8,
    ingest,
    ingest_one,
    item,
    mr,
    picture_bytes,
)
from tests.ingest.dicom.test_dicom_refusals import refused


def test_truncated_dicom_becomes_a_failed_row(tmp_path: Path) -> None:
    data = dicom_bytes(mr())
    read = ingest_one(tmp_path, "a.dcm", data[:-3000])
    assert (read.row["status"], read.row["reason_code"]) == ("failed", "truncated")
    assert read.row["reason"].startswith("a.dcm: expected 8,192 bytes for the first frame.")


def test_a_dicom_that_ends_within_its_header_is_truncated_wherever_it_ends(tmp_path: Path) -> None:
    ds = mr(StudyDescription="a long description " * 3)
    data = dicom_bytes(ds)
    named = data.index(b"a long description")
    for end in (
        data.index(b"MR", 300) + 1,  # within a value that is read
        named + 20,  # within one that is skipped
        data.index(b"PATIENT-0815"),  # before a value
        len(data) - 8192 - 4,  # within the pixel data's own start
    ):
        read = ingest_one(tmp_path, "a.dcm", data[:end])
        assert (read.row["status"], read.row["reason_code"]) == ("failed", "truncated"), end


def test_missing_frames_are_failed_rows(tmp_path: Path) -> None:
    data = dicom_bytes(mr(np.stack([head()] * 4), sop_class=ENHANCED_MR, NumberOfFrames=4))
    (tmp_path / "a.dcm").write_bytes(data[:-9000])
    read = ingest(tmp_path)
    assert [one.row["reason_code"] for one in read] == [None, None, "truncated", "truncated"]
    assert "expected 24,576 bytes for 3 frames. Received 23,768." in read[2].row["reason"]


def test_more_frames_than_the_pixel_data_were_made_for_are_one_row(tmp_path: Path) -> None:
    status, code, message = refused(tmp_path, mr(head(), NumberOfFrames=1000))
    assert (status, code) == ("failed", "truncated")
    assert "expected 8,192,000 bytes for 1,000 frames. Received 8,192." in message


def test_only_frames_with_a_place_of_their_own_are_looked_at() -> None:
    header = item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0], ImagePositionPatient=[0, 0, 5])
    assert frame_ranks(header, 100_000) == list(range(100_000))
    header.PerFrameFunctionalGroupsSequence = [
        item(),
        item(PlanePositionSequence=[item(ImagePositionPatient=[0, 0, 9])]),
        item(PlanePositionSequence=[item(ImagePositionPatient=[0, 0, 1])]),
    ]
    assert frame_ranks(header, 5) == [1, 4, 0, 2, 3]


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"NumberOfFrames": 2_000_000_000}, "too_many_frames"),
        ({"NumberOfFrames": 90_000}, "bad_header"),
        ({"NumberOfFrames": -5}, "bad_header"),
        ({"Rows": 0}, "bad_header"),
        ({"Rows": 65_535, "Columns": 65_535}, "too_large"),
        ({"Rows": 8_000, "Columns": 8_000}, "truncated"),
        ({"Rows": None}, "bad_header"),
        ({"BitsAllocated": 12}, "bad_header"),
        ({"BitsStored": 20}, "bad_header"),
        ({"BitsStored": 0}, "bad_header"),
    ],
)
def test_hostile_pixel_modules_are_one_row(tmp_path: Path, elements, reason: str) -> None:
    assert refused(tmp_path, mr(**elements))[1] == reason


def test_a_codestream_of_another_size_is_not_decoded(tmp_path: Path) -> None:
    ds = encapsulated([picture_bytes(head8(512), "JPEG")], head8(), JPEGBaseline8Bit)
    code, message = refused(tmp_path, ds)[1:]
    assert code == "bad_header"
    assert "Received one of 512 x 512 with 1" in message


def test_a_jpeg2000_of_another_size_is_not_decoded(tmp_path: Path) -> None:
    ds = mr(head(128))
    ds.compress(JPEG2000Lossless)
    ds.Rows = ds.Columns = 64
    assert refused(tmp_path, ds)[1] == "bad_header"


def test_a_deflate_bomb_is_refused(tmp_path: Path) -> None:
    whole = dicom_bytes(mr(syntax=DeflatedExplicitVRLittleEndian))
    start = 132 + 12 + int.from_bytes(whole[140:144], "little")
    bomb = zlib.compressobj(9, wbits=-15)
    data = whole[:start] + bomb.compress(bytes(50_000_000)) + bomb.flush()
    settings = IngestSettings(max_volume_bytes=10_000_000)
    read = ingest_one(tmp_path, "a.dcm", data, settings)
    assert read.row["reason_code"] == "volume_too_large"


def test_zeros_are_not_read_as_a_million_elements(tmp_path: Path) -> None:
    read = ingest_one(tmp_path, "a.dcm", bytes(128) + b"DICM" + bytes(100_000))
    assert (read.row["status"], read.row["reason_code"]) == ("failed", "bad_header")
    assert "Received more than 100 that are not" in read.row["reason"]


def test_a_few_elements_at_a_wrong_place_are_forgiven(tmp_path: Path) -> None:
    data = dicom_bytes(mr())
    at = data.find(b"\x08\x00\x60\x00CS")
    data = data[:at] + b"\x09\x00\x10\x00LO\x00\x00" * 50 + data[at:]
    assert ingest_one(tmp_path, "a.dcm", data).row["status"] == "ok"


@pytest.mark.parametrize("element", [bytes(8), b"\xfe\xff\x00\xe0" + bytes(4)])
def test_a_sequence_without_an_end_is_given_up(tmp_path: Path, element: bytes) -> None:
    data = dicom_bytes(mr())
    at = data.find(b"\x08\x00\x60\x00CS")
    start = b"\x08\x00\x18\x22SQ\0\0\xff\xff\xff\xff"
    item_start = b"" if element[0] else b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    hostile = data[:at] + start + item_start + element * 20_000 + data[at:]
    read = ingest_one(tmp_path, "a.dcm", hostile)
    assert read.row["reason_code"] == "bad_header"
    assert "Received one of far more elements or bytes" in read.row["reason"]


def test_a_small_file_may_not_inflate_to_much(tmp_path: Path) -> None:
    whole = dicom_bytes(mr(syntax=DeflatedExplicitVRLittleEndian))
    start = 132 + 12 + int.from_bytes(whole[140:144], "little")
    bomb = zlib.compressobj(1, wbits=-15)
    data = whole[:start] + bomb.compress(bytes(70 << 20)) + bomb.flush()
    read = ingest_one(tmp_path, "a.dcm", data)
    assert read.row["reason_code"] == "volume_too_large"
    assert "at most 67,108,864 bytes once inflated" in read.row["reason"]


def test_an_unknown_transfer_syntax_is_failed_by_name(tmp_path: Path) -> None:
    # MPEG2: the standard knows it, no decoder for single frames does.
    ds = encapsulated([b"\0" * 100], head8(), "1.2.840.10008.1.2.4.100")
    status, code, message = refused(tmp_path, ds)
    assert (status, code) == ("failed", "unsupported_transfer_syntax")
    assert "MPEG2" in message


def test_a_huge_element_length_allocates_nothing(tmp_path: Path) -> None:
    data = dicom_bytes(mr())
    at = data.find(b"\x08\x00\x08\x00CS")
    hostile = data[:at] + b"\x08\x00\x08\x00UT\0\0\xf0\xff\xff\xff" + data[at:]
    assert ingest_one(tmp_path, "a.dcm", hostile).row["status"] in ("refused", "failed")


def test_sequences_nested_beyond_reason_fail(tmp_path: Path) -> None:
    data = dicom_bytes(mr())
    at = data.find(b"\x08\x00\x60\x00CS")
    level = b"\x08\x00\x18\x22SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    read = ingest_one(tmp_path, "a.dcm", data[:at] + level * 5000 + data[at:])
    assert read.row["status"] == "failed"


def test_reading_writes_nothing_to_the_console(tmp_path: Path, capfd) -> None:
    ds = mr()
    ds.compress(JPEG2000Lossless)
    data = bytearray(dicom_bytes(ds))
    data[-2000:-1000] = b"\xff" * 1000
    (tmp_path / "a.dcm").write_bytes(data)
    (tmp_path / "b.dcm").write_bytes(dicom_bytes(mr(InstanceNumber=1, PatientName="x" * 100)))
    lzw = bytearray(picture_bytes(head8(), "TIFF", compression="tiff_lzw"))
    lzw[60:200] = bytes(140)
    (tmp_path / "c.tif").write_bytes(lzw)
    ingest(tmp_path)
    out = capfd.readouterr()
    assert (out.out, out.err) == ("", "")
