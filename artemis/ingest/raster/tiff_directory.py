"""Why a TIFF that Pillow does not know is refused or failed, by its first directory (TIFF 6.0)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import BinaryIO, Final

from artemis.errors import ScanError
from artemis.ingest.reasons import Reason, scan_error

_BIG: Final = 43
_WIDTH: Final = 256
_BITS_PER_SAMPLE: Final = 258
_SAMPLES_PER_PIXEL: Final = 277
_SAMPLE_FORMAT: Final = 339
_FORMATS: Final[Mapping[int, str]] = {1: "whole numbers", 2: "signed numbers", 3: "floats"}
_TYPES: Final[Mapping[int, str]] = {1: "B", 3: "H", 4: "I", 16: "Q"}
_MOST_TAGS: Final = 4096


def unread_tiff(stream: BinaryIO) -> ScanError | None:
    """Return why a TIFF cannot be read, or None where its first directory does not tell.

    Parameters
    ----------
    stream : BinaryIO
        The file, of which Pillow says that it is no TIFF.
    """
    try:
        tags = _first_directory(stream)
    except (struct.error, OSError, OverflowError, ValueError):  # also of a place beyond any file
        return scan_error(Reason.TRUNCATED, "a whole file", "a TIFF that ends before its directory")
    if _WIDTH not in tags:
        return None
    samples, bits = tags.get(_SAMPLES_PER_PIXEL, 1), tags.get(_BITS_PER_SAMPLE, 1)
    kind = _FORMATS.get(tags.get(_SAMPLE_FORMAT, 1), "another kind")
    return scan_error(
        Reason.UNSUPPORTED_FORMAT,
        "a TIFF of grey or RGB, whole numbers or floats of at most 32 bits",
        f"one of {samples} x {bits}-bit {kind} a pixel",
    )


def _first_directory(stream: BinaryIO) -> dict[int, int]:
    """Return the first value of each tag of whole numbers; raises struct.error where it is cut."""
    stream.seek(0)
    head = stream.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", head, 2)[0] == _BIG
    place = struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)[0]
    stream.seek(place)
    count_code, entry, inline = ("Q", 20, 12) if big else ("H", 12, 8)
    size = struct.calcsize(count_code)
    (count,) = struct.unpack(order + count_code, stream.read(size))
    block = stream.read(min(count, _MOST_TAGS) * entry)
    found: dict[int, int] = {}
    for at in range(0, min(count, _MOST_TAGS) * entry, entry):
        tag, kind, values = struct.unpack_from(order + ("HHQ" if big else "HHI"), block, at)
        code = _TYPES.get(kind)
        if code is None:
            continue
        data, start = block, at + inline
        if values * struct.calcsize(code) > entry - inline:
            stream.seek(struct.unpack_from(order + ("Q" if big else "I"), block, start)[0])
            data, start = stream.read(8), 0
        (found[tag],) = struct.unpack_from(order + code, data, start)
    return found
