"""What a person is told when the disk, and not Artemis, is what failed."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
from pathlib import Path
from typing import Final

FULL: Final = {
    errno.ENOSPC: "Free some space",
    errno.EDQUOT: "Free some space",
    errno.EFBIG: "Raise the limit on the size of files (`ulimit -f`)",
}
"""What helps where the disk, or what the user may have of it, takes no more, by error number."""

_FULL_BY_SQLITE: Final = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE}
_IN_THE_WAY: Final = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
}
_TEMPORARY: Final = re.compile(r"\.(.+)\.[0-9a-f]{8}\.tmp")  # see `atomic_path`
_QUOTED: Final = re.compile(r"'([^']+)'")


def disk_words(error: OSError) -> str | None:
    """Return which file cannot be used, why, and what to do; None if that is not what failed.

    A file that is missing is not of these: whoever reads one says what it is.
    """
    if error.errno not in _IN_THE_WAY.union(FULL):
        return None
    named = error.filename if isinstance(error.filename, str | os.PathLike) else _quoted(error)
    if not named:
        return _of_a_stream(error)
    path = Path(named)
    if made := _TEMPORARY.fullmatch(path.name):
        path = path.with_name(made[1])
    remedy = FULL.get(error.errno or 0, "Change its rights, or remove what is in the way")
    return (
        f"{path}: expected a file or folder that can be read and written. Received: "
        f"{os.strerror(error.errno)}. {remedy}, or choose another place with --workspace, "
        "ARTEMIS_WORKSPACE or the command's --output."
    )


def _of_a_stream(error: OSError) -> str | None:
    """Return what is said of a full disk whose error names no file, as that of a stream does."""
    if error.errno not in FULL:
        return None
    return (
        "Standard output, or another file that is open: expected room for what is written to it. "
        f"Received: {os.strerror(error.errno)}. {FULL[error.errno]}, or let it go elsewhere."
    )


def is_full(error: BaseException | None) -> bool:
    """Return whether an error, or what it came from, says that the disk takes no more."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return True
        if getattr(error, "sqlite_errorcode", None) in _FULL_BY_SQLITE:
            return True
        error = error.__cause__
    return False


def _quoted(error: OSError) -> str | None:
    """Return the path in the text of an error that names it nowhere else, as pyarrow's do."""
    found = _QUOTED.search(str(error))
    return found[1] if found else None
