"""Where the frames of compressed pixel data lie (PS3.5 A.4), found once for a file.

Without an offset table pydicom walks all fragments for every frame, twice: hours for a file of
some megabytes that holds a hundred thousand frames.
"""

from __future__ import annotations

import io
import struct
from itertools import pairwise
from typing import BinaryIO, Final

from artemis.ingest.reasons import Reason, scan_error

_ITEM: Final = 0xFFFEE000
_ITEM_BYTES: Final = 8
_EMPTY_TABLE: Final = b"\xfe\xff\x00\xe0" + bytes(4)
_END_OF_IMAGE: Final = b"\xff\xd9"
_TAIL: Final = 10  # bytes; the marker may be followed by padding
_MOST_FRAGMENTS: Final = 1_000_000

Fragment = tuple[int, int]
"""First byte of its value in the stream, and its length."""


def frames_of(stream: BinaryIO, offset: int, frames: int) -> list[list[Fragment]] | None:
    """Return the fragments of each frame, or None where the offset table contradicts them.

    A frame begins where the table says. Without one for all of them, one fragment is a frame if
    there are as many; else a frame ends with the fragment that ends with the marker of an image's
    end. There may be fewer frames than stated.

    Parameters
    ----------
    stream : BinaryIO
        The file.
    offset : int
        First byte of the pixel data's value.
    frames : int
        Number of frames, as stated.

    Raises
    ------
    ScanReadError
        With reason ``bad_header`` where there are more fragments than anybody writes.
    """
    stream.seek(offset)
    table = _item(stream)
    if table is None:
        return None  # pydicom names what is wrong
    begins = [begin for (begin,) in struct.iter_unpack("<I", stream.read(table[1] // 4 * 4))]
    base = stream.tell()
    fragments: list[Fragment] = []
    while (found := _item(stream)) is not None:
        fragments.append(found)
        stream.seek(found[1], io.SEEK_CUR)
        if len(fragments) > _MOST_FRAGMENTS:
            most = f"at most {_MOST_FRAGMENTS:,} fragments"
            raise scan_error(Reason.BAD_HEADER, most, "more than that")
    if frames == 1:
        return [fragments] if fragments else []
    if len(begins) >= frames:
        return _by_table(fragments, [base + begin for begin in begins])
    if frames == len(fragments):
        return [[fragment] for fragment in fragments]
    return _by_end_of_image(stream, fragments)


def _by_table(fragments: list[Fragment], begins: list[int]) -> list[list[Fragment]] | None:
    places = {start - _ITEM_BYTES: number for number, (start, _) in enumerate(fragments)}
    last = max(places, default=-1)
    firsts = [places.get(begin, -1) for begin in begins if begin <= last]  # others are cut off
    if firsts[:1] != [0] or any(one >= other for one, other in pairwise(firsts)):
        return None
    return [fragments[one:other] for one, other in pairwise([*firsts, len(fragments)])]


def _by_end_of_image(stream: BinaryIO, fragments: list[Fragment]) -> list[list[Fragment]]:
    found: list[list[Fragment]] = [[]]
    for start, length in fragments:
        found[-1].append((start, length))
        tail = min(_TAIL, length)
        stream.seek(start + length - tail)
        if _END_OF_IMAGE in stream.read(tail):
            found.append([])
    return [frame for frame in found if frame]


def _item(stream: BinaryIO) -> Fragment | None:
    """Return the value of the item that begins here; None for anything else, or the end."""
    start = stream.read(_ITEM_BYTES)
    if len(start) < _ITEM_BYTES:
        return None
    group, element, length = struct.unpack("<HHI", start)
    return (stream.tell(), length) if group << 16 | element == _ITEM else None


def frame_alone(stream: BinaryIO, fragments: list[Fragment]) -> bytes:
    """Return the bytes of one frame.

    Raises
    ------
    ScanReadError
        With reason ``truncated`` where the file ends within it: decoders of JPEG and JPEG-LS make
        a picture of what there is, and say nothing.
    """
    parts = []
    for start, length in fragments:
        stream.seek(start)
        parts.append(stream.read(length))
    return whole(b"".join(parts), sum(length for _, length in fragments))


def whole(frame: bytes, stated: int) -> bytes:
    """Return a compressed frame that has as many bytes as stated.

    Raises
    ------
    ScanReadError
        With reason ``truncated`` for any other.
    """
    if len(frame) < stated:
        expected = f"{stated:,} bytes of a compressed frame"
        raise scan_error(Reason.TRUNCATED, expected, f"{len(frame):,}")
    return frame


def encapsulated(frame: bytes) -> io.BytesIO:
    """Return pixel data that hold this frame alone."""
    return io.BytesIO(_EMPTY_TABLE + struct.pack("<HHI", 0xFFFE, 0xE000, len(frame)) + frame)
