from __future__ import annotations

import gzip
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tests.ingest.builders import ingest, nifti_bytes
from tests.ingest.nifti.drawn import read_volume, volume


@pytest.mark.parametrize(
    ("data", "header", "reason"),
    [
        (volume(50, 50, 4).astype(np.complex64), {}, "not_greyscale"),
        (np.zeros((50, 50, 4), [(c, "u1") for c in "RGB"]), {}, "not_greyscale"),
        (np.zeros((50, 50, 4, 1, 3), np.int16), {}, "not_greyscale"),
        (volume(50, 50, 4), {"intent_code": 3}, "statistical_map"),
        (volume(50, 50, 4), {"intent_code": 1002}, "segmentation"),
    ],
)
def test_other_volumes_are_one_refused_row(tmp_path: Path, data, header, reason) -> None:
    (only,) = read_volume(tmp_path, nifti_bytes(data, **header))
    assert (only.row["status"], only.row["reason_code"]) == ("refused", reason)


def test_a_trailing_dimension_of_one_is_no_vector(tmp_path: Path) -> None:
    assert len(read_volume(tmp_path, nifti_bytes(volume(50, 50, 4).reshape(50, 50, 4, 1, 1)))) == 4


@pytest.mark.parametrize(
    ("offset", "value", "reason"),
    [
        (40, struct.pack("<8h", 3, 32767, 32767, 32767, 1, 1, 1, 1), "too_large"),
        (40, struct.pack("<8h", 3, 16000, 4000, 32767, 1, 1, 1, 1), "truncated"),
        (40, struct.pack("<8h", 3, -5, 50, 4, 1, 1, 1, 1), "bad_header"),
        (40, struct.pack("<8h", 99, 50, 50, 4, 1, 1, 1, 1), "bad_header"),
        (40, struct.pack("<8h", 4, 50, 50, 32767, 32767, 1, 1, 1), "too_many_frames"),
        (108, struct.pack("<f", 1e9), "truncated"),
        (108, struct.pack("<f", np.nan), "bad_header"),
        (280, struct.pack("<f", np.nan), "bad_header"),
        (280, struct.pack("<4f", 0, 0, 0, 0), "bad_header"),
        (70, struct.pack("<h", 77), "bad_header"),
        (112, struct.pack("<2f", 1, np.inf), "bad_header"),
    ],
)
def test_hostile_headers_are_one_row(tmp_path: Path, offset, value, reason) -> None:
    data = bytearray(nifti_bytes(volume(50, 50, 4)))
    data[offset : offset + len(value)] = value
    (only,) = read_volume(tmp_path, bytes(data))
    assert only.row["reason_code"] == reason


def test_a_gzip_that_cannot_hold_its_volume_is_not_unpacked(tmp_path: Path) -> None:
    data = bytearray(nifti_bytes(volume(50, 50, 4)))
    data[40:56] = struct.pack("<8h", 3, 1000, 1000, 300, 1, 1, 1, 1)
    (only,) = read_volume(tmp_path, gzip.compress(bytes(data)))
    assert only.row["reason_code"] == "truncated"


def test_a_truncated_gzip_is_failed_rows(tmp_path: Path) -> None:
    packed = gzip.compress(nifti_bytes(volume(50, 52, 6), np.diag([1, 1, 3.0, 1])))
    read = read_volume(tmp_path, packed[:-3000])
    assert [one.row["reason_code"] for one in read] == ["truncated"] * 6


def test_a_pair_is_refused_with_a_remedy(tmp_path: Path) -> None:
    image = nib.Nifti1Pair(volume(50, 52, 5), np.eye(4))
    nib.save(image, tmp_path / "v.hdr")
    codes = {one.row["path"]: one.row for one in ingest(tmp_path)}
    assert codes["v.hdr"]["reason_code"] == "nifti_pair"
    assert "single-file .nii" in codes["v.hdr"]["reason"]
    assert codes["v.img"]["reason_code"] == "unsupported_format"
