"""The files of a batch folder, in a fixed order, each of them accounted for."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from artemis.errors import ScanError
from artemis.ingest.reasons import Reason, scan_error
from artemis.ingest.spool import Names, Spool


@dataclass(frozen=True, slots=True)
class Found:
    """Something in a folder.

    Attributes
    ----------
    path : bytes
        Relative to the batch folder, as the operating system names it.
    problem : ScanError or None
        Why it is not to be opened; None for a regular file or a link to one.
    """

    path: bytes
    problem: ScanError | None = None


def walk(root: Path, skipped: Collection[Path] = (), spool: Spool | None = None) -> Iterator[Found]:
    """Yield what `root` holds, folder by folder: its files by name, then its subfolders.

    Folders are listed only when reached. Links to folders are not followed, so that a
    circle of links ends; nothing is opened.

    Parameters
    ----------
    root : Path
        The batch folder.
    skipped : collection of Path
        Resolved paths that are passed over: what Artemis itself wrote. Whoever calls says
        so, see `artemis.batches.own.passed_over`.
    spool : Spool, optional
        Where the names of large folders wait; one of its own by default.
    """
    resolved = root.resolve()
    own = {path.relative_to(resolved) for path in skipped if path.is_relative_to(resolved)}
    spool, top = spool or Spool(), os.fsencode(root / "_")[:-1]
    pending: list[Iterator[bytes]] = [iter([b""])]  # a level each
    while pending:
        folder = next(pending[-1], None)
        if folder is None:
            pending.pop()
            continue
        try:
            files, folders = _list(located(root, folder), spool)
        except OSError as error:
            yield Found(folder or b".", _unreadable_folder(error))
            continue
        for path in _below(folder, files, own):
            yield Found(path, not_to_be_opened(top + path))
        pending.append(_below(folder, folders, own))


def located(root: Path, path: bytes) -> Path:
    """Return where a path relative to the batch folder lies; its bytes survive the way."""
    return root / os.fsdecode(path)


def _list(folder: Path, spool: Spool) -> tuple[Names, Names]:
    """Return the names of a folder's files, or what else is in it, and of its subfolders."""
    files, folders = Names(spool), Names(spool)
    with os.scandir(folder) as entries:
        for entry in entries:
            (folders if _is_folder(entry) else files).add(os.fsencode(entry.name))
    return files, folders


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False  # `not_to_be_opened` says what is wrong with it


def _below(folder: bytes, names: Iterable[bytes], own: Collection[Path]) -> Iterator[bytes]:
    for name in names:
        path = folder + b"/" + name if folder else name
        if not (own and Path(os.fsdecode(path)) in own):
            yield path


def not_to_be_opened(path: bytes) -> ScanError | None:
    """Return why something that is no folder is not to be opened, if so; nothing is opened."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - a Path each is slow, by the million
    except OSError as error:
        words = os.strerror(error.errno or 0).lower()
        if os.path.islink(path):  # noqa: PTH114 - this one never raises
            return scan_error(Reason.BROKEN_LINK, "a link to a file", f"one that fails: {words}")
        return scan_error(Reason.UNREADABLE_FILE, "a file that can be read", words)
    if stat.S_ISDIR(mode):
        return scan_error(
            Reason.SYMLINKED_FOLDER, "a folder or file", "a symbolic link to a folder"
        )
    if stat.S_ISREG(mode):
        return None
    return scan_error(Reason.NOT_A_REGULAR_FILE, "a regular file", _special(mode))


def _unreadable_folder(error: OSError) -> ScanError:
    words = os.strerror(error.errno or 0).lower()
    return scan_error(Reason.UNREADABLE_FOLDER, "a folder that can be listed", words)


def _special(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "a named pipe"
    if stat.S_ISSOCK(mode):
        return "a socket"
    return "a device"
