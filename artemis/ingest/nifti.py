"""NIfTI-1 and NIfTI-2 volumes, cut into slices and shown the radiological way."""

from __future__ import annotations

import gzip
import io
from typing import Any, BinaryIO, Final, cast

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from artemis.ingest.geometry import plane_of_normal, square_pixels
from artemis.ingest.nifti_header import NiftiLayout, read_layout
from artemis.ingest.reasons import Reason, scan_error
from artemis.preprocess import robust_range, to_uint8
from artemis.settings import IngestSettings

_RANGE_VOXELS: Final = 4_000_000
_RANGE_SLABS: Final = 16
_SKIP_BYTES: Final = 1 << 20


class NiftiScan:
    """An open NIfTI file. Frames are slices of all volumes, volume after volume.

    Volumes are turned to the closest canonical orientation (x to the right, y to the
    front, z to the head) and cut along the acquired axis; of the slices, left is the
    patient's right, or in sagittal ones the front, and up is the front or the head.

    Parameters
    ----------
    stream : BinaryIO
        The open file.
    size : int
        Its size in bytes.
    gzipped : bool
        Whether it is gzip.
    settings : IngestSettings
        Limits. A volume above `max_volume_bytes` is read slice by slice.
    """

    def __init__(
        self, stream: BinaryIO, size: int, gzipped: bool, settings: IngestSettings
    ) -> None:
        self._settings = settings
        self._stored = stream
        self._gzipped = gzipped
        self._plain = _unpacked(stream, gzipped)
        self.layout: NiftiLayout = read_layout(self._plain, size, gzipped, settings)
        self._turn = nib.orientations.io_orientation(self.layout.affine)
        self._range: tuple[int, tuple[float, float]] | None = None
        self._volume: tuple[int, NDArray[Any]] | None = None

    def describe(self, index: int) -> dict[str, Any]:
        """Return plane, position (mm along the normal) and rank of a frame."""
        _, number = self._split(index)
        to_mm = self._canonical_affine()
        axis = self._canonical_axis
        first, second = (to_mm[:3, other] for other in range(3) if other != axis)
        normal = np.cross(first, second)
        normal *= np.sign(normal @ to_mm[:3, axis]) / np.linalg.norm(normal)
        centre = np.array([(length - 1) / 2 for length in self._canonical_shape] + [1.0])
        centre[axis] = number
        return {
            "header_plane": plane_of_normal(normal) if self.layout.oriented else None,
            "slice_position": float(normal @ (to_mm @ centre)[:3]),
            "series_index": index,
        }

    def decode(self, index: int) -> NDArray[Any]:
        """Return the stored values of a slice as displayed.

        Returns
        -------
        ndarray, (h, w)
            Integers or floats, before the header's slope and intercept.
        """
        volume, number = self._split(index)
        return self._displayed(self._slab(volume, number))

    def render(self, pixels: NDArray[Any], index: int) -> NDArray[np.uint8]:
        """Return stored values as 8-bit grey, scaled by the range of the whole volume."""
        volume, _ = self._split(index)
        picture = to_uint8(self._real(pixels), self._volume_range(volume))
        limits = self._settings
        return square_pixels(picture, self._spacing(), limits.max_pixels, limits.max_side)

    @property
    def _canonical_axis(self) -> int:
        return int(self._turn[self.layout.slice_axis, 0])

    @property
    def _canonical_shape(self) -> tuple[int, ...]:
        own_axes = np.argsort(self._turn[:, 0])
        return tuple(self.layout.shape[axis] for axis in own_axes)

    def _canonical_affine(self) -> NDArray[np.float64]:
        turn = nib.orientations.inv_ornt_aff(self._turn, self.layout.shape)
        return np.asarray(self.layout.affine @ turn, dtype=np.float64)

    def _split(self, index: int) -> tuple[int, int]:
        if not 0 <= index < self.layout.frames:
            raise scan_error(
                Reason.FILE_CHANGED, f"a frame {index}", f"{self.layout.frames} frames"
            )
        return divmod(index, self.layout.slices)

    def _spacing(self) -> tuple[float, float]:
        spacing = np.linalg.norm(self._canonical_affine()[:3, :3], axis=0)
        columns, rows = (spacing[axis] for axis in range(3) if axis != self._canonical_axis)
        return float(rows), float(columns)

    def _displayed(self, slab: NDArray[Any]) -> NDArray[Any]:
        turned = nib.orientations.apply_orientation(slab, self._turn)
        plane = np.take(turned, 0, axis=self._canonical_axis)
        return np.ascontiguousarray(plane[::-1, ::-1].T)

    def _real(self, stored: NDArray[Any]) -> NDArray[np.float64]:
        return stored.astype(np.float64) * self.layout.slope + self.layout.intercept

    def _slab(self, volume: int, number: int) -> NDArray[Any]:
        """Return one slice as stored, of length 1 along the slice axis."""
        layout = self.layout
        own = number
        if self._turn[layout.slice_axis, 1] < 0:
            own = layout.slices - 1 - number
        cut: list[slice] = [slice(None)] * 3
        cut[layout.slice_axis] = slice(own, own + 1)
        if layout.volume_bytes <= self._settings.max_volume_bytes:
            return self._whole_volume(volume)[tuple(cut)]
        # Nibabel reads only the bytes of the slice.
        offset = layout.offset + volume * layout.volume_bytes
        proxy = nib.arrayproxy.ArrayProxy(
            self._plain, (layout.shape, layout.dtype, offset, 1.0, 0.0), mmap=False
        )
        return np.asarray(proxy[tuple(cut)], dtype=layout.dtype.newbyteorder("="))

    def _whole_volume(self, volume: int) -> NDArray[Any]:
        if self._volume is None or self._volume[0] != volume:
            self._volume = None  # free it before the next is read
            self._volume = (volume, self._read_volume(volume))
        return self._volume[1]

    def _read_volume(self, volume: int) -> NDArray[Any]:
        layout = self.layout
        offset = layout.offset + volume * layout.volume_bytes
        if self._plain.tell() > offset:
            self._plain = _unpacked(self._stored, self._gzipped)
        _skip_to(self._plain, offset)
        data = self._plain.read(layout.volume_bytes)
        if len(data) < layout.volume_bytes:
            raise scan_error(
                Reason.TRUNCATED,
                f"{layout.volume_bytes:,} bytes of volume {volume}",
                f"{len(data):,}",
            )
        return np.frombuffer(data, layout.dtype).reshape(layout.shape, order="F")

    def _volume_range(self, volume: int) -> tuple[float, float]:
        """Return the robust range of a volume: one grey for one tissue in all its slices."""
        if self._range is None or self._range[0] != volume:
            sample = self._real(self._sample(volume))
            sample = sample[np.isfinite(sample)]
            self._range = (volume, robust_range(sample) if sample.size else (0.0, 0.0))
        return self._range[1]

    def _sample(self, volume: int) -> NDArray[Any]:
        layout = self.layout
        if layout.volume_bytes <= self._settings.max_volume_bytes:
            voxels = self._whole_volume(volume).ravel(order="K")
            return voxels[:: -(-voxels.size // _RANGE_VOXELS)]
        numbers = np.linspace(0, layout.slices - 1, min(_RANGE_SLABS, layout.slices))
        slabs = [self._slab(volume, round(number)).ravel() for number in numbers]
        each = max(1, _RANGE_VOXELS // len(slabs))
        return np.concatenate([slab[:: -(-slab.size // each)] for slab in slabs])


def _unpacked(stream: BinaryIO, gzipped: bool) -> BinaryIO:
    stream.seek(0)
    return cast(BinaryIO, gzip.GzipFile(fileobj=stream, mode="rb")) if gzipped else stream


def _skip_to(stream: BinaryIO, offset: int) -> None:
    """Go forward to `offset`; gzip has to unpack what lies between."""
    if not isinstance(stream, gzip.GzipFile):
        stream.seek(offset, io.SEEK_SET)
        return
    while (left := offset - stream.tell()) > 0:
        if not stream.read(min(left, _SKIP_BYTES)):
            raise EOFError
