"""What waits in the inbox: batches, what they hold, and whether they are whole.

A batch is ready where its sender marked it, or where nothing of it has changed for a while.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from artemis.errors import WorkspaceError
from artemis.system.files import printable_path

INBOX: Final = "inbox"
PROCESSING: Final = "processing"
READY: Final = ".ready"
"""A batch with this file in it, or ``<name>.ready`` beside it, is taken without waiting."""

_LOOSE: Final = "loose-files"
_AHEAD: Final = 60.0
"""Seconds after now from which on a date is of before the clock was set back."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a batch in the inbox held when it was looked at.

    `changed` is the newest change in seconds since the epoch.
    """

    files: int
    size: int
    changed: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A batch in the inbox: a folder, or all loose files together.

    `entries` are names in the inbox; `marked` says that its sender marked it as complete.
    """

    name: str
    entries: tuple[str, ...]
    loose: bool
    marked: bool
    listing: Listing

    def is_ready(self, quiet_period: float, now: float) -> bool:
        """Return whether it may be taken: marked, or unchanged for `quiet_period` seconds."""
        if self.marked:
            return True
        return self.listing.files > 0 and now - self.listing.changed >= quiet_period


def now(workspace: Path) -> float:
    """Return the time by the clock that dates the files of the inbox, a file server's perhaps.

    Raises
    ------
    WorkspaceError
        If no file can be made in processing/.
    """
    folder = workspace / PROCESSING
    try:
        with tempfile.TemporaryFile(dir=folder) as dated:
            return os.fstat(dated.fileno()).st_mtime
    except OSError as error:
        raise moving_failed(folder, error) from None


def candidates(workspace: Path) -> list[Candidate]:
    """Return the batches of the inbox, ready or not, in order of their names.

    Names that begin with a dot are passed over, and so are markers.
    """
    inbox, looked = workspace / INBOX, now(workspace)
    with os.scandir(inbox) as listed:
        entries = sorted(listed, key=lambda entry: os.fsencode(entry.name))
    loose = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
    scans = tuple(n for n in loose if not n.startswith(".") and not n.endswith(READY))
    files = set(loose)
    found = []
    for entry in entries:
        if entry.name in files or entry.name.startswith("."):
            continue
        marked = f"{entry.name}{READY}" in files or has_marker(inbox / entry.name)
        listing = listing_of(inbox, (entry.name,), looked)
        found.append(Candidate(entry.name, (entry.name,), False, marked, listing))
    if scans:
        listing = listing_of(inbox, scans, looked)
        found.append(Candidate(_LOOSE, scans, True, READY in files, listing))
    return found


def has_marker(folder: Path) -> bool:
    """Return whether a batch holds its own marker."""
    try:
        return not folder.is_symlink() and (folder / READY).is_file()
    except OSError:
        return False  # a folder that may not be entered; it holds nothing to be seen, and waits


def listing_of(inbox: Path, entries: tuple[str, ...], looked: float) -> Listing:
    """Return what entries of the inbox hold, looked at at a time by `now`."""
    files = size = 0
    changed = 0.0
    for entry in entries:
        for path in (inbox / entry, *walk(inbox / entry)):
            try:
                status = path.lstat()
            except OSError:
                continue  # gone, or not to be seen; if it is gone, its folder has changed
            changed = max(changed, _changed(status, looked))
            if not stat.S_ISDIR(status.st_mode):
                files, size = files + 1, size + status.st_size
    return Listing(files, size, changed)


def _changed(status: os.stat_result, looked: float) -> float:
    """Return the last change; ``cp -p`` and ``rsync -t`` set mtime back, but not ctime.

    A date of the future says nothing: mtime is what its sender says, and ctime is of before the
    clock was set back, as by the first answer of a time server.
    """
    dates = (status.st_ctime, status.st_mtime)
    return max((date for date in dates if date <= looked + _AHEAD), default=0.0)


def walk(folder: Path) -> Iterator[Path]:
    """Yield everything below a folder; links are not followed, what cannot be listed is empty."""
    if folder.is_symlink():
        return  # os.walk would follow this one
    for root, folders, files in os.walk(folder):
        yield from (Path(root) / name for name in (*folders, *files))


def moving_failed(folder: Path, error: OSError) -> WorkspaceError:
    """Return the named error; it does not name the batch, since it may reach logs.

    It is raised from None: what the system said names the batch, and a log holds that too.
    """
    if error.errno == errno.EXDEV:
        return WorkspaceError(
            f"{printable_path(folder)}: expected inbox/, processing/, done/ and quarantine/ on one "
            "file system, so that a batch moves by rename. Received several. Mount the whole "
            "workspace, not the inbox alone."
        )
    return WorkspaceError(
        f"{printable_path(folder)}: expected that batches can be moved into it and out of it. "
        f"Received: {os.strerror(error.errno or 0)}. Check its permissions and its disk."
    )
