"""Stored pixel values of one frame (PS3.5 section 8 and annex A)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    UID,
    JPEG2000TransferSyntaxes,
    JPEGLSLossless,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
)

from artemis.ingest.dicom.codestream import codestream_size
from artemis.ingest.dicom.file import DicomFile, PixelElement, number, text
from artemis.ingest.dicom.fragments import encapsulated, frame_alone, frames_of, whole
from artemis.ingest.quality import refuse_oversized
from artemis.ingest.reasons import Reason, scan_error
from artemis.settings import IngestSettings

_CODESTREAMS: Final = frozenset(
    {*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes, *JPEG2000TransferSyntaxes}
)
_GREY: Final = ("MONOCHROME1", "MONOCHROME2")
# An RLE header, and padding of up to 15 segments (PS3.5 G.5). RLE at worst doubles the data.
_LARGEST_HEADER: Final = 64 + 15
_LEAST_BYTES_A_FRAME: Final = 8  # an item's tag and length (PS3.5 A.4)


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """The Image Pixel module (PS3.3 C.7.6.3), checked.

    Attributes
    ----------
    rows, columns, frames : int
        Size.
    bits_allocated, bits_stored, high_bit : int
        Bits of a stored value in its word.
    signed : bool
        Two's complement.
    photometric : str
        ``MONOCHROME1`` or ``MONOCHROME2``.
    """

    rows: int
    columns: int
    frames: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    photometric: str

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame that is not compressed."""
        return self.rows * self.columns * self.bits_allocated // 8


def layout_of(file: DicomFile, settings: IngestSettings) -> PixelLayout:
    """Check the pixel module against the limits and against the bytes that are there.

    Raises
    ------
    ScanError
        ``no_pixel_data``, ``colour_dicom``, ``too_large``, ``too_many_frames``,
        ``bad_header`` or ``truncated``.
    """
    if file.pixels is None:
        raise scan_error(Reason.NO_PIXEL_DATA, "Pixel Data", "an object without")
    header = file.header
    samples, photometric = (
        _whole(file, "SamplesPerPixel", 1),
        text(header, "PhotometricInterpretation"),
    )
    if samples != 1 or (photometric and photometric not in _GREY):
        raise scan_error(Reason.COLOUR_DICOM, "one sample a pixel, MONOCHROME1 or 2", "colour")
    rows, columns = _whole(file, "Rows"), _whole(file, "Columns")
    refuse_oversized(columns, rows, settings)
    allocated = _whole(file, "BitsAllocated")
    stored = _whole(file, "BitsStored", allocated)
    high = _whole(file, "HighBit", stored - 1)
    if allocated not in (8, 16, 32) or not 1 <= stored <= high + 1 <= allocated:
        raise scan_error(
            Reason.BAD_HEADER,
            "8, 16 or 32 bits allocated, and the bits stored inside them",
            f"{allocated} allocated, {stored} stored, high bit {high}",
        )
    frames = _frames(file, file.pixels, settings)
    layout = PixelLayout(
        rows=rows,
        columns=columns,
        frames=frames,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=high,
        signed=_whole(file, "PixelRepresentation", 0) == 1,
        photometric=photometric or "MONOCHROME2",
    )
    _refuse_short(file.pixels, layout)
    return layout


