"""Deflated content at any place, without unpacking all that lies before, or holding it."""

from __future__ import annotations

import io
import threading
import zlib
from bisect import bisect_right
from typing import Any, BinaryIO, Final, NamedTuple

GZIP: Final = 16 + zlib.MAX_WBITS
"""Members of a gzip file, one after the other (RFC 1952)."""

BARE: Final = -zlib.MAX_WBITS
"""Deflated data without header and checksum (RFC 1951)."""

_INPUT_BYTES: Final = 1 << 17
_SKIPPED_BYTES: Final = 1 << 20
_MOST_PLACES: Final = 128
_FIRST_INTERVAL: Final = 1 << 20


class Place(NamedTuple):
    """Where unpacking can go on.

    Attributes
    ----------
    unpacked, packed : int
        Offsets of the next byte in the content and in the file.
    inflater : zlib decompression object
        As it was there; to be copied. It holds some 40 kB.
    """

    unpacked: int
    packed: int
    inflater: Any


class Places:
    """Places of one file, so evenly spread over what was unpacked that they never are many.

    Threads that read the same content may share them.

    Parameters
    ----------
    kind : int
        `GZIP` or `BARE`.
    start : int
        Offset of the first packed byte in the file.
    """

    def __init__(self, kind: int = GZIP, start: int = 0) -> None:
        self.kind = kind
        self._lock = threading.Lock()
        self._interval = _FIRST_INTERVAL
        self._kept = [Place(0, start, zlib.decompressobj(kind))]

    def before(self, unpacked: int) -> Place:
        """Return the last known place that is not beyond an offset of the content."""
        with self._lock:
            index = bisect_right(self._kept, unpacked, key=lambda place: place.unpacked)
            return self._kept[index - 1]

    def pass_by(self, unpacked: int, packed: int, inflater: Any) -> None:
        """Keep this place if it is far enough behind the last one."""
        if unpacked < self._kept[-1].unpacked + self._interval:
            return
        with self._lock:
            if unpacked >= self._kept[-1].unpacked + self._interval:
                self._kept.append(Place(unpacked, packed, inflater.copy()))
            if len(self._kept) > _MOST_PLACES:
                del self._kept[1::2]
                self._interval *= 2


class InflatedReader(io.RawIOBase):
    """The content of a gzip file, or of deflated data in a file, at any offset.

    Going back, or far ahead over what was unpacked before, costs what lies between two places.
    Reading raises EOFError where the file ends within the data, and zlib.error for data or
    checksums that are wrong.

    Parameters
    ----------
    stored : BinaryIO
        The file.
    places : Places, optional
        Those of the same content, where several read it.
    """

    def __init__(self, stored: BinaryIO, places: Places | None = None) -> None:
        self._stored = stored
        self._places = places or Places()
        self._wanted = 0
        self._resume(self._places.before(0))

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the offset in the content."""
        return self._wanted

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to an offset of the content; nothing is unpacked until it is read."""
        if whence == io.SEEK_END:
            raise io.UnsupportedOperation("the length of the content is not known")
        self._wanted = max(0, offset + (self._wanted if whence == io.SEEK_CUR else 0))
        return self._wanted

    def readinto(self, buffer: Any, /) -> int:
        """Read at most as many bytes as `buffer` takes; 0 at the end of the content."""
        view = memoryview(buffer).cast("B")
        if not view or not self._arrive():
            return 0
        data = self._next(len(view))
        view[: len(data)] = data
        self._wanted = self._unpacked
        return len(data)

    def _arrive(self) -> bool:
        """Unpack up to the offset that is wanted; return whether the content reaches it."""
        place = self._places.before(self._wanted)
        if self._wanted < self._unpacked or place.unpacked > self._unpacked:
            self._resume(place)
        while (left := self._wanted - self._unpacked) > 0:
            if not self._next(min(left, _SKIPPED_BYTES)):
                return False
        return True

    def _resume(self, place: Place) -> None:
        self._unpacked, self._packed = place.unpacked, place.packed
        self._inflater = place.inflater.copy()
        self._input = b""

    def _next(self, most: int) -> bytes:
        """Return the next bytes of the content, at most so many; none at its end."""
        while True:
            if self._inflater.eof and not self._begin_member():
                return b""
            fresh = self._input or self._more()
            data: bytes = self._inflater.decompress(fresh, most)
            self._input = self._inflater.unused_data or self._inflater.unconsumed_tail
            self._packed += len(fresh) - len(self._input)
            self._unpacked += len(data)
            if data:
                self._places.pass_by(self._unpacked, self._packed, self._inflater)
                return data
            if not fresh and not self._inflater.eof:
                raise EOFError("The file ends within its packed data.")

    def _more(self) -> bytes:
        # Two may read the same file in turn, and `stored` may stand anywhere.
        self._stored.seek(self._packed)
        return self._stored.read(_INPUT_BYTES)

    def _begin_member(self) -> bool:
        """Go to the next member, over zeros that pad the last; return whether there is one."""
        while self._places.kind == GZIP:
            begun = self._input.lstrip(b"\0")
            self._packed += len(self._input) - len(begun)
            self._input = begun
            if begun:
                self._inflater = zlib.decompressobj(GZIP)
                return True
            self._input = self._more()
            if not self._input:
                break
        return False
