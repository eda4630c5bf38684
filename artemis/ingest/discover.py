"""The files of a batch folder, in a fixed order, each of them accounted for."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from artemis.errors import ScanError
from artemis.ingest.reasons import Reason, scan_error

_DIGITS = re.compile(rb"(\d+)")
_Kind = Literal["file", "folder"] | ScanError


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


def natural_key(name: bytes) -> tuple[list[tuple[int, int, bytes]], bytes]:
    """Return a sorting key that puts ``image2`` before ``image10``."""
    parts = [
        (0, int(part), b"") if part.isdigit() else (1, 0, part.lower())
        for part in _DIGITS.split(name)
        if part
    ]
    return parts, name


def walk(root: Path, skipped: Collection[Path] = ()) -> Iterator[list[Found]]:
    """Yield what each folder below `root` holds, one list a folder, subfolders afterwards.

    Folders are listed only when reached. Links to folders are not followed, so that a
    circle of links ends; nothing is opened.

    Parameters
    ----------
    root : Path
        The batch folder.
    skipped : collection of Path
        Resolved paths that are passed over: what Artemis itself wrote. Whoever calls says
        so, see `artemis.own.passed_over`.
    """
    resolved = root.resolve()
    own = {path.relative_to(resolved) for path in skipped if path.is_relative_to(resolved)}
    pending = [b""]
    while pending:
        folder = pending.pop()
        found: list[Found] = []
        folders: list[bytes] = []
        try:
            listed = _list(located(root, folder))
        except OSError as error:
            yield [Found(folder or b".", _unreadable_folder(error))]
            continue
        for name, kind in sorted(listed, key=lambda entry: natural_key(entry[0])):
            path = folder + b"/" + name if folder else name
            if own and Path(os.fsdecode(path)) in own:
                continue
            if kind == "folder":
                folders.append(path)
            else:
                found.append(Found(path, None if kind == "file" else kind))
        yield found
        pending.extend(reversed(folders))


def located(root: Path, path: bytes) -> Path:
    """Return where a path relative to the batch folder lies; its bytes survive the way."""
    return root / os.fsdecode(path)


def _list(folder: Path) -> list[tuple[bytes, _Kind]]:
    with os.scandir(folder) as entries:
        return [(os.fsencode(entry.name), _kind(entry)) for entry in entries]


def _kind(entry: os.DirEntry[str]) -> _Kind:
    is_link = False
    try:
        is_link = entry.is_symlink()
        if entry.is_dir(follow_symlinks=False):
            return "folder"
        mode = entry.stat().st_mode
    except OSError as error:
        words = os.strerror(error.errno or 0).lower()
        if is_link:
            return scan_error(Reason.BROKEN_LINK, "a link to a file", f"one that fails: {words}")
        return scan_error(Reason.UNREADABLE_FILE, "a file that can be read", words)
    if stat.S_ISDIR(mode):
        return scan_error(
            Reason.SYMLINKED_FOLDER, "a folder or file", "a symbolic link to a folder"
        )
    if stat.S_ISREG(mode):
        return "file"
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
