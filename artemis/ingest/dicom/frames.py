"""What the header says of one frame: plane, position, spacing, greyscale.

An enhanced object says it in functional groups, of the frame or shared by all
(PS3.3 C.7.6.16); a classic one at the top level.
"""

from __future__ import annotations

import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from artemis.ingest.dicom.file import DicomFile, item, number, numbers, text, texts
from artemis.ingest.dicom.grayscale import Greyscale, Lut, Window
from artemis.ingest.dicom.rules import refuse_image_type, refuse_part
from artemis.ingest.geometry import Turn, radiological_turn
from artemis.ingest.reasons import Reason, scan_error

_FUNCTIONS: Final = frozenset({"LINEAR", "LINEAR_EXACT", "SIGMOID"})


def group(header: Dataset, index: int, keyword: str) -> Dataset:
    """Return the functional group `keyword` of a frame, or the header where there is none."""
    own = item(item(header, "PerFrameFunctionalGroupsSequence", index), keyword)
    shared = item(item(header, "SharedFunctionalGroupsSequence"), keyword)
    return next((found for found in (own, shared) if found is not None), header)


def own_groups(header: Dataset, frames: int) -> int:
    """Return how many of the first `frames` frames have functional groups of their own."""
    sequence = header.get("PerFrameFunctionalGroupsSequence")
    return min(frames, len(sequence)) if isinstance(sequence, Sequence) else 0


def has_own_place(header: Dataset, index: int) -> bool:
    """Return whether a frame's own groups say where or how it lies."""
    own = item(header, "PerFrameFunctionalGroupsSequence", index)
    return own is not None and ("PlanePositionSequence" in own or "PlaneOrientationSequence" in own)


def refuse_frame_type(header: Dataset, index: int) -> None:
    """Refuse a derived, localizer or phase frame of an enhanced object (PS3.3 C.8.13.5.1).

    Raises
    ------
    ScanRefusedError
        See `refuse_image_type`.
    """
    own = group(header, index, "MRImageFrameTypeSequence")
    refuse_image_type(texts(own, "FrameType"))
    refuse_part(text(own, "ComplexImageComponent") or text(header, "ComplexImageComponent"))


def cosines_of(header: Dataset, index: int) -> tuple[float, ...] | None:
    """Return the six cosines of a frame's rows and columns (PS3.3 C.7.6.2.1.1), or None."""
    cosines = numbers(group(header, index, "PlaneOrientationSequence"), "ImageOrientationPatient")
    return cosines if len(cosines) == 6 else None


def turn_of(header: Dataset, index: int) -> Turn:
    """Return how a frame is laid to be seen as radiologists hang it."""
    cosines = cosines_of(header, index)
    return Turn() if cosines is None else radiological_turn(cosines[:3], cosines[3:])


def normal_of(header: Dataset, index: int) -> NDArray[np.float64] | None:
    """Return a frame's unit normal in patient coordinates (PS3.3 C.7.6.2.1.1), or None.

    Returns
    -------
    ndarray, (3,), float64
        Row direction x column direction; axes point to left, back and head.
    """
    cosines = cosines_of(header, index)
    if cosines is None:
        return None
    normal = np.cross(cosines[:3], cosines[3:])
    length = float(np.linalg.norm(normal))
    return normal / length if np.isfinite(length) and length > 1e-6 else None


def position_of(header: Dataset, index: int) -> float | None:
    """Return a frame's position along its normal in mm, or None."""
    normal = normal_of(header, index)
    corner = numbers(group(header, index, "PlanePositionSequence"), "ImagePositionPatient")
    if normal is None or len(corner) != 3:
        return None
    position = float(normal @ np.asarray(corner))
    return position if np.isfinite(position) else None


def spacing_of(header: Dataset, index: int) -> tuple[float, float] | None:
    """Return the distance between rows and between columns in mm, or their ratio, or None."""
    spacing = numbers(group(header, index, "PixelMeasuresSequence"), "PixelSpacing")
    if len(spacing) != 2:
        spacing = numbers(header, "PixelAspectRatio")
    return (spacing[0], spacing[1]) if len(spacing) == 2 else None


