"""PNG without its text chunks, which Pillow reads whether anybody wants them or not."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO, Final

_SIGNATURE_BYTES: Final = 8
_TEXT: Final = frozenset({b"tEXt", b"zTXt", b"iTXt"})  # PNG 1.2 section 4.2.3


def without_text(stream: BinaryIO) -> io.BytesIO:
    """Return a copy of a PNG without its text chunks.

    Parameters
    ----------
    stream : BinaryIO
        The file, whose `read` returns no more than is left.

    Returns
    -------
    BytesIO
        All other chunks, as they are; also the remains of a broken end.
    """
    stream.seek(0)
    kept = io.BytesIO()
    kept.write(stream.read(_SIGNATURE_BYTES))
    while len(start := stream.read(8)) == 8:
        length, name = struct.unpack(">I4s", start)
        if name in _TEXT:
            stream.seek(length + 4, io.SEEK_CUR)  # past its checksum
        else:
            kept.write(start)
            kept.write(stream.read(length + 4))
    kept.write(start)
    kept.seek(0)
    return kept
