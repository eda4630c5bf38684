"""Opening DICOM: the header up to the pixel data, and where those lie (PS3.10, PS3.5)."""

from __future__ import annotations

import io
import math
import struct
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, cast

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset, read_preamble
from pydicom.tag import BaseTag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from artemis.ingest.dicom.fragments import Fragment
from artemis.ingest.dicom.limits import AscendingTags, MeteredReader, inflated
from artemis.ingest.quiet import mute_readers
from artemis.ingest.reasons import Reason, scan_error

mute_readers()  # importing pydicom sets the level of its log anew

_PIXEL_DATA: Final = 0x7FE00010
_ANY_PIXEL_DATA: Final = frozenset({0x7FE00008, 0x7FE00009, _PIXEL_DATA})
_UNDEFINED_LENGTH: Final = 0xFFFFFFFF

GE_CREATOR: Final = 0x00430010
GE_PART: Final = 0x0043102F
"""Which part of a complex image it is, where `GE_CREATOR` names its group of private elements."""

PLAN_KEYWORDS: Final = (
    "SOPClassUID",
    "Modality",
    "ImageType",
    "SeriesDescription",
    "ProtocolName",
    "DerivationCodeSequence",
    "BodyPartExamined",
    "AnatomicRegionSequence",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "InstanceNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
)
PLACE_KEYWORDS: Final = (
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)
READ_KEYWORDS: Final = (
    *PLAN_KEYWORDS,
    "PatientID",
    "BurnedInAnnotation",
    "ComplexImageComponent",
    "PixelSpacing",
    "PixelAspectRatio",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "RescaleSlope",
    "RescaleIntercept",
    "ModalityLUTSequence",
    "VOILUTSequence",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
)


@dataclass(frozen=True, slots=True)
class PixelElement:
    """Where the value of the pixel data element lies.

    Attributes
    ----------
    offset : int
        First byte of the value in the stream.
    available : int
        Bytes from there to its end, or to the end of the stream.
    stated : int
        Its length as the element states it.
    vr : str
        ``OB`` or ``OW``.
    encapsulated : bool
        Whether the value is in fragments (undefined length).
    """

    offset: int
    available: int
    stated: int
    vr: str
    encapsulated: bool


@dataclass(frozen=True, slots=True)
class DicomFile:
    """An open DICOM file.

    Attributes
    ----------
    stream : BinaryIO
        The file, or its inflated content.
    header : pydicom.Dataset
        Only the elements asked for.
    transfer_syntax : UID
        As stated; as found where the file states none.
    pixels : PixelElement or None
        None without a Pixel Data element.
    frames : list
        Where compressed frames lie, once that has been found; see
        `artemis.ingest.dicom.fragments.frames_of`.
    """

    stream: BinaryIO
    header: Dataset
    transfer_syntax: UID
    pixels: PixelElement | None
    frames: list[list[list[Fragment]] | None] = field(default_factory=list)


def open_dicom(
    stream: BinaryIO, size: int, keywords: tuple[str, ...], max_inflated: int
) -> DicomFile:
    """Read a header up to the pixel data.

    Parameters
    ----------
    stream : BinaryIO
        The open file at its start.
    size : int
        Its size in bytes.
    keywords : tuple of str
        Elements to read; others are skipped, but for `GE_CREATOR` and `GE_PART`.
    max_inflated : int
        Largest size of a deflated data set, in bytes.

    Raises
    ------
    ScanError
        ``volume_too_large`` for a deflated data set above the limit; ``bad_header`` for
        elements without order or end; what pydicom raises for malformed elements passes
        through.
    """
    read_preamble(stream, force=True)
    meta = _elements(
        stream, size, is_implicit_VR=False, is_little_endian=True, stop_when=_beyond_file_meta
    )
    stated = meta.get("TransferSyntaxUID")
    syntax = UID(str(stated)) if stated else _guessed_syntax(stream)
    if str(meta.get("MediaStorageSOPClassUID", "")) == "1.2.840.10008.1.3.10":
        raise scan_error(Reason.DICOM_DIRECTORY, "an MR image", "a DICOMDIR, a table of contents")
    if syntax == DeflatedExplicitVRLittleEndian:
        stream, size = inflated(stream, size, max_inflated)
    header = _elements(
        stream,
        size,
        is_implicit_VR=syntax == ImplicitVRLittleEndian,
        is_little_endian=syntax != ExplicitVRBigEndian,
        stop_when=AscendingTags(_ANY_PIXEL_DATA),
        specific_tags=[
            BaseTag(tag) for tag in (*map(tag_for_keyword, keywords), GE_CREATOR, GE_PART) if tag
        ],
    )
    return DicomFile(stream, header, syntax, _pixel_element(stream, size, header, syntax))


