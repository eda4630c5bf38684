"""Effects on files: atomic writes, hashes, and text that is safe to store."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from artemis.errors import WorkspaceError
from artemis.system.disk import FULL

_HASH_BLOCK = 1 << 20
_ESCAPE = re.compile(rb"\\x(5c|[89a-f][0-9a-f])")
_LIKE_AN_ESCAPE = re.compile(rb"\\(?=x(?:5c|[89a-f][0-9a-f]))")


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make a folder and those above it; one that is there stays as it is.

    Raises
    ------
    WorkspaceError
        If there is nowhere to make it: below a folder that takes none, such as ``/proc``. What
        else fails is an OSError, see `artemis.system.disk.disk_words`.
    """
    try:
        folder.mkdir(mode, parents=True, exist_ok=True)
    except FileNotFoundError as error:
        raise WorkspaceError(
            f"{folder}: expected a folder that can be made. Received: {error.strerror}. Choose "
            "another place with --workspace, ARTEMIS_WORKSPACE or the command's --output."
        ) from error


def is_out_of_reach(path: Path) -> bool:
    """Return whether a path, or one of the two folders above it, is a link that leads nowhere.

    What lies there is not missing: it may be on a disk that is not mounted.
    """
    return any(one.is_symlink() and not one.exists() for one in (path, *list(path.parents)[:2]))


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_HASH_BLOCK):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target` that replaces it on success.

    The file is flushed to disk before the rename and its folder after it, so
    that a reader sees the whole file or none. On an error the temporary file
    is removed and `target` stays as it was; that of a full disk names it, which
    whoever writes to an open file does not.

    Raises
    ------
    WorkspaceError
        If its folder cannot be made, see `make_folder`.
    """
    make_folder(target.parent)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(target)
        _sync(target.parent)
    except OSError as error:
        full = _full(error, temporary) if error.filename is None else None
        if full is None:
            raise
        raise OSError(full, os.strerror(full), str(target)) from error
    finally:
        temporary.unlink(missing_ok=True)


def _full(error: OSError, temporary: Path) -> int | None:
    """Return the number of an error that says that the disk takes no more; None for others.

    NumPy's has none, so whether the file takes another block is tried.
    """
    if error.errno is None:
        try:
            with temporary.open("ab") as stream:
                stream.write(bytes(_HASH_BLOCK))
        except OSError as said:
            error = said
    return error.errno if error.errno in FULL else None


def write_text_atomic(target: Path, text: str) -> None:
    """Write `text` as UTF-8 to `target` by way of a temporary file."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


def printable_path(path: str | os.PathLike[str]) -> str:
    r"""Return a path as valid UTF-8 text; undecodable bytes become ``\xNN``.

    File names are bytes and need not be UTF-8; Parquet and HTML hold UTF-8 only. Distinct
    paths have distinct texts, and `raw_path` leads back. For that, a backslash that the
    name itself has before ``x5c``, or before ``x80`` to ``xff``, becomes ``\x5c``; every
    other name that is UTF-8 stays as it is, other backslashes too.
    """
    return _LIKE_AN_ESCAPE.sub(rb"\\x5c", os.fsencode(path)).decode("utf-8", "backslashreplace")


def raw_path(text: str) -> bytes:
    """Return the path, as the operating system names it, of which this is the printable one."""
    return _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode("ascii")), text.encode("utf-8"))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
