"""NIfTI headers, read with suspicion (NIfTI-1 and NIfTI-2 specifications, nifti1.h, nifti2.h)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from artemis.ingest.quality import refuse_oversized
from artemis.ingest.reasons import Reason, scan_error
from artemis.ingest.sniff import nifti_version
from artemis.settings import IngestSettings

_SIZES: Final = {"1": 348, "2": 540}
_LEAST_OFFSETS: Final = {"1": 352, "2": 544}
_MAX_GZIP_RATIO: Final = 1040  # deflate cannot shrink by more than 1032
_CLEARLY_LARGER: Final = 1.2
_QUATERNION: Final = ("quatern_b", "quatern_c", "quatern_d")
# nifti1.h: none, dimensionless, time series. All others are statistics, labels or vectors.
_PICTURE_INTENTS: Final = frozenset({0, 1011, 2001})
_LABEL_INTENTS: Final = frozenset({1002, 1003})


@dataclass(frozen=True, slots=True)
class NiftiLayout:
    """What a header says, checked.

    Attributes
    ----------
    shape : (int, int, int)
        Voxels of one volume along its own axes.
    volumes : int
        Number of volumes.
    dtype : numpy.dtype
        Of a stored voxel, with its byte order.
    offset : int
        First byte of the first volume.
    slope, intercept : float
        Stored values to real ones.
    affine : ndarray, (4, 4), float64
        Voxel indices to mm; x to the right, y to the front, z to the head.
    oriented : bool
        Whether the header gives an orientation (sform or qform code above 0).
    slice_axis : int
        Own axis along which the slices follow each other.
    """

    shape: tuple[int, int, int]
    volumes: int
    dtype: np.dtype[Any]
    offset: int
    slope: float
    intercept: float
    affine: NDArray[np.float64]
    oriented: bool
    slice_axis: int

    @property
    def volume_bytes(self) -> int:
        """Size of one stored volume in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def slices(self) -> int:
        """Number of slices of one volume."""
        return self.shape[self.slice_axis]

    @property
    def frames(self) -> int:
        """Number of slices of all volumes."""
        return self.slices * self.volumes


def read_layout(
    stream: BinaryIO, size: int, gzipped: bool, settings: IngestSettings
) -> NiftiLayout:
    """Read and check a header.

    Parameters
    ----------
    stream : BinaryIO
        At the header, unpacked.
    size : int
        Size of the file in bytes, as stored.
    gzipped : bool
        Whether `size` is that of gzip.
    settings : IngestSettings
        Limits.

    Raises
    ------
    ScanError
        If the header is not sane, its limits are exceeded, or it is not a greyscale image.
    EOFError
        If the stream ends within it.
    """
    block = stream.read(540)
    version = nifti_version(block)
    if version is None:
        raise scan_error(Reason.TRUNCATED, "a whole NIfTI header", f"{len(block)} bytes")
    number, order = version
    if len(block) < _SIZES[number]:
        raise EOFError
    kind = nib.Nifti1Header if number == "1" else nib.Nifti2Header
    header = kind(block[: _SIZES[number]], endianness=order, check=False)
    shape, volumes = _dimensions(header)
    _refuse_intent(int(header["intent_code"]))
    try:
        layout = _layout(header, shape, volumes, _LEAST_OFFSETS[number])
    except (HeaderDataError, KeyError, ValueError, OverflowError, np.linalg.LinAlgError) as error:
        raise scan_error(
            Reason.BAD_HEADER, "a consistent NIfTI header", "one that contradicts itself"
        ) from error
    _check_limits(layout, size, gzipped, settings)
    return layout


def _dimensions(header: Any) -> tuple[tuple[int, int, int], int]:
    dims = [int(value) for value in header["dim"]]
    count = dims[0]
    if not 2 <= count <= 7 or any(value < 1 for value in dims[1 : count + 1]):
        raise scan_error(
            Reason.BAD_HEADER, "2 to 7 dimensions of at least 1", "others in the header"
        )
    sizes = [*dims[1 : count + 1], 1, 1]
    if any(value != 1 for value in sizes[4:]):
        raise scan_error(
            Reason.NOT_GREYSCALE, "one value a voxel and time", "a fifth dimension (vectors)"
        )
    return (sizes[0], sizes[1], sizes[2]), sizes[3]