def _elements(stream: BinaryIO, size: int, **options: Any) -> Dataset:
    metered = MeteredReader(stream, size)
    try:
        found = read_dataset(cast("BinaryIO", metered), **options)
    except OSError as error:
        raise metered.problem or error from error
    metered.check_end()
    return found


def _beyond_file_meta(tag: BaseTag, vr: str | None, length: int) -> bool:
    return tag >> 16 != 2


def _guessed_syntax(stream: BinaryIO) -> UID:
    """Return the uncompressed syntax of a data set without file meta information."""
    start = stream.read(6)
    stream.seek(-len(start), io.SEEK_CUR)
    if len(start) < 6:
        raise EOFError
    if not start[4:6].isalpha() or not start[4:6].isupper():
        return ImplicitVRLittleEndian
    # Groups are small numbers, so the order that makes this one small is right.
    group = struct.unpack("<H", start[:2])[0]
    return ExplicitVRBigEndian if group >= 0x0100 else ExplicitVRLittleEndian


def _pixel_element(
    stream: BinaryIO, size: int, header: Dataset, syntax: UID
) -> PixelElement | None:
    start = stream.read(8)
    if len(start) < 8:
        return None
    implicit, little = header.original_encoding
    if implicit is None:
        implicit = syntax == ImplicitVRLittleEndian
    order = ">" if little is False else "<"
    group, element = struct.unpack(order + "HH", start[:4])
    if group << 16 | element != _PIXEL_DATA:
        return None
    if implicit:
        vr, raw_length = "OW", start[4:8]
    else:
        vr, raw_length = start[4:6].decode("ascii", "replace"), stream.read(4)
    length = struct.unpack(order + "I", raw_length)[0]
    offset = stream.tell()
    left = max(0, size - offset)
    encapsulated = length == _UNDEFINED_LENGTH
    available = left if encapsulated else min(length, left)
    return PixelElement(offset, available, length, vr, encapsulated)


def text(header: Dataset, keyword: str) -> str:
    """Return the first value of an element, in capitals and without space around; "" if none."""
    values = texts(header, keyword)
    return values[0] if values else ""


def texts(header: Dataset, keyword: str) -> list[str]:
    """Return all values of an element, in capitals and without space around them."""
    value = header.get(keyword)
    if value is None:
        return []
    values = value if not isinstance(value, str | bytes) and hasattr(value, "__len__") else [value]
    return [str(item).strip(" \0").upper() for item in values]


def numbers(header: Dataset, keyword: str) -> tuple[float, ...]:
    """Return the finite values of a numeric element; () if absent or not all are numbers."""
    try:
        value = header.get(keyword)
        if value is None or isinstance(value, bytes):
            return ()
        single = isinstance(value, str) or not hasattr(value, "__len__")
        values = tuple(float(item) for item in ([value] if single else value))
    except (ValueError, TypeError, OverflowError, ArithmeticError):
        return ()
    return values if all(map(math.isfinite, values)) else ()


def number(header: Dataset, keyword: str) -> float | None:
    """Return the first value of a numeric element, or None."""
    values = numbers(header, keyword)
    return values[0] if values else None


def item(header: Dataset | None, keyword: str, index: int = 0) -> Dataset | None:
    """Return one item of a sequence, or None."""
    sequence = None if header is None else header.get(keyword)
    if sequence is None or isinstance(sequence, str | bytes) or not hasattr(sequence, "__len__"):
        return None
    if index >= len(sequence) or not isinstance(sequence[index], Dataset):
        return None
    found: Dataset = sequence[index]
    return found
