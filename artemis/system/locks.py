"""A lock that one process of a workspace holds at a time, and that says who holds it."""

from __future__ import annotations

import errno
import os
import secrets
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from artemis.errors import BusyError, WorkspaceError
from artemis.system.files import make_folder

if sys.platform != "win32":
    import fcntl

_NO_LOCKS_HERE: Final = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
_LONGEST_NOTE: Final = 1000
_POLL: Final = 0.05


@contextmanager
def exclusive(path: Path, what: str) -> Iterator[None]:
    """Hold the lock `path` within this context; whoever else asks for it is refused at once.

    The kernel holds the lock (``flock``), so it ends with the process, however that ends;
    the file stays, empty. Where a file system knows no locks, the presence of
    ``<path>.held`` is the lock; one left behind by a process of this machine that is gone
    is passed over.

    Parameters
    ----------
    path : Path
        The lock's file; its folder is made where needed.
    what : str
        What is done under it, with its article, such as ``a retraining``; named to others.

    Raises
    ------
    BusyError
        If another process, or another thread of this one, holds it.
    WorkspaceError
        If its folder cannot be made.
    """
    make_folder(path.parent)
    note = f"{os.getpid()} {socket.gethostname()} {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {what}"
    descriptor = _lock(path)
    if descriptor is None:
        with _held_by_presence(path.with_name(f"{path.name}.held"), note):
            yield
        return
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, note.encode("utf-8", "replace"))
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


@contextmanager
def exclusive_within(patience: float, path: Path, what: str) -> Iterator[None]:
    """Hold the lock `path` as `exclusive` does, after waiting for whoever has it.

    Parameters
    ----------
    patience : float
        Seconds to wait at most.
    path, what
        As of `exclusive`.

    Raises
    ------
    BusyError
        If another process, or another thread of this one, holds it for longer.
    WorkspaceError
        If its folder cannot be written.
    """
    deadline = time.monotonic() + patience
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(exclusive(path, what))
                break
            except BusyError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_POLL)
            except OSError as error:
                raise WorkspaceError(
                    f"{path}: expected a folder that can be written. Received: {error.strerror}. "
                    "Choose another with --workspace or ARTEMIS_WORKSPACE."
                ) from error
        yield


def _lock(path: Path) -> int | None:
    """Return the locked file's descriptor; None if this file system knows no locks."""
    if sys.platform == "win32":
        return None
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise _busy(path, _read(path)) from None
    except OSError as error:
        os.close(descriptor)
        if error.errno in _NO_LOCKS_HERE:
            return None
        raise
    return descriptor


@contextmanager
def _held_by_presence(path: Path, note: str) -> Iterator[None]:
    found = _read(path)
    if found and not _may_live(found):
        _remove_if_still(path, found)
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(note)
    except FileExistsError:
        raise _busy(path, _read(path), f" If it is gone, delete {path}.") from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def was_held_here(path: Path) -> bool:
    """Return whether it was a process of this machine that held a lock last, or holds it.

    A file system may keep the locks of each machine to itself (``local_lock`` of NFS,
    ``localflock`` of Lustre): another machine's may be had here though it is held.
    """
    return _read(path).split(" ")[1:2] == [socket.gethostname()]


def _remove_if_still(path: Path, note: str) -> None:
    """Remove a lock that was left behind, unless another process has replaced it just now."""
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return
    if _read(aside) == note:
        aside.unlink()
    else:
        aside.rename(path)


def _may_live(note: str) -> bool:
    """Return False only if the holder was a process of this machine that is gone."""
    pid, _, rest = note.partition(" ")
    if sys.platform == "win32" or not pid.isdigit() or rest.split(" ")[0] != socket.gethostname():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            return stream.read(_LONGEST_NOTE)
    except FileNotFoundError:
        return ""


def _busy(path: Path, note: str, hint: str = "") -> BusyError:
    pid, host, since, what = [*note.split(" ", 3), "", "", "", ""][:4]
    holder = (
        f"{what} by process {pid} on {host} since {since}"
        if what
        else "a holder that has not yet said who it is"
    )
    return BusyError(
        f"{path}: expected nobody else at the same work in this workspace. Received: {holder}. "
        f"Wait until it has finished, or end it.{hint}"
    )