def _frames(file: DicomFile, pixels: PixelElement, settings: IngestSettings) -> int:
    frames = _whole(file, "NumberOfFrames", 1) or 1
    if frames > settings.max_frames:
        raise scan_error(
            Reason.TOO_MANY_FRAMES, f"at most {settings.max_frames:,} frames", f"{frames:,}"
        )
    if frames < 1 or frames > max(1, pixels.available // _LEAST_BYTES_A_FRAME):
        raise scan_error(
            Reason.BAD_HEADER,
            f"as many frames as fit into {pixels.available:,} bytes",
            f"{frames:,}",
        )
    return frames


def _refuse_short(pixels: PixelElement, layout: PixelLayout) -> None:
    if pixels.encapsulated:
        return
    _refuse_missing(pixels, layout, 0)
    # A file that was cut keeps its first frames; one that never had so many is not believed.
    needed = layout.frames * layout.frame_bytes
    if pixels.stated < needed:
        raise scan_error(
            Reason.TRUNCATED,
            f"{needed:,} bytes for {layout.frames:,} frames",
            f"{pixels.stated:,}",
        )


def _refuse_missing(pixels: PixelElement, layout: PixelLayout, index: int) -> None:
    needed = (index + 1) * layout.frame_bytes
    if pixels.available < needed:
        frames = f"{index + 1:,} frames" if index else "the first frame"
        raise scan_error(
            Reason.TRUNCATED, f"{needed:,} bytes for {frames}", f"{pixels.available:,}"
        )


def _whole(file: DicomFile, keyword: str, default: int | None = None) -> int:
    value = number(file.header, keyword)
    if value is None and default is not None and not file.header.get(keyword):
        return default
    if value is None or not value.is_integer():
        raise scan_error(Reason.BAD_HEADER, f"a whole number in {keyword}", "none")
    return int(value)


def stored_values(file: DicomFile, layout: PixelLayout, index: int) -> NDArray[Any]:
    """Decode one frame.

    Parameters
    ----------
    file : DicomFile
        Opened with `READ_KEYWORDS`.
    layout : PixelLayout
        From `layout_of`.
    index : int
        Frame, from 0.

    Returns
    -------
    ndarray, (rows, columns)
        Signed or unsigned integers in native byte order; bits that are not stored
        (overlays in old files) are cleared, or copies of the sign.

    Raises
    ------
    ScanReadError
        ``unsupported_transfer_syntax``, ``truncated``, or ``bad_header`` if the compressed
        frame is of another size than the header says; what decoders raise passes through.
    """
    pixels = file.pixels
    if pixels is None or index >= layout.frames:
        raise scan_error(Reason.FILE_CHANGED, f"a frame {index}", f"{layout.frames} frames")
    syntax = file.transfer_syntax
    try:
        decoder = get_decoder(syntax)
    except RuntimeError as error:  # pydicom has no decoder for it
        raise scan_error(
            Reason.UNSUPPORTED_TRANSFER_SYNTAX,
            "a transfer syntax that can be decoded",
            _name(syntax),
        ) from error
    if syntax.is_encapsulated != pixels.encapsulated:
        raise scan_error(
            Reason.BAD_HEADER, "pixel data as the transfer syntax says", "pixel data that are not"
        )
    options = _options(layout, pixels)
    stream = file.stream
    if pixels.encapsulated:
        frame = _compressed_frame(file, pixels, layout, index)
        _refuse_other_size(file, layout, frame)
        stream, index, options["number_of_frames"] = encapsulated(frame), 0, 1
    else:
        _refuse_missing(pixels, layout, index)
        stream.seek(pixels.offset)
    if syntax not in _CODESTREAMS:
        options["correct_unused_bits"] = False
    if syntax == RLELossless:
        # 7 ms for 512 x 512 against 2 of the plugin in Rust, which panics on broken
        # data and writes that to the console.
        options["decoding_plugin"] = "pydicom"
    elif syntax in JPEGLSTransferSyntaxes:
        # One decoder, whichever others are installed: highdicom brings another.
        options["decoding_plugin"] = "pylibjpeg"
    values, _ = decoder.as_array(stream, index=index, raw=True, **options)
    if values.ndim != 2:
        raise scan_error(Reason.COLOUR_DICOM, "one sample a pixel", "several")
    native: NDArray[Any] = values.astype(values.dtype.newbyteorder("="), copy=False)
    as_stored = syntax in _CODESTREAMS and not _may_be_words(syntax, native, layout)
    return native if as_stored else stored_bits(native, layout)


def _may_be_words(syntax: UID, values: NDArray[Any], layout: PixelLayout) -> bool:
    """Return whether a codestream may hold whole words, as those of JPEG-LS by dcmtk do.

    Values that are stored ones already stay as they are if taken for words. Of JPEG, pydicom takes
    the stored bits itself.
    """
    return (
        syntax == JPEGLSLossless
        and values.dtype.itemsize * 8 == layout.bits_allocated
        and layout.high_bit == layout.bits_stored - 1
    )


def stored_bits(words: NDArray[Any], layout: PixelLayout) -> NDArray[Any]:
    """Return the stored bits of words, with their sign (PS3.5 section 8.1.1).

    pydicom assumes High Bit to be Bits Stored - 1; files from before 2005 need not.

    Parameters
    ----------
    words : ndarray, (h, w)
        Integers of `layout.bits_allocated` bits, of the right signedness.
    layout : PixelLayout
        Says which bits count.
    """
    left = layout.bits_allocated - 1 - layout.high_bit
    right = layout.bits_allocated - layout.bits_stored
    if not left and not right:
        return words
    shifted: NDArray[Any] = np.right_shift(np.left_shift(words, left), right)
    return shifted


def _options(layout: PixelLayout, pixels: PixelElement) -> dict[str, Any]:
    return {
        "rows": layout.rows,
        "columns": layout.columns,
        "number_of_frames": layout.frames,
        "samples_per_pixel": 1,
        "bits_allocated": layout.bits_allocated,
        "bits_stored": layout.bits_stored,
        "pixel_representation": int(layout.signed),
        "photometric_interpretation": layout.photometric,
        "pixel_keyword": "PixelData",
        "pixel_vr": pixels.vr,
    }


def _compressed_frame(
    file: DicomFile, pixels: PixelElement, layout: PixelLayout, index: int
) -> bytes:
    offsets = file.header.get("ExtendedOffsetTable")
    lengths = file.header.get("ExtendedOffsetTableLengths")
    extended = isinstance(offsets, bytes) and isinstance(lengths, bytes)
    if not extended and not file.frames:
        file.frames.append(frames_of(file.stream, pixels.offset, layout.frames))
    if extended or file.frames[0] is None:
        file.stream.seek(pixels.offset)
        frame = get_frame(
            file.stream,
            index,
            number_of_frames=layout.frames,
            extended_offsets=(offsets, lengths) if extended else None,
        )
        return whole(frame, struct.unpack_from("<Q", lengths, 8 * index)[0]) if extended else frame
    if index >= len(file.frames[0]):
        raise scan_error(
            Reason.TRUNCATED, f"{index + 1:,} compressed frames", f"{len(file.frames[0]):,}"
        )
    return frame_alone(file.stream, file.frames[0][index])


def _refuse_other_size(file: DicomFile, layout: PixelLayout, frame: bytes) -> None:
    # A decoder allocates what the codestream says, whatever the header does.
    most = _LARGEST_HEADER + 2 * layout.frame_bytes
    if file.transfer_syntax == RLELossless and len(frame) > most:
        raise scan_error(
            Reason.BAD_HEADER, f"an RLE frame of at most {most:,} bytes", f"{len(frame):,}"
        )
    size = codestream_size(frame)
    if size is not None and size != (layout.rows, layout.columns, 1):
        raise scan_error(
            Reason.BAD_HEADER,
            f"a compressed frame of {layout.rows} x {layout.columns} with one component",
            f"one of {size[0]} x {size[1]} with {size[2]}",
        )


def _name(syntax: UID) -> str:
    return syntax.name if syntax.name != str(syntax) else "an unknown one"
