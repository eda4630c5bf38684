"""The inbox: batches are taken by rename, once, and end in done/ or quarantine/.

::

    inbox/<name>  ->  processing/<id>  ->  done/<name>-<id>
                                       ->  quarantine/<name>-<id>, with its .reason.txt

While a batch is worked on its folder has no name but the claim's random id, since folders
are named after patients more often than they should be, and the path of a batch may reach
logs. ``processing/<id>.json`` keeps the name and counts the attempts. One consumer at a time
(see `PROCESSING_LOCK`) may look for what an earlier one left behind; the rename alone sees
to it that a batch is taken once.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from artemis.errors import WorkspaceError
from artemis.system.files import printable_path, write_text_atomic

INBOX: Final = "inbox"
PROCESSING: Final = "processing"
DONE: Final = "done"
QUARANTINE: Final = "quarantine"
PROCESSING_LOCK: Final = f"{PROCESSING}/.lock"
"""Of the workspace; to be held while batches are looked for and worked on."""

READY: Final = ".ready"
"""A batch with this file in it, or ``<name>.ready`` beside it, is taken without waiting."""

MAX_ATTEMPTS: Final = 2
_LOOSE: Final = "loose-files"
_ID: Final = re.compile(r"[0-9a-f]{8}")
_LONGEST_NAME: Final = 180  # bytes; with the id and .reason.txt it stays below 255
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


@dataclass(frozen=True, slots=True)
class Claim:
    """A batch that was taken; `attempts` counts the present one."""

    workspace: Path
    id: str
    name: str
    attempts: int

    @property
    def folder(self) -> Path:
        """Where the batch lies while it is worked on."""
        return self.workspace / PROCESSING / self.id

    @property
    def note(self) -> Path:
        """The file that keeps its name and counts its attempts."""
        return self.workspace / PROCESSING / f"{self.id}.json"


def prepare(workspace: Path) -> None:
    """Make the four folders.

    Raises
    ------
    WorkspaceError
        If one cannot be made, or they are not all on one file system.
    """
    folders = [workspace / name for name in (INBOX, PROCESSING, DONE, QUARANTINE)]
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _failed(folder, error) from error
    if len({folder.stat().st_dev for folder in folders}) > 1:
        raise _failed(folders[0], OSError(errno.EXDEV, ""))


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
        raise _failed(folder, error) from None


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
        marked = f"{entry.name}{READY}" in files or _has_marker(inbox / entry.name)
        listing = _listing(inbox, (entry.name,), looked)
        found.append(Candidate(entry.name, (entry.name,), False, marked, listing))
    if scans:
        listing = _listing(inbox, scans, looked)
        found.append(Candidate(_LOOSE, scans, True, READY in files, listing))
    return found


def claim(workspace: Path, candidate: Candidate) -> Claim | None:
    """Take a batch; None if it changed since it was looked at, or another took it first.

    Raises
    ------
    WorkspaceError
        If it or its marker cannot be moved, such as across file systems or of another user.
    """
    inbox = workspace / INBOX
    looked = now(workspace)
    if not candidate.marked and _listing(inbox, candidate.entries, looked) != candidate.listing:
        return None
    try:
        _remove_markers(inbox, candidate)
    except OSError as error:
        raise _failed(inbox, error) from None
    taken = Claim(workspace, secrets.token_hex(4), candidate.name, attempts=1)
    _write_note(taken)
    try:
        moved = _move_in(inbox, candidate, taken.folder)
    except OSError as error:
        if not os.path.lexists(taken.folder):
            taken.note.unlink()
        raise _failed(inbox, error) from None
    if moved:
        return taken
    taken.note.unlink()
    return None


def orphans(workspace: Path) -> Iterator[Claim]:
    """Yield what an earlier consumer left in processing/, each with its new attempt counted.

    To be called under the lock, so that no other consumer is at work. A note without a
    folder, left by one that died just before or after its work, is removed.
    """
    processing = workspace / PROCESSING
    for note in processing.glob("*.json"):
        if _ID.fullmatch(note.stem) and not os.path.lexists(processing / note.stem):
            note.unlink()
    left = sorted(path.name for path in processing.iterdir() if _ID.fullmatch(path.name))
    for name in left:
        found = _read_note(workspace, name)
        counted = replace(found, attempts=found.attempts + 1)
        _write_note(counted)
        yield counted


def keep(claimed: Claim, error: str) -> None:
    """Keep what became of an attempt in the batch's note, until the next."""
    _write_note(claimed, error)


def excuse(claimed: Claim) -> None:
    """Do not count an attempt that was called off for no fault of the batch."""
    _write_note(replace(claimed, attempts=claimed.attempts - 1))


def links_outside(folder: Path) -> int:
    """Return how many symbolic links of a batch lead out of it."""
    if folder.is_symlink():
        return 1
    root = os.path.realpath(folder)
    return sum(
        not Path(os.path.realpath(path)).is_relative_to(root)
        for path in _walk(folder)
        if os.path.islink(path)  # noqa: PTH114 - this one never raises
    )