def greyscale_of(file: DicomFile, index: int, signed: bool, bits_allocated: int) -> Greyscale:
    """Return how the stored values of a frame become grey.

    Parameters
    ----------
    file : DicomFile
        Opened with `READ_KEYWORDS`.
    index : int
        Frame, from 0.
    signed : bool
        Pixel Representation 1.
    bits_allocated : int
        Bits of a stored value, by which unsigned readings of signed values are mended.

    Raises
    ------
    ScanReadError
        If a lookup table is shorter than it states.
    """
    header = file.header
    rescale = group(header, index, "PixelValueTransformationSequence")
    slope, intercept = number(rescale, "RescaleSlope"), number(rescale, "RescaleIntercept")
    modality = item(header, "ModalityLUTSequence")
    if not slope:  # a slope of 0 would make every picture blank; it stands for "not given"
        slope, intercept = 1.0, (intercept or 0.0) if slope is None else 0.0
    return Greyscale(
        modality=None if modality is None else _lut(modality, file, signed),
        slope=slope,
        intercept=intercept or 0.0,
        voi=_voi(file, index, signed),
        inverted=text(header, "PhotometricInterpretation") == "MONOCHROME1",
        padding=_padding(header, signed, bits_allocated),
    )


def _voi(file: DicomFile, index: int, signed: bool) -> Lut | Window | None:
    source = group(file.header, index, "FrameVOILUTSequence")
    table = item(source, "VOILUTSequence")
    if table is not None:
        return _lut(table, file, signed)
    centre, width = number(source, "WindowCenter"), number(source, "WindowWidth")
    if centre is None or width is None:
        return None
    function = text(source, "VOILUTFunction") or "LINEAR"
    return Window(centre, width, function if function in _FUNCTIONS else "LINEAR")


def _padding(header: Dataset, signed: bool, bits: int) -> tuple[float, float] | None:
    value = number(header, "PixelPaddingValue")
    if value is None:
        return None
    limit = number(header, "PixelPaddingRangeLimit")
    low, high = (
        # Often written as unsigned although the pixels are signed (PS3.3 C.7.5.1.1.2).
        end - 2.0**bits if signed and end >= 2.0 ** (bits - 1) else end
        for end in (value, value if limit is None else limit)
    )
    return low, high


def _lut(table: Dataset, file: DicomFile, signed: bool) -> Lut:
    descriptor = numbers(table, "LUTDescriptor")
    if len(descriptor) != 3 or not 1 <= descriptor[2] <= 16:
        raise scan_error(Reason.BAD_HEADER, "a LUT Descriptor of three values", "another")
    # 0 stands for 65,536 entries, which 16 bits cannot hold (PS3.3 C.11.1.1.1).
    count, first, bits = int(descriptor[0]) % 65_536 or 65_536, int(descriptor[1]), descriptor[2]
    if signed and first >= 32_768:
        first -= 65_536
    entries = _lut_entries(table, file, count)
    if len(entries) < count:
        raise scan_error(
            Reason.BAD_HEADER, f"a lookup table of {count} entries", f"one of {len(entries)}"
        )
    return Lut(first, entries[:count], int(bits))


def _lut_entries(table: Dataset, file: DicomFile, count: int) -> NDArray[np.uint16]:
    data = table.get("LUTData")
    if isinstance(data, bytes):
        # Two 8-bit entries may share a word (PS3.3 C.11.1.1.1).
        if count <= len(data) < 2 * count:
            return np.frombuffer(data, np.uint8).astype(np.uint16)
        order = ">" if file.header.original_encoding[1] is False else "<"
        even = data[: len(data) // 2 * 2]
        return np.frombuffer(even, order + "u2").astype(np.uint16)
    try:
        return np.atleast_1d(np.asarray(data, dtype=np.uint16))
    except (ValueError, TypeError, OverflowError, struct.error) as error:
        raise scan_error(Reason.BAD_HEADER, "a lookup table of numbers", "another") from error
