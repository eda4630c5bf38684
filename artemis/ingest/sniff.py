"""What a file is, by its content and never by its name."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO, Final

from artemis.ingest.reasons import Reason, scan_error

HEAD_BYTES: Final = 1024
_NIFTI_SIZES: Final = {348: "1", 540: "2"}
_RASTER_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0\x08\0\0\0", "tiff"),  # BigTIFF
)
# Named so that the refusal says what the file is. (offset, magic, name)
_OTHER_MAGIC: Final = (
    (0, b"MM\0+\0\x08\0\0", "BigTIFF in big-endian order"),
    (0, b"GIF87a", "GIF"),
    (0, b"GIF89a", "GIF"),
    (8, b"WEBP", "WebP"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftyphei", "HEIF"),
    (4, b"ftyp", "ISO media (video or image)"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\0\0\x01\0", "icon"),
    (0, b"8BPS", "Photoshop"),
    (0, b"%PDF-", "PDF"),
    (0, b"%!PS", "PostScript"),
    (0, b"\x89HDF\r\n\x1a\n", "HDF5 (also MINC 2)"),
    (0, b"CDF\x01", "NetCDF (also MINC 1)"),
    (0, b"CDF\x02", "NetCDF (also MINC 1)"),
    (0, b"NRRD000", "NRRD"),
    (0, b"ObjectType = ", "MetaImage"),
    (0, b"# === DATA DESCRIPTION FILE", "Philips PAR header"),
    (0, b"TRACK\0", "TrackVis tracts"),
    (0, b"mrtrix tracks", "MRtrix tracts"),
    (0, b"SQLite format 3\0", "SQLite database"),
    (0, b"PAR1", "Parquet"),
    (0, b"\x93NUMPY", "NumPy array"),
    (0, b"\x7fELF", "program"),
    (0, b"MZ", "program"),
    (0, b"\0\0\0\x01Bud1", "macOS folder settings (.DS_Store)"),
    (0, b"\0\x05\x16\x07", "macOS resource fork"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Office document or Thumbs.db"),
    (0, b"L\0\0\0\x01\x14\x02\0", "Windows shortcut"),
    (0, b"P5", "PNM"),
    (0, b"P6", "PNM"),
)
_PACKED_MAGIC: Final = (
    (0, b"PK\x03\x04", "ZIP archive or office document"),
    (0, b"PK\x05\x06", "empty ZIP archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "7-Zip archive"),
    (0, b"Rar!\x1a\x07", "RAR archive"),
    (0, b"BZh", "bzip2 archive"),
    (0, b"\xfd7zXZ\0", "xz archive"),
    (0, b"\x28\xb5\x2f\xfd", "Zstandard archive"),
    (257, b"ustar", "tar archive"),
)
_EXPECTED: Final = "PNG, JPEG, BMP, TIFF, DICOM or NIfTI"
_JSON: Final = re.compile(rb"""\{\s*["}]|\[\s*(?:[\]\[{"0-9-]|true|false|null)""")
_MGH: Final = struct.Struct(">6i")  # version, three sides, volumes, kind of value
_TEXT: Final = re.compile(rb"[\t\n\r\x20-\x7e\x80-\xff]+")
_VRS: Final = frozenset(
    b"AE AS AT CS DA DS DT FL FD IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN"
    b" UR US UT UV".split()
)
_LONG_VRS: Final = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())


@dataclass(frozen=True, slots=True)
class Sniff:
    """What a file is.

    Attributes
    ----------
    format : str
        ``png``, ``jpeg``, ``bmp``, ``tiff``, ``dicom`` or ``nifti``.
    gzipped : bool
        Whether the whole file is wrapped in gzip (NIfTI only).
    """

    format: str
    gzipped: bool = False


def sniff(stream: BinaryIO, size: int) -> Sniff:
    """Identify an open file by its first bytes.

    Parameters
    ----------
    stream : BinaryIO
        Positioned anywhere; left at its start.
    size : int
        Size of the file in bytes.

    Raises
    ------
    ScanError
        ``unsupported_format`` or ``archive`` with the name of what it is, ``nifti_pair``, or
        for gzip ``truncated`` or ``undecodable`` where its start is cut or broken.
    """
    stream.seek(0)
    head = stream.read(HEAD_BYTES)
    stream.seek(0)
    # First, since the 128 bytes before it may be a TIFF header as well (PS3.10 7.1).
    if head[128:132] == b"DICM":
        return Sniff("dicom")
    if head[:3] == b"\x1f\x8b\x08":
        return _sniff_gzip(head, size)
    for magic, name in _RASTER_MAGIC:
        if head.startswith(magic):
            return Sniff(name)
    if _is_bmp(head):
        return Sniff("bmp")
    if is_nifti(head):
        return Sniff("nifti")
    if is_bare_dicom(head, size):
        return Sniff("dicom")
    packed = _magic_name(head, _PACKED_MAGIC)
    if packed:
        raise scan_error(Reason.ARCHIVE, _EXPECTED, packed)
    raise scan_error(Reason.UNSUPPORTED_FORMAT, _EXPECTED, _name_of(head))


def _sniff_gzip(head: bytes, size: int) -> Sniff:
    inflater = zlib.decompressobj(wbits=31)
    try:
        inside = inflater.decompress(head, HEAD_BYTES)
    except zlib.error as error:
        raise scan_error(
            Reason.UNDECODABLE, "gzip with a NIfTI volume", "gzip with an error at its start"
        ) from error
    if is_nifti(inside):
        return Sniff("nifti", gzipped=True)
    if len(head) == size and len(inside) < HEAD_BYTES and not inflater.eof:
        raise scan_error(Reason.TRUNCATED, "a whole file", "gzip that ends within its data")
    if inside[128:132] == b"DICM":
        packed: str | None = "DICOM"
    else:
        picture = next((kind for magic, kind in _RASTER_MAGIC if inside.startswith(magic)), None)
        packed = picture.upper() if picture else _magic_name(inside, _PACKED_MAGIC)
    if packed:
        raise scan_error(Reason.ARCHIVE, _EXPECTED, f"gzip with {packed} inside")
    raise scan_error(Reason.UNSUPPORTED_FORMAT, _EXPECTED, f"gzip with {_name_of(inside)} inside")


def is_nifti(head: bytes) -> bool:
    """Return whether `head` starts a NIfTI-1 or NIfTI-2 single file.

    By ``sizeof_hdr`` in either byte order and the magic ``n+1`` or ``n+2``.

    Raises
    ------
    ScanRefusedError
        With reason ``nifti_pair`` for the header of a two-file image.
    """
    version = nifti_version(head)
    if version is None:
        return False
    magic = head[344:348] if version[0] == "1" else head[4:8]
    if magic[:3] == f"n+{version[0]}".encode():
        return True
    if magic[:3] == f"ni{version[0]}".encode():
        raise scan_error(
            Reason.NIFTI_PAIR, "a single-file NIfTI", "the header of a pair of .hdr and .img"
        )
    if magic == b"\0\0\0\0" and version[0] == "1":
        raise scan_error(
            Reason.NIFTI_PAIR, "a single-file NIfTI", "what looks like the header of ANALYZE 7.5"
        )
    return False


def nifti_version(head: bytes) -> tuple[str, str] | None:
    """Return the version ("1" or "2") and byte order ("<" or ">") that ``sizeof_hdr`` states."""
    if len(head) < 348:
        return None
    for order in "<>":
        version = _NIFTI_SIZES.get(struct.unpack_from(order + "i", head)[0])
        if version is not None:
            return version, order
    return None


def _is_bmp(head: bytes) -> bool:
    # "BM" alone starts many texts; the size of the info header makes it certain.
    if len(head) < 26 or head[:2] != b"BM":
        return False
    return struct.unpack_from("<I", head, 14)[0] in (12, 40, 52, 56, 64, 108, 124)


def is_bare_dicom(head: bytes, size: int) -> bool:
    """Return whether `head` starts a DICOM data set without preamble (PS3.10 7.1 demands one).

    Such files come from old archives. Judged conservatively: three elements in a row
    must be in groups 0002 or 0008, in ascending order, of known value representation
    (or of plausible length in implicit encoding), and end inside the file.
    """
    return any(
        _three_elements(head, size, order, explicit)
        for order, explicit in (("<", True), ("<", False), (">", True))
    )


def _three_elements(head: bytes, size: int, order: str, explicit: bool) -> bool:
    offset, previous = 0, -1
    for _ in range(3):
        if offset + 12 > len(head):
            return False
        group, element = struct.unpack_from(order + "HH", head, offset)
        if group not in (0x0002, 0x0008) or (group << 16 | element) <= previous:
            return False
        previous = group << 16 | element
        # Group 0002 is explicit little endian whatever follows (PS3.10 7.1).
        if explicit or group == 0x0002:
            vr = head[offset + 4 : offset + 6]
            if vr not in _VRS:
                return False
            long = vr in _LONG_VRS
            length = struct.unpack_from(order + ("I" if long else "H"), head, offset + 6 + 2 * long)
            offset += (12 if long else 8) + length[0]
        else:
            offset += 8 + struct.unpack_from(order + "I", head, offset + 4)[0]
        if offset > size:
            return False
    return True


def _magic_name(head: bytes, known: Iterable[tuple[int, bytes, str]]) -> str | None:
    return next(
        (name for offset, magic, name in known if head[offset : offset + len(magic)] == magic), None
    )


def _is_mgh(head: bytes) -> bool:
    """Return whether bytes start with a header of MGH, which has no magic number of its own."""
    if len(head) < _MGH.size:
        return False
    version, *sizes, kind = _MGH.unpack_from(head)
    return version == 1 and kind in (0, 1, 3, 4) and all(0 < size < 1 << 16 for size in sizes)


def _name_of(head: bytes) -> str:
    if name := _magic_name(head, _OTHER_MAGIC):
        return name
    if _is_mgh(head):
        return "FreeSurfer volume (MGH)"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:64].lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    if start.startswith((b"<?xml", b"<svg")):
        return "XML or SVG"
    if _JSON.match(start):
        return "text (JSON)"
    return "text" if _TEXT.fullmatch(head) else "an unknown binary format"
