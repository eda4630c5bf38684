"""Whatever the bytes, planning and reading never raise and every planned frame has a row."""

from __future__ import annotations

import gzip
import tempfile
from functools import cache
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLosslessSV1, RLELossless

from artemis.errors import ScanError
from artemis.ingest.border import image_border
from tests.ingest.builders import (
    dicom_bytes,
    encapsulated,
    head,
    head8,
    ingest,
    lossless_jpeg,
    mr,
    nifti_bytes,
    picture_bytes,
)

STATUSES = {"ok", "refused", "failed"}


@cache
def valid_files() -> dict[str, bytes]:
    compressed = {}
    for name, syntax in (("rle", RLELossless), ("jpeg2000", JPEG2000Lossless)):
        ds = mr()
        ds.compress(syntax)
        compressed[name] = dicom_bytes(ds)
    pages = [Image.fromarray(head8())] * 3
    volume = nifti_bytes(np.stack([head()] * 3, 2).astype(np.int16))
    return {
        "png": picture_bytes(head(), "PNG"),
        "jpeg": picture_bytes(head8(), "JPEG"),
        "bmp": picture_bytes(head8(), "BMP"),
        "tiff": picture_bytes(pages[0], "TIFF", save_all=True, append_images=pages[1:]),
        "lzw": picture_bytes(head8(), "TIFF", compression="tiff_lzw"),
        "dicom": dicom_bytes(mr(WindowCenter=9, WindowWidth=90, RescaleSlope=1)),
        "frames": dicom_bytes(mr(np.stack([head()] * 3), NumberOfFrames=3)),
        "baseline": dicom_bytes(
            encapsulated([picture_bytes(head8(), "JPEG")], head8(), JPEGBaseline8Bit)
        ),
        "lossless": dicom_bytes(encapsulated([lossless_jpeg(head())], head(), JPEGLosslessSV1)),
        **compressed,
        "nifti": volume,
        "nifti.gz": gzip.compress(volume),
    }


KINDS = list(valid_files())


def check(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "file").write_bytes(data)
        for one in ingest(Path(folder)):  # asserts that rows are as many as planned
            assert one.row["status"] in STATUSES
            assert (one.row["status"] == "ok") == (one.pixels is not None)
            assert (one.row["status"] == "ok") == (one.row["reason_code"] is None)


@pytest.mark.parametrize("kind", KINDS)
def test_the_files_are_valid_before_they_are_broken(kind: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(valid_files()[kind])
    assert {one.row["status"] for one in ingest(tmp_path)} == {"ok"}


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(kind=st.sampled_from(KINDS), data=st.data())
def test_truncated_files_never_raise(kind: str, data) -> None:
    whole = valid_files()[kind]
    check(whole[: data.draw(st.integers(1, len(whole)))])


@settings(max_examples=350, deadline=None, suppress_health_check=list(HealthCheck))
@given(kind=st.sampled_from(KINDS), data=st.data())
def test_flipped_bytes_never_raise(kind: str, data) -> None:
    broken = bytearray(valid_files()[kind])
    # Headers are small and decide the most, so half of the flips are there.
    place = st.integers(0, min(len(broken), 1500) - 1) | st.integers(0, len(broken) - 1)
    for position, value in data.draw(
        st.lists(st.tuples(place, st.integers(0, 255)), min_size=1, max_size=8)
    ):
        broken[position] = value
    check(bytes(broken))


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    magic=st.sampled_from([valid_files()[kind][:200] for kind in KINDS] + [b""]),
    rest=st.binary(min_size=1, max_size=600),
)
def test_any_bytes_after_a_true_start_never_raise(magic: bytes, rest: bytes) -> None:
    check(magic + rest)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "out_of_memory"),
        (RecursionError(), "nested_too_deeply"),
        (EOFError(), "truncated"),
        (OSError(5, "x"), "unreadable_file"),
        (KeyError("DOE^JANE"), "undecodable"),
        (type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})(), "undecodable"),
    ],
)
def test_the_border_turns_every_failure_into_a_reason(error, reason: str) -> None:
    with pytest.raises(ScanError) as caught, image_border():
        raise error
    assert caught.value.reason_code == reason
    assert "DOE" not in str(caught.value)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_the_border_lets_interrupts_pass(error: type[BaseException]) -> None:
    with pytest.raises(error), image_border():
        raise error


PACKAGES = {
    "pydicom": (Path(pydicom.__file__).parent / "data" / "test_files", 150),
    "nibabel": (Path(nibabel.__file__).parent / "tests" / "data", 80),
    "nibabel.nicom": (Path(nibabel.__file__).parent / "nicom" / "tests" / "data", 10),
}


@pytest.mark.parametrize("package", list(PACKAGES))
def test_the_libraries_own_test_files_are_all_accounted_for(package: str, capfd) -> None:
    folder, at_least = PACKAGES[package]
    read = ingest(folder)
    files = {path for path in folder.rglob("*") if path.is_file()}
    assert len(files) > at_least
    assert {one.row["path"] for one in read} == {str(p.relative_to(folder)) for p in files}
    assert all(one.row["status"] == "ok" or one.row["reason"] for one in read)
    assert capfd.readouterr().err == ""