def finish(claimed: Claim) -> Path:
    """Move a batch that was classified to done/; return where it lies."""
    return _move_out(claimed, DONE)


def quarantine(claimed: Claim, reason: str) -> Path:
    """Move a batch to quarantine/ and say why beside it; return where it lies.

    Parameters
    ----------
    claimed : Claim
        The batch.
    reason : str
        What was expected, and what was received.
    """
    target = claimed.workspace / QUARANTINE / _final_name(claimed)
    text = (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC, batch {claimed.id}, "
        f"attempt {claimed.attempts}\n{reason}\n"
        f"Mend it, then move the folder back to {INBOX}/; this file may be deleted.\n"
    )
    # First the reason: a batch is never in quarantine without one.
    safe = text.encode("utf-8", "backslashreplace").decode("utf-8")
    try:
        write_text_atomic(target.with_name(f"{target.name}.reason.txt"), safe)
    except OSError as error:
        raise _failed(target.parent, error) from None
    return _move_out(claimed, QUARANTINE)


def batch_now(batch: Path) -> Path:
    """Return where the batch folder that a run's record names lies now.

    The record of a batch of the inbox names its folder in processing/, since that has no name
    but the claim's id; it is in done/ or quarantine/ by then, under a name that ends with the id.

    Parameters
    ----------
    batch : Path
        As recorded; returned as it is where no batch of the inbox of that id has been moved.
    """
    if batch.parent.name != PROCESSING or not _ID.fullmatch(batch.name) or os.path.lexists(batch):
        return batch
    workspace = batch.parent.parent
    moved = (workspace / where for where in (DONE, QUARANTINE))
    found = (path for folder in moved for path in folder.glob(f"*-{batch.name}") if path.is_dir())
    return next(found, batch)


def _final_name(claimed: Claim) -> str:
    name = os.fsdecode(os.fsencode(claimed.name)[:_LONGEST_NAME])
    return f"{name}-{claimed.id}"


def _move_out(claimed: Claim, where: str) -> Path:
    target = claimed.workspace / where / _final_name(claimed)
    try:
        claimed.folder.rename(target)
    except OSError as error:
        raise _failed(claimed.workspace / where, error) from None
    claimed.note.unlink(missing_ok=True)
    return target


def _move_in(inbox: Path, candidate: Candidate, folder: Path) -> bool:
    """Rename; return False if there was nothing left to rename."""
    if not candidate.loose:
        return _rename(inbox / candidate.entries[0], folder)
    folder.mkdir()
    try:
        return any([_rename(inbox / name, folder / name) for name in candidate.entries])
    finally:
        with suppress(OSError):
            folder.rmdir()  # only if it is empty


def _rename(source: Path, target: Path) -> bool:
    try:
        source.rename(target)
    except FileNotFoundError:
        return False  # another consumer was first, or its sender took it back
    return True


def _has_marker(folder: Path) -> bool:
    try:
        return not folder.is_symlink() and (folder / READY).is_file()
    except OSError:
        return False  # a folder that may not be entered; it holds nothing to be seen, and waits


def _remove_markers(inbox: Path, candidate: Candidate) -> None:
    """Remove the markers before the batch: one that stayed would hurry the next of its name."""
    if not candidate.marked:
        return
    if candidate.loose:
        (inbox / READY).unlink(missing_ok=True)
        return
    (inbox / f"{candidate.name}{READY}").unlink(missing_ok=True)
    if _has_marker(inbox / candidate.name):
        (inbox / candidate.name / READY).unlink(missing_ok=True)


def _listing(inbox: Path, entries: tuple[str, ...], looked: float) -> Listing:
    files = size = 0
    changed = 0.0
    for entry in entries:
        for path in (inbox / entry, *_walk(inbox / entry)):
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


def _walk(folder: Path) -> Iterator[Path]:
    """Yield everything below a folder; links are not followed, what cannot be listed is empty."""
    if folder.is_symlink():
        return  # os.walk would follow this one
    for root, folders, files in os.walk(folder):
        yield from (Path(root) / name for name in (*folders, *files))


def _write_note(claimed: Claim, error: str = "") -> None:
    also = {"error": error} if error else {}
    note = {"name": claimed.name, "attempts": claimed.attempts, **also}
    # ASCII, since the name may hold bytes that are no UTF-8.
    write_text_atomic(claimed.note, json.dumps(note) + "\n")


def _read_note(workspace: Path, claim_id: str) -> Claim:
    claimed = Claim(workspace, claim_id, "unnamed", attempts=0)
    try:
        note = json.loads(claimed.note.read_text(encoding="utf-8"))
        name, attempts = str(note["name"]), int(note["attempts"])
    except (OSError, ValueError, KeyError, TypeError):
        return claimed  # the batch matters more than its name
    return replace(claimed, name=name if Path(name).name == name else "unnamed", attempts=attempts)


def _failed(folder: Path, error: OSError) -> WorkspaceError:
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
