"""The size that a JPEG family codestream states, before a decoder believes it."""

from __future__ import annotations

import struct
from typing import Final

_J2K: Final = b"\xff\x4f\xff\x51"
_JP2: Final = b"\0\0\0\x0cjP  "
# SOF markers of ISO/IEC 10918-1 table B.1 without DHT, JPG and DAC, and SOF55 of JPEG-LS.
_FRAME_MARKERS: Final = (set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}) | {0xF7}
_BARE_MARKERS: Final = {0x01, 0xD8, *range(0xD0, 0xD8)}


def codestream_size(frame: bytes) -> tuple[int, int, int] | None:
    """Return rows, columns and components of one compressed frame, or None if it states none.

    Parameters
    ----------
    frame : bytes
        JPEG (ISO/IEC 10918-1), JPEG-LS (14495-1) or JPEG 2000 (15444-1 A.5.1), also in a
        JP2 box.
    """
    if frame.startswith(_JP2):
        start = frame.find(_J2K)
        return _jpeg2000_size(frame, start) if start >= 0 else None
    if frame.startswith(_J2K):
        return _jpeg2000_size(frame, 0)
    return _jpeg_size(frame) if frame.startswith(b"\xff\xd8") else None


def _jpeg2000_size(frame: bytes, start: int) -> tuple[int, int, int] | None:
    if len(frame) < start + 42:
        return None
    x1, y1, x0, y0 = struct.unpack_from(">4I", frame, start + 8)
    return y1 - y0, x1 - x0, struct.unpack_from(">H", frame, start + 40)[0]


def _jpeg_size(frame: bytes) -> tuple[int, int, int] | None:
    offset = 2
    while offset + 10 <= len(frame):
        if frame[offset] != 0xFF:
            return None
        marker = frame[offset + 1]
        if marker in _FRAME_MARKERS:
            rows, columns, components = struct.unpack_from(">HHB", frame, offset + 5)
            return rows, columns, components
        if marker == 0xFF:  # fill byte
            offset += 1
        elif marker in _BARE_MARKERS:
            offset += 2
        else:
            offset += 2 + struct.unpack_from(">H", frame, offset + 2)[0]
    return None
