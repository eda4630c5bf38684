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
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from artemis.batches.waiting import (
    INBOX,
    PROCESSING,
    READY,
    Candidate,
    has_marker,
    listing_of,
    moving_failed,
    now,
    walk,
)
from artemis.system.files import printable_path, write_text_atomic

DONE: Final = "done"
QUARANTINE: Final = "quarantine"
PROCESSING_LOCK: Final = f"{PROCESSING}/.lock"
"""Of the workspace; to be held while batches are looked for and worked on."""

MAX_ATTEMPTS: Final = 2
_ID: Final = re.compile(r"[0-9a-f]{8}")
_LONGEST_NAME: Final = 180  # bytes; with the id and .reason.txt it stays below 255


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
        If one cannot be made, or be written: a batch would be classified, and again, since it
        could not be moved to where it belongs. Or if they are not all on one file system.
    """
    folders = [workspace / name for name in (INBOX, PROCESSING, DONE, QUARANTINE)]
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise moving_failed(folder, error) from error
        if not os.access(folder, os.W_OK | os.X_OK):
            raise moving_failed(folder, PermissionError(errno.EACCES, ""))
    if len({folder.stat().st_dev for folder in folders}) > 1:
        raise moving_failed(folders[0], OSError(errno.EXDEV, ""))


def claim(workspace: Path, candidate: Candidate) -> Claim | None:
    """Take a batch; None if it changed since it was looked at, or another took it first.

    Raises
    ------
    WorkspaceError
        If it or its marker cannot be moved, such as across file systems or of another user.
    """
    inbox = workspace / INBOX
    looked = now(workspace)
    if not candidate.marked and listing_of(inbox, candidate.entries, looked) != candidate.listing:
        return None
    try:
        _remove_markers(inbox, candidate)
    except OSError as error:
        raise moving_failed(inbox, error) from None
    taken = Claim(workspace, secrets.token_hex(4), candidate.name, attempts=1)
    _write_note(taken)
    try:
        moved = _move_in(inbox, candidate, taken.folder)
    except OSError as error:
        if not os.path.lexists(taken.folder):
            taken.note.unlink()
        raise moving_failed(inbox, error) from None
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


def links_outside(folder: Path) -> list[str]:
    """Return the symbolic links of a batch that lead out of it, relative to it; it may be one."""
    if folder.is_symlink():
        return ["."]
    root = os.path.realpath(folder)
    return [
        printable_path(os.path.relpath(path, folder))
        for path in walk(folder)
        if os.path.islink(path)  # noqa: PTH114 - this one never raises
        and not Path(os.path.realpath(path)).is_relative_to(root)
    ]


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
        raise moving_failed(target.parent, error) from None
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
        raise moving_failed(claimed.workspace / where, error) from None
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


def _remove_markers(inbox: Path, candidate: Candidate) -> None:
    """Remove the markers before the batch: one that stayed would hurry the next of its name."""
    if not candidate.marked:
        return
    if candidate.loose:
        (inbox / READY).unlink(missing_ok=True)
        return
    (inbox / f"{candidate.name}{READY}").unlink(missing_ok=True)
    if has_marker(inbox / candidate.name):
        (inbox / candidate.name / READY).unlink(missing_ok=True)


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
