from __future__ import annotations

import gzip
import io
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artemis.errors import ScanError
from artemis.ingest.nifti import volume as volumes
from artemis.ingest.nifti.reader import NiftiScan
from tests.ingest.builders import SETTINGS

DTYPES = [order + kind for order in "<>" for kind in ("u1", "i1", "i2", "u2", "i4", "f4", "f8")]
DTYPES += ["<i8", "<u4", "<u8"]
AXES = ["RAS", "LAS", "RPS", "LPI", "PSR", "SRA", "AIL", "IPL"]


@contextmanager
def limits(**values: int) -> Iterator[None]:
    """Bands, blocks and samples so small that little volumes are read as large ones are."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setattr(volumes, name, value)
        yield


def opened(data: bytes, packed: bool = False) -> NiftiScan:
    return NiftiScan(io.BytesIO(data), len(data), packed, SETTINGS)


def expected(image: nib.Nifti1Image, voxels: int) -> list[np.ndarray]:
    """Return what nibabel and NumPy make of whole volumes in memory, scaled by percentiles."""
    stored = np.asarray(image.dataobj.get_unscaled())
    slope, intercept = image.dataobj.slope, image.dataobj.inter
    axis = image.header.get_dim_info()[2]
    found = []
    for one in np.moveaxis(stored, 3, 0):
        real = one.ravel(order="F")[:: -(-one.size // voxels)].astype(float) * slope + intercept
        real = real[np.isfinite(real)]
        low, high = np.percentile(real, (0.5, 99.5)) if real.size else (0.0, 0.0)
        low, high = (low, high) if high > low or not real.size else (real.min(), real.max())
        turn = nib.orientations.io_orientation(image.affine)
        turned = nib.orientations.apply_orientation(one, turn).astype(float) * slope + intercept
        for picture in np.moveaxis(turned, int(turn[axis, 0]), 0):
            shown = np.where(np.isfinite(picture), picture, low)[::-1, ::-1].T
            scale = 255 / (high - low) if high > low else 0
            found.append(np.rint(np.clip((shown - low) * scale, 0, 255)).astype(np.uint8))
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    shape=st.tuples(*[st.integers(2, 9)] * 3, st.integers(1, 3)),
    dtype=st.sampled_from(DTYPES),
    axes=st.sampled_from(AXES),
    axis=st.integers(0, 2),
    scale=st.sampled_from([(1, 0), (-2.5, 7), (0.001, -1000), (1e30, 3)]),
    packed=st.booleans(),
    band=st.integers(1, 600),
    short=st.integers(1, 60),
    block=st.integers(1, 600),
    sampled=st.integers(1, 400),
    seed=st.integers(0, 2**32 - 1),
)
def test_slices_are_those_of_the_whole_volume_in_memory(
    shape, dtype, axes, axis, scale, packed, band, short, block, sampled, seed
) -> None:
    noise = np.random.default_rng(seed).integers(0, 120, shape)
    stored = (noise - 60 if np.dtype(dtype).kind != "u" else noise).astype(dtype)
    if stored.dtype.kind == "f":
        stored[0, 0, :, 0] = [np.nan, *[np.inf] * (shape[2] - 1)]
    turn = nib.orientations.axcodes2ornt(axes)
    affine = nib.orientations.inv_ornt_aff(turn, shape[:3])  # voxels of 1 mm
    header = nib.Nifti1Header(endianness=dtype[0])
    header.set_data_dtype(dtype)
    image = nib.Nifti1Image(stored, affine, header)
    image.header.set_dim_info(slice=axis)
    image.header.set_slope_inter(*scale)
    data = image.to_bytes()
    data = data[: -stored.nbytes] + stored.tobytes(order="F")  # as it is, whatever the scale
    image = nib.Nifti1Image.from_bytes(data)
    with limits(
        BAND_BYTES=band, _SHORT_RUN_BYTES=short, _BLOCK_BYTES=block, SAMPLED_VOXELS=sampled
    ):
        scan = opened(gzip.compress(data) if packed else data, packed)
        pictures = expected(image, sampled)
        assert scan.layout.frames == len(pictures)
        for index, picture in enumerate(pictures):
            np.testing.assert_array_equal(scan.render(scan.decode(index), index), picture)


def sparse_volume(path: Path, shape: tuple[int, int, int], axis: int) -> None:
    """A volume of zeros and a single bright row, most of which takes no room on the disk."""
    image = nib.Nifti1Image(np.zeros((1, 1, 1), np.float32), np.eye(4))
    image.header.set_data_shape(shape)
    image.header.set_dim_info(slice=axis)
    path.write_bytes(image.header.binaryblock + bytes(4) + np.arange(2000, dtype="<f4").tobytes())
    with path.open("r+b") as file:
        file.truncate(352 + 4 * int(np.prod(shape)))


def peak_of(scan: NiftiScan, frames: list[int]) -> float:
    """Return the most that Python and NumPy held while some frames were shown, in MB."""
    tracemalloc.start()
    try:
        for frame in frames:
            scan.render(scan.decode(frame), frame)
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("shape", "axis"), [((512, 512, 256), 2), ((1024, 256, 256), 0)])
def test_a_large_volume_is_shown_in_little_memory(tmp_path: Path, shape, axis: int) -> None:
    path = tmp_path / "v.nii"
    sparse_volume(path, shape, axis)
    with path.open("rb") as stream:
        scan = NiftiScan(stream, path.stat().st_size, False, SETTINGS)
        assert scan.layout.volume_bytes == 268_435_456
        assert peak_of(scan, [0, shape[axis] // 2, shape[axis] - 1]) < 130


def test_a_large_volume_in_gzip_is_shown_in_little_memory(tmp_path: Path) -> None:
    sparse_volume(tmp_path / "v.nii", (512, 512, 8), 2)
    data = (tmp_path / "v.nii").read_bytes()
    header = nib.Nifti1Header.from_fileobj(io.BytesIO(data))
    header.set_data_shape((512, 512, 256))
    eight = gzip.compress(data[352:])  # members of a gzip file follow each other
    packed = gzip.compress(header.binaryblock + bytes(4)) + 32 * eight
    assert peak_of(opened(packed, packed=True), [255, 128, 0]) < 130


def test_what_cannot_be_read_is_not_tried_for_every_slice() -> None:
    class Counted(io.BytesIO):
        taken = 0

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            self.taken += len(data)
            return data

    values = np.random.default_rng(0).integers(0, 4000, (64, 64, 200)).astype(np.int16)
    packed = gzip.compress(nib.Nifti1Image(values, np.diag([1, 1, 3, 1])).to_bytes())[:-1000]
    stored = Counted(packed)
    with limits(BAND_BYTES=100_000):
        scan = NiftiScan(stored, len(packed), True, SETTINGS)
        for frame in range(200):
            with pytest.raises(ScanError, match="Received data that end too early") as caught:
                scan.render(scan.decode(frame), frame)
            assert caught.value.reason_code == "truncated"
    assert stored.taken < 4 * len(packed)
