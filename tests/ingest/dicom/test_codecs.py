"""Compressed and uncompressed twins that ship with pydicom decode to the same values."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEGLSLossless

from artemis.ingest.dicom.codestream import codestream_size
from artemis.ingest.dicom.file import READ_KEYWORDS, open_dicom
from artemis.ingest.dicom.pixels import layout_of, stored_values
from tests.ingest.builders import (
    SETTINGS,
    dicom_bytes,
    head,
    head8,
    lossless_jpeg,
    mr,
    picture_bytes,
)

FOLDER = Path(pydicom.__file__).parent / "data" / "test_files"


def stored(name: str) -> np.ndarray:
    data = (FOLDER / name).read_bytes()
    file = open_dicom(io.BytesIO(data), len(data), READ_KEYWORDS, 1 << 30)
    return stored_values(file, layout_of(file, SETTINGS), 0)


@pytest.mark.parametrize(
    "name",
    [
        "MR_small_RLE.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_expb.dcm",
        "MR_small_implicit.dcm",
        "MR_small_padded.dcm",
    ],
)
def test_twins_of_the_small_mr_are_equal(name: str) -> None:
    expected = stored("MR_small.dcm")
    assert expected.shape == (64, 64)
    assert expected[0, :3].tolist() == [905, 1019, 1227]
    np.testing.assert_array_equal(stored(name), expected)


def test_jpeg_extended_of_12_bits_is_decoded() -> None:
    values = stored("JPGExtended.dcm")
    assert values.shape == (1024, 256)
    assert (values[420, 140], values[230, 120]) == (244, 95)


def test_near_lossless_jpeg_ls_is_decoded() -> None:
    assert stored("JPEGLSNearLossless_16.dcm").max() > 255
    assert stored("JPEGLSNearLossless_08.dcm").dtype == np.uint8


@pytest.mark.parametrize(("signed", "beyond"), [(1, 0), (1, 0xF000), (0, 0x8000)])
def test_jpeg_ls_of_whole_words_has_the_bits_that_are_stored(signed: int, beyond: int) -> None:
    """As dcmcjpls of dcmtk writes it: overlays, or no copies of the sign, beyond 12 bits of 16."""
    values = head(64, 2000).astype(np.int64) - (1000 if signed else 0)
    image = mr((values & 0x0FFF | beyond).astype(np.uint16))
    image.compress(JPEGLSLossless)
    image.BitsStored, image.HighBit, image.PixelRepresentation = 12, 11, signed
    data = dicom_bytes(image)
    file = open_dicom(io.BytesIO(data), len(data), READ_KEYWORDS, 1 << 30)
    np.testing.assert_array_equal(stored_values(file, layout_of(file, SETTINGS), 0), values)


def test_codestreams_say_their_size() -> None:
    assert codestream_size(picture_bytes(head8()[:50], "JPEG")) == (50, 64, 1)
    assert codestream_size(lossless_jpeg(head8()[:50])) == (50, 64, 1)
    assert codestream_size(picture_bytes(head8()[:50], "JPEG2000")) == (50, 64, 1)
    assert codestream_size(picture_bytes(head8()[:50], "JPEG2000", no_jp2=True)) == (50, 64, 1)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\xff\xd8\xff\xc0", b"\xff\x4f\xff\x51", b"x"])
def test_what_states_no_size_has_none(data: bytes) -> None:
    assert codestream_size(data) is None