def _refuse_intent(code: int) -> None:
    if code in _PICTURE_INTENTS:
        return
    if code in _LABEL_INTENTS:
        raise scan_error(Reason.SEGMENTATION, "an image", "a map of labels (intent code)")
    raise scan_error(Reason.STATISTICAL_MAP, "an image", f"a map with intent code {code}")


def _layout(
    header: Any, shape: tuple[int, int, int], volumes: int, least_offset: int
) -> NiftiLayout:
    dtype = header.get_data_dtype()
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise scan_error(
            Reason.NOT_GREYSCALE, "real numbers of at most 64 bits", "complex, RGB or longer ones"
        )
    slope, intercept = header.get_slope_inter()
    affine = _affine(header)
    if not _is_invertible(affine):
        raise scan_error(
            Reason.BAD_HEADER, "a finite, invertible orientation", "another in the header"
        )
    return NiftiLayout(
        shape=shape,
        volumes=volumes,
        dtype=dtype,
        offset=max(int(header.get_data_offset()), least_offset),
        slope=1.0 if slope is None else float(slope),
        intercept=0.0 if intercept is None else float(intercept),
        affine=affine,
        oriented=int(header["sform_code"]) > 0 or int(header["qform_code"]) > 0,
        slice_axis=_slice_axis(header, shape, affine),
    )


def _affine(header: Any) -> NDArray[np.float64]:
    """Return voxel indices to mm, by sform, else qform, else the spacing alone.

    A sform that maps no voxel anywhere, of zeros or NaN, gives way to a stated qform, as in ITK
    (itkNiftiImageIO.cxx: an sform that is no affine is not preferred); nibabel and the code in
    nifti1_io.c take it as it is. Without a qform it stays, and is refused.

    nibabel fails on what nifti1.h and its reader forgive where there is no sform: a qfac of 0,
    which is 1, spacings of 0, and quaternions that rounding made too long.
    """
    if int(header["qform_code"]) > 0 and not _is_invertible(header.get_sform()):
        header["sform_code"] = 0
    if int(header["sform_code"]) <= 0:
        pixdim = np.array(header["pixdim"], dtype=np.float64)
        pixdim[0] = -1 if pixdim[0] < 0 else 1
        pixdim[1:4] = np.where(pixdim[1:4] == 0, 1, np.abs(pixdim[1:4]))
        header["pixdim"] = pixdim
        length = math.hypot(*(float(header[part]) for part in _QUATERNION))
        for part in _QUATERNION if length > 1 else ():
            header[part] = float(header[part]) / length
    return np.asarray(header.get_best_affine(), dtype=np.float64)


def _is_invertible(affine: NDArray[np.float64]) -> bool:
    return bool(np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3])) >= 1e-12)


def _slice_axis(header: Any, shape: tuple[int, int, int], affine: NDArray[np.float64]) -> int:
    """Return the own axis along which the slices were acquired.

    The only axis of length 1, since a slice taken out of a volume keeps what that states; the
    header's (``dim_info``) if given; the axis of clearly largest spacing; else the one that is
    closest to foot-head.
    """
    if shape.count(1) == 1:
        return shape.index(1)
    _, _, stated = header.get_dim_info()
    if stated is not None:
        return int(stated)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    order = np.argsort(spacing)
    if spacing[order[2]] > _CLEARLY_LARGER * spacing[order[1]]:
        return int(order[2])
    targets = nib.orientations.io_orientation(affine)[:, 0]
    return int(np.flatnonzero(targets == 2)[0])


def _check_limits(layout: NiftiLayout, size: int, gzipped: bool, settings: IngestSettings) -> None:
    width, height = (
        length for axis, length in enumerate(layout.shape) if axis != layout.slice_axis
    )
    refuse_oversized(width, height, settings)
    if layout.frames > settings.max_frames:
        raise scan_error(
            Reason.TOO_MANY_FRAMES,
            f"at most {settings.max_frames:,} slices",
            f"{layout.frames:,}",
        )
    if gzipped and layout.volume_bytes > settings.max_volume_bytes:
        raise scan_error(
            Reason.VOLUME_TOO_LARGE,
            f"a volume of at most {settings.max_volume_bytes:,} bytes in gzip",
            f"{layout.volume_bytes:,}",
        )
    needed = layout.offset + layout.volume_bytes * layout.volumes
    most = size * _MAX_GZIP_RATIO if gzipped else size
    if needed > most:
        raise scan_error(
            Reason.TRUNCATED, f"{needed:,} bytes as the header says", f"at most {most:,}"
        )
