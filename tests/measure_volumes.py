"""Time and memory of ``classify-batch`` on files of gigabytes, for docs/performance.md.

``PYTHONPATH=. python tests/measure_volumes.py FOLDER 1024``: files of so many slices of
1024 x 1024 values of 16 bits, which is 2.1 GB, are made below FOLDER one after the other, and each
is classified once by a process of its own, sampled as in `tests.measure_growth`. Words after the
count choose among the kinds of file, by default all; ``across`` is a volume whose slices do not
lie one after the other in the file. Linux.
"""

from __future__ import annotations

import gzip
import os
import resource
import shutil
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.encoders import RLELosslessEncoder
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from tests.ingest.builders import ENHANCED_MR, TRANSVERSE, dicom_bytes, item, mr
from tests.measure_growth import measure, say

_SIDE = 1024
_SPACING = 0.25  # mm
_NOISE = 40
_BLOCK = 1 << 22


def pictures(count: int) -> Iterator[NDArray[np.int16]]:
    """Yield noisy discs with texture, whose size and brightness change slowly."""
    y, x = np.mgrid[:_SIDE, :_SIDE]
    radius = np.hypot(y - _SIDE / 2, x - _SIDE / 2) / _SIDE
    texture = 0.6 + 0.4 * np.sin(x / 23.0) * np.cos(y / 31.0)
    noise = np.random.default_rng(0).integers(0, _NOISE, (_SIDE, _SIDE)).astype(np.int16)
    for number in range(count):
        inside = radius < 0.28 + 0.14 * np.sin(np.pi * (number + 1) / (count + 1))
        values = np.where(inside, texture * (3000 + number % 500), 0).astype(np.int16)
        yield values + np.roll(noise, 7 * number)


def write_nifti(path: Path, count: int, axis: int = 2) -> None:
    """Write a volume whose slices follow each other along this own axis; 2 is the slowest."""
    shape, spacing = [_SIDE] * 3, [_SPACING] * 3
    shape[axis] = count
    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape(shape)
    header.set_sform(np.diag([*spacing, 1.0]), code=1)
    header.set_dim_info(slice=axis)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    path.write_bytes(header.binaryblock.ljust(352, b"\0"))
    volume = np.memmap(path, "<i2", "r+", 352, tuple(shape), order="F")
    cut: list[slice | int] = [slice(None)] * 3
    for number, picture in enumerate(pictures(count)):
        cut[axis] = number
        volume[tuple(cut)] = picture
    volume.flush()


def write_gzip(path: Path, count: int, axis: int = 2) -> None:
    """Write the same in gzip."""
    plain = path.with_suffix(".plain")
    write_nifti(plain, count, axis)
    with plain.open("rb") as stream, gzip.open(path, "wb", compresslevel=1) as packed:
        shutil.copyfileobj(stream, packed, _BLOCK)
    plain.unlink()


def write_dicom(path: Path, count: int, compressed: bool = False) -> None:
    """Write an Enhanced MR Image, each frame with its place; native, or compressed by RLE."""
    syntax = RLELossless if compressed else ExplicitVRLittleEndian
    ds = mr(
        np.zeros((1, _SIDE, _SIDE), np.int16),
        sop_class=ENHANCED_MR,
        syntax=syntax,
        PixelData=None,
        NumberOfFrames=count,
        ImageOrientationPatient=None,
        ImagePositionPatient=None,
        SharedFunctionalGroupsSequence=[_shared()],
        PerFrameFunctionalGroupsSequence=[_place(number) for number in range(count)],
    )
    length = 0xFFFFFFFF if compressed else 2 * count * _SIDE * _SIDE
    with path.open("wb") as file:
        file.write(dicom_bytes(ds))
        vr = b"OB" if compressed else b"OW"
        file.write(struct.pack("<HH2sHI", 0x7FE0, 0x0010, vr, 0, length))
        if compressed:
            file.write(struct.pack("<HHI", 0xFFFE, 0xE000, 0))
        for picture in pictures(count):
            file.write(_fragment(picture) if compressed else picture.tobytes())
        if compressed:
            file.write(struct.pack("<HHI", 0xFFFE, 0xE0DD, 0))


def _shared() -> Dataset:
    return item(
        PlaneOrientationSequence=[item(ImageOrientationPatient=TRANSVERSE)],
        PixelMeasuresSequence=[item(PixelSpacing=[_SPACING] * 2, SliceThickness=_SPACING)],
        PixelValueTransformationSequence=[
            item(RescaleIntercept=0, RescaleSlope=1, RescaleType="US")
        ],
        MRImageFrameTypeSequence=[item(FrameType=["ORIGINAL", "PRIMARY", "M", "NONE"])],
    )


def _place(number: int) -> Dataset:
    return item(
        FrameContentSequence=[
            item(StackID="1", InStackPositionNumber=number + 1, DimensionIndexValues=number + 1)
        ],
        PlanePositionSequence=[item(ImagePositionPatient=[0, 0, number * _SPACING])],
        FrameVOILUTSequence=[item(WindowCenter=1700, WindowWidth=3400)],
    )


def _fragment(picture: NDArray[np.int16]) -> bytes:
    frame = RLELosslessEncoder.encode(
        picture,
        rows=_SIDE,
        columns=_SIDE,
        number_of_frames=1,
        samples_per_pixel=1,
        bits_allocated=16,
        bits_stored=16,
        pixel_representation=1,
        photometric_interpretation="MONOCHROME2",
    )
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(frame)) + frame


KINDS: dict[str, Callable[[Path, int], None]] = {
    "nii": write_nifti,
    "nii-across": partial(write_nifti, axis=0),
    "nii.gz": write_gzip,
    "nii.gz-across": partial(write_gzip, axis=0),
    "dicom": write_dicom,
    "dicom-rle": partial(write_dicom, compressed=True),
}


def main(folder: str, count: str, *kinds: str) -> None:
    """Print a row of the table for each kind of file."""
    say("| file | MB | seconds | of a core | MB, command and readers | MB, its server |")
    say("|---|---:|---:|---:|---:|---:|")
    for kind in kinds or KINDS:
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            batch = Path(scratch) / "batch"
            batch.mkdir()
            path = batch / "volume"
            KINDS[kind](path, int(count))
            before = _used()
            seconds, own, server = measure(batch, Path(scratch) / "workspace")
            used, size = _used() - before, path.stat().st_size / 1e6
        say(f"| {kind} | {size:,.0f} | {seconds:.0f} | {used:.0f} | {own:.0f} | {server:.0f} |")


def _used() -> float:
    """Return the seconds of a core that ended processes took; other work hardly lengthens them."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


if __name__ == "__main__":
    os.chdir(Path(__file__).parent.parent)
    main(*sys.argv[1:])
