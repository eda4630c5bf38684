"""NIfTI-1 and NIfTI-2 volumes, cut into slices and shown the radiological way."""

from __future__ import annotations

from typing import Any, BinaryIO, Final

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from artemis.errors import ScanError
from artemis.ingest.geometry import plane_of_normal, square_pixels
from artemis.ingest.inflate import Places
from artemis.ingest.nifti.computed_map import refuse_map
from artemis.ingest.nifti.header import NiftiLayout, read_layout
from artemis.ingest.nifti.volume import StoredVolumes, unpacked
from artemis.ingest.once import Once
from artemis.ingest.reasons import Reason, scan_error
from artemis.preprocess import robust_range, to_uint8
from artemis.settings import IngestSettings

_VOLUMES_REMEMBERED: Final = 1024
_FILES_REMEMBERED: Final = 4


class _Memo:
    """What is found out once of a content, however many chunks show slices of it."""

    def __init__(self) -> None:
        self.places = Places()
        self.ranges: Once[int, tuple[float, float] | ScanError] = Once(_VOLUMES_REMEMBERED)


_MEMOS: Final[Once[str, _Memo]] = Once(_FILES_REMEMBERED)


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
        Limits.
    sha256 : str, optional
        Hash of the file: what takes a look at a whole volume is done once for all who open it.
    """

    burnt_in: Final = False  # the format has no way to say it

    def __init__(
        self,
        stream: BinaryIO,
        size: int,
        gzipped: bool,
        settings: IngestSettings,
        sha256: str | None = None,
    ) -> None:
        self._settings = settings
        self._memo = _Memo() if sha256 is None else _MEMOS.get(sha256, _Memo)
        content = unpacked(stream, gzipped, self._memo.places)
        self.layout: NiftiLayout = read_layout(content, size, gzipped, settings)
        self._voxels = StoredVolumes(content, self.layout)
        self._turn = nib.orientations.io_orientation(self.layout.affine)

    def describe(self, index: int) -> dict[str, Any]:
        """Return plane, position (mm along the normal), volume and rank in it of a frame."""
        volume, number = self._split(index)
        to_mm = self._canonical_affine()
        axis = self._canonical_axis
        first, second = (to_mm[:3, other] for other in range(3) if other != axis)
        normal = np.cross(first, second)
        normal *= np.sign(normal @ to_mm[:3, axis]) / np.linalg.norm(normal)
        corner = to_mm[:3, 3] + number * to_mm[:3, axis]  # as far along the normal as any pixel
        return {
            "header_plane": plane_of_normal(normal) if self.layout.oriented else None,
            "slice_position": float(normal @ corner),
            "series_index": number,
            "volume": volume if self.layout.volumes > 1 else None,
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
        values = stored.astype(np.float64)
        values *= self.layout.slope
        values += self.layout.intercept
        return values

    def _slab(self, volume: int, number: int) -> NDArray[Any]:
        """Return one slice as stored, of length 1 along the slice axis."""
        backwards = self._turn[self.layout.slice_axis, 1] < 0
        return self._voxels.slab(volume, self.layout.slices - 1 - number if backwards else number)

    def _volume_range(self, volume: int) -> tuple[float, float]:
        """Return the robust range of a volume: one grey for one tissue in all its slices."""
        found = self._memo.ranges.get(volume, lambda: self._find_range(volume))
        if isinstance(found, ScanError):
            raise found.again()
        return found

    def _find_range(self, volume: int) -> tuple[float, float] | ScanError:
        layout = self.layout
        try:
            stored, runs = self._voxels.sample(volume)
            few = self._settings.min_grey_levels
            refuse_map(runs, layout.shape[0], layout.slope, layout.intercept, few)
            sample = self._real(stored)
        except ScanError as problem:
            return problem.again()  # as dear as a range: not to be looked for again for each slice
        finite = np.isfinite(sample)
        if not finite.all():
            sample = sample[finite]
        return robust_range(sample, overwrite=True) if sample.size else (0.0, 0.0)
