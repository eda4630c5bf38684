"""What a DICOM header may cost to read, whatever its bytes: elements, bytes, inflation.

pydicom reads a header element by element for as long as there are bytes, and in a
sequence of undefined length it calls nobody back. So the stream itself is metered.
"""

from __future__ import annotations

from contextlib import suppress
from typing import BinaryIO, Final

from pydicom.tag import BaseTag

from artemis.errors import ScanError
from artemis.ingest.border import BoundedReader
from artemis.ingest.inflate import BARE, InflatedReader, Places
from artemis.ingest.reasons import Reason, scan_error

# A data set is in ascending order of its tags (PS3.5 7.1). Old writers have put single
# elements at a wrong place; a stretch of zeros is the same tag a million times.
_MOST_OUT_OF_ORDER: Final = 100
# One element takes two or three reads. Classic headers have a few hundred elements. Enhanced
# ones have some sixty elements and ten items a frame, in about 2.5 kB, and pixels besides.
_READS_OF_ANY_FILE: Final = 100_000
_BYTES_A_READ: Final = 16
# An item becomes a data set of its own. Zeros are an element that no data set has.
_DEAR: Final = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00", bytes(8))
_READS_OF_A_DEAR_ONE: Final = 8
# The functional groups of 100,000 frames. Elements that are not asked for are skipped, not read.
_MOST_HEADER_BYTES: Final = 256 << 20
# Pixels of scanners shrink two to tenfold, black ones with noise a little more.
_MOST_INFLATION: Final = 100
_ALWAYS_INFLATED: Final = 64 << 20
_COUNTED_BYTES: Final = 1 << 20


class MeteredReader:
    """The part of a binary file that pydicom uses, with an end to its patience.

    Parameters
    ----------
    stream : BinaryIO
        The file.
    size : int
        Its size in bytes; larger files may hold more elements.

    Attributes
    ----------
    problem : ScanError or None
        What `read` raised; pydicom replaces what is raised in it at some places.
    """

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._reads_left = _READS_OF_ANY_FILE + size // _BYTES_A_READ
        self._bytes_left = _MOST_HEADER_BYTES
        self.problem: ScanError | None = None
        self._size, self._ends = size, 0
        self.tell = stream.tell
        self.seek = stream.seek

    def read(self, size: int = -1, /) -> bytes:
        """Return at most `size` bytes.

        Raises
        ------
        ScanReadError
            ``bad_header`` once there were too many reads or bytes; ``truncated`` where the
            stream ends within an element, which pydicom takes for the end of the data set.
        """
        data = self._stream.read(size)
        # At a proper end the next element's start is asked for in vain, once.
        self._ends += not data and size > 0
        if 0 < len(data) < size or self._ends > 1:
            self.problem = _cut()
            raise self.problem
        self._reads_left -= _READS_OF_A_DEAR_ONE if data.startswith(_DEAR) else 1
        self._bytes_left -= len(data)
        if self._reads_left < 0 or self._bytes_left < 0:
            self.problem = scan_error(
                Reason.BAD_HEADER,
                "a header of a size that suits the file",
                "one of far more elements or bytes",
            )
            raise self.problem
        return data

    def check_end(self) -> None:
        """Raise if the last element, which was skipped, ends beyond the stream.

        Raises
        ------
        ScanReadError
            With reason ``truncated``.
        """
        if self.tell() > self._size:
            raise _cut()


def _cut() -> ScanError:
    return scan_error(Reason.TRUNCATED, "a whole header", "one that ends within an element")


class AscendingTags:
    """Callback for `pydicom.filereader.read_dataset` that stops at certain tags.

    Parameters
    ----------
    last : collection of int
        Tags to stop at.
    """

    def __init__(self, last: frozenset[int]) -> None:
        self._last = last
        self._previous = -1
        self._out_of_order = 0

    def __call__(self, tag: BaseTag, vr: str | None, length: int) -> bool:
        """Return whether to stop before this element.

        Raises
        ------
        ScanReadError
            ``bad_header`` where many tags are not larger than the one before.
        """
        if tag in self._last:
            return True
        self._out_of_order += tag <= self._previous
        self._previous = tag
        if self._out_of_order > _MOST_OUT_OF_ORDER:
            raise scan_error(
                Reason.BAD_HEADER,
                "elements in ascending order of their tags",
                f"more than {_MOST_OUT_OF_ORDER} that are not",
            )
        return False


def inflated(stream: BinaryIO, size: int, max_inflated: int) -> tuple[BoundedReader, int]:
    """Inflate the rest of a stream (PS3.5 A.5), piece by piece as it is read.

    Parameters
    ----------
    stream : BinaryIO
        At the start of the deflated bytes.
    size : int
        Size of the file in bytes.
    max_inflated : int
        Largest size once inflated, in bytes; it is at most a hundredfold of `size`, or
        64 MB where that is more.

    Returns
    -------
    BoundedReader, int
        The data set and its size in bytes; of data that end too early, what there is.

    Raises
    ------
    ScanRefusedError
        With reason ``volume_too_large``.
    """
    # pydicom inflates without a limit: a few kilobytes could become gigabytes.
    most = min(max_inflated, max(_ALWAYS_INFLATED, _MOST_INFLATION * size))
    content = InflatedReader(stream, Places(BARE, stream.tell()))
    length = 0
    with suppress(EOFError):
        while length <= most and (piece := content.read(_COUNTED_BYTES)):
            length += len(piece)
    if length > most:
        raise scan_error(
            Reason.VOLUME_TOO_LARGE,
            f"a data set of at most {most:,} bytes once inflated",
            "a larger one",
        )
    content.seek(0)
    return BoundedReader(content, length), length
