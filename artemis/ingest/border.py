"""The border around one image: files opened safely, and every failure turned into a reason.

Decoders of hostile bytes raise anything. What they raise stops here and becomes a
`ScanError` of that image alone; their own words are not repeated, since they may quote
the patient's data.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from artemis.errors import ScanError
from artemis.ingest.quiet import mute_readers
from artemis.ingest.reasons import Reason, scan_error
from artemis.system.files import printable_path

IN_MEMORY_BYTES: Final = 64 << 20
"""Size of a file up to which it is read once, into memory."""

_READABLE: Final = "a readable image"


@contextmanager
def image_border() -> Iterator[None]:
    """Turn everything that reading one image may raise into a `ScanError`; say nothing of it.

    Raises
    ------
    ScanError
        In place of any other exception, also of MemoryError and RecursionError.
    """
    mute_readers()
    try:
        yield
    except ScanError:
        raise
    except MemoryError as error:
        raise scan_error(
            Reason.OUT_OF_MEMORY, "an image that fits into memory", "one that does not"
        ) from error
    except RecursionError as error:
        raise scan_error(
            Reason.NESTED_TOO_DEEPLY, _READABLE, "elements nested beyond reason"
        ) from error
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__module__ != "pyo3_runtime":
            raise  # an interrupt or a cancellation; a panic of a decoder in Rust is neither
        raise _classified(error) from error


def _classified(error: BaseException) -> ScanError:
    text = str(error).lower()
    if isinstance(error, OSError) and error.errno is not None:
        return scan_error(Reason.UNREADABLE_FILE, "a file that can be read", _os_words(error))
    if isinstance(error, EOFError | struct.error) or "truncated" in text:
        return scan_error(Reason.TRUNCATED, "a whole file", "data that end too early")
    if isinstance(error, zlib.error):
        return scan_error(Reason.UNDECODABLE, _READABLE, "compressed data with an error")
    return scan_error(
        Reason.UNDECODABLE, _READABLE, f"data that its decoder rejects ({type(error).__name__})"
    )


def _os_words(error: OSError) -> str:
    words = os.strerror(error.errno or 0)
    return words[:1].lower() + words[1:]


class BoundedReader(io.BufferedReader):
    """A file whose `read` never asks for more than is left.

    Parsers take lengths from the file; without this a length of 4 GB in a file of
    4 kB allocates 4 GB before anything is read.
    """

    def __init__(self, raw: io.RawIOBase, size: int) -> None:
        super().__init__(raw)
        self._length = size

    def read(self, size: int | None = -1, /) -> bytes:
        """Return at most `size` bytes, and at most what is left of the file."""
        left = max(0, self._length - self.tell())
        return super().read(left if size is None or size < 0 else min(size, left))


def open_regular(path: Path) -> tuple[BoundedReader, int]:
    """Open a regular file for reading; never blocks on a FIFO put in its place.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    BoundedReader, int
        The open file and its size in bytes.

    Raises
    ------
    ScanError
        If it is not a regular file, is empty, or cannot be opened.
    """
    try:
        # Before opening, since opening a device may already do something;
        # after it again, since the name may lead elsewhere by then.
        _refuse_irregular(path.stat())
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise scan_error(
            Reason.FILE_CHANGED, "the file that was found", "none of that name"
        ) from error
    except OSError as error:
        raise scan_error(
            Reason.UNREADABLE_FILE, "a file that can be read", _os_words(error)
        ) from error
    status = os.fstat(descriptor)
    stream = BoundedReader(io.FileIO(descriptor, "rb"), status.st_size)
    try:
        _refuse_irregular(status)
        if status.st_size == 0:
            raise scan_error(Reason.EMPTY_FILE, _READABLE, "a file of zero bytes")
    except ScanError:
        stream.close()
        raise
    return stream, status.st_size


def _refuse_irregular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise scan_error(
            Reason.NOT_A_REGULAR_FILE, "a regular file", "a folder, pipe, socket or device"
        )


def buffered(stream: BoundedReader, size: int) -> io.BufferedReader | io.BytesIO:
    """Return a small file's bytes in memory, so that hash and pixels are of the same bytes."""
    if size > IN_MEMORY_BYTES:
        return stream
    with stream:
        return io.BytesIO(stream.read())


def message_name(path: bytes) -> str:
    """Return a relative path for messages; control and bidirectional characters are escaped."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in printable_path(os.fsdecode(path))
    )
