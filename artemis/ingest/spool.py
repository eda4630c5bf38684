"""The list of a batch on its way to the plan: on disk, so that memory does not grow with it."""

from __future__ import annotations

import hashlib
import heapq
import math
import re
import secrets
import sqlite3
import weakref
from collections.abc import Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final, NamedTuple

from artemis.errors import WorkspaceError
from artemis.ingest.probe import Probe, SeriesOrder

NAMES_HELD: Final = 10_000
"""Names of a folder that are sorted in memory; more of them are merged from the disk."""

_STACK: Final = 3
_ALONE: Final = (0.0,) * (_STACK + 2)
_DIGITS: Final = re.compile(rb"(\d+)")
_TABLES: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -8000;
BEGIN;
CREATE TABLE names (key BLOB, name BLOB);
CREATE TABLE series (key BLOB PRIMARY KEY, rank INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE spread (whole INTEGER PRIMARY KEY);
CREATE TABLE starts (number INTEGER PRIMARY KEY, start INTEGER NOT NULL);
CREATE TABLE files (
    rank INTEGER, x REAL, y REAL, z REAL, position REAL, instance REAL, number INTEGER,
    path BLOB, format TEXT, frames INTEGER, in_series INTEGER, held INTEGER,
    reason_code TEXT, reason TEXT, whole INTEGER,
    PRIMARY KEY (rank, x, y, z, position, instance, number)
) WITHOUT ROWID;
"""
_ADD_NAMES: Final = "INSERT INTO names VALUES (?, ?)"
_NAMES: Final = "SELECT key, name FROM names WHERE rowid > ? AND rowid <= ? ORDER BY rowid"
_ADD_FILE: Final = "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_FILES: Final = """
SELECT rank, path, format, frames, in_series, held, reason_code, reason, start
FROM files LEFT JOIN starts USING (number)
ORDER BY rank, x, y, z, position, instance, number
"""
# Of series in several folders, unless one of these holds a copy of what lies in another.
_ADD_STARTS: Final = """
INSERT INTO starts
SELECT number, sum(frames) OVER (
    PARTITION BY whole ORDER BY x, y, z, position, instance, number
) - frames
FROM files WHERE whole IN (SELECT whole FROM spread) AND whole NOT IN (
    SELECT whole FROM files WHERE whole IN (SELECT whole FROM spread)
    GROUP BY whole, x, y, z, position, instance HAVING min(rank) < max(rank)
)
"""
_FORGET_STARTS: Final = "DELETE FROM starts"
_ADD_SPREAD: Final = "INSERT OR IGNORE INTO spread VALUES (?)"
_ADD_SERIES: Final = "INSERT OR IGNORE INTO series VALUES (?, ?)"
_RANK: Final = "SELECT rank FROM series WHERE key = ?"


class SpooledFile(NamedTuple):
    """A file of the batch.

    Attributes
    ----------
    rank : int
        Place in the batch of the file, or of its series.
    path : bytes
        Relative to the batch folder.
    format : str or None
        None where it was not recognised.
    frames : int
        Slices in it.
    in_series : int
        1 if `rank` is that of a series.
    held : int
        1 if it is of the shard that is planned.
    reason_code, reason : str or None
        Why the file is refused or failed.
    start : int or None
        Slices of its series before its own; None where they are all of its `rank`.
    """

    rank: int
    path: bytes
    format: str | None
    frames: int
    in_series: int
    held: int
    reason_code: str | None
    reason: str | None
    start: int | None


class Spool:
    """Names and files of a batch in an unnamed file, which is gone with this object.

    It goes with a killed process, too: the file loses its name as soon as it is open. No
    identifier is in it; a series is told by a hash whose key nobody keeps.

    Parameters
    ----------
    folder : Path, optional
        Where the file takes its room; the system's folder for temporary files by default.

    Raises
    ------
    WorkspaceError
        If it cannot be written there; from the methods also if the disk is full.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._where = folder
        self._key = secrets.token_bytes(32)
        self._number = 0
        self._spread = self._counted = False  # whether `spread` holds any, `starts` is of all files
        try:
            with NamedTemporaryFile(dir=folder, prefix=".listing-") as file:
                # No lock: nobody else can open it, and network file systems may have none.
                self._database = sqlite3.connect(
                    f"{Path(file.name).resolve().as_uri()}?nolock=1",
                    uri=True,
                    isolation_level=None,
                    check_same_thread=False,  # it may be collected by any
                )
                weakref.finalize(self, self._database.close)
                self._database.executescript(_TABLES)
        except (OSError, sqlite3.Error) as error:
            raise self._full(error) from error

    def add_names(self, keyed: list[tuple[bytes, bytes]]) -> tuple[int, int]:
        """Keep a sorted run of keys and names; return the range of it, for `names`."""
        try:
            [(before,)] = self._database.execute("SELECT coalesce(max(rowid), 0) FROM names")
            self._database.executemany(_ADD_NAMES, keyed)
        except sqlite3.Error as error:
            raise self._full(error) from error
        return before, before + len(keyed)

    def names(self, run: tuple[int, int]) -> Iterator[tuple[bytes, bytes]]:
        """Yield what `add_names` kept."""
        return self._database.execute(_NAMES, run)

    def add_file(self, path: bytes, seen: Probe, held: bool) -> None:
        """Keep a file; files are added folder by folder, by name.

        Parameters
        ----------
        path : bytes
            Relative to the batch folder.
        seen : Probe
            What is known of it.
        held : bool
            Whether it is of the shard that is planned.
        """
        number, self._number, self._counted = self._number, self._number + 1, False
        problem = seen.problem
        code, reason = (problem.reason_code, str(problem)) if problem else (None, None)
        try:
            rank, whole, place = number, None, _ALONE
            if seen.series is not None:
                rank, whole = self._ranks(path, seen.series, number)
                place = _sortable(seen.order)
            known = (path, seen.format, seen.frames, seen.series is not None, held, code, reason)
            self._database.execute(_ADD_FILE, (rank, *place, number, *known, whole))
        except sqlite3.Error as error:
            raise self._full(error) from error

    def files(self) -> Iterator[SpooledFile]:
        """Yield the files in the order of the plan.

        By name as they were added, but a folder's files of one series together by position,
        where the first of them by name stands; equal positions stay in the order of names.
        """
        if self._spread and not self._counted:
            try:
                self._database.execute(_FORGET_STARTS)
                self._database.execute(_ADD_STARTS)
            except sqlite3.Error as error:
                raise self._full(error) from error
            self._counted = True
        return map(SpooledFile._make, self._database.execute(_FILES))

    def _ranks(self, path: bytes, series: str, number: int) -> tuple[int, int | None]:
        """Return the numbers of the first files of a series: in this one's folder, and in any."""
        text, folder = series.encode("utf-8", "surrogatepass"), path.rpartition(b"/")[0]
        rank = self._first(b"in folder", folder + b"\0" + text, number)
        if not series:  # files that name none are of one by their folder alone
            return rank, None
        whole = self._first(b"in any", text, number)
        if whole != rank:
            self._database.execute(_ADD_SPREAD, (whole,))
            self._spread = True
        return rank, whole

    def _first(self, kind: bytes, text: bytes, number: int) -> int:
        """Return the number of the first file that a text of a kind was given with."""
        key = hashlib.blake2b(text, digest_size=16, key=self._key, person=kind).digest()
        self._database.execute(_ADD_SERIES, (key, number))
        [(first,)] = self._database.execute(_RANK, (key,))
        return int(first)

    def _full(self, error: Exception) -> WorkspaceError:
        return WorkspaceError(
            f"{self._where or 'The folder for temporary files'}: expected room for the list of "
            f"the batch's files, some hundred bytes each. Received: {error}. Make room, or choose "
            "another place with --workspace, or TMPDIR for temporary files."
        )


class Names:
    """Names of one folder, to be iterated in natural order.

    Parameters
    ----------
    spool : Spool
        Where they wait if there are more than `NAMES_HELD`.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._held: list[tuple[bytes, bytes]] = []
        self._runs: list[tuple[int, int]] = []

    def add(self, name: bytes) -> None:
        """Add a name."""
        self._held.append((natural_key(name), name))
        if len(self._held) == NAMES_HELD:
            self._runs.append(self._spool.add_names(sorted(self._held)))
            self._held = []

    def __iter__(self) -> Iterator[bytes]:
        runs = map(self._spool.names, self._runs)
        return (name for _, name in heapq.merge(sorted(self._held), *runs))


def natural_key(name: bytes) -> bytes:
    """Return a sorting key that puts ``image2`` before ``image10``.

    Bytes that compare as the name's parts would: a number by its value and before any text,
    text without case, fewer parts first. Names that differ in case and zeros alone have one key.
    """
    return b"".join(_part(part) for part in _DIGITS.split(name) if part)


def _part(part: bytes) -> bytes:
    if part.isdigit():
        digits = part.lstrip(b"0")
        return b"\1" + len(digits).to_bytes(4, "big") + digits
    return b"\2" + part.lower() + b"\0"  # no name has a zero byte: shorter texts come first


def _sortable(order: SeriesOrder) -> tuple[float, ...]:
    """Return a place in a series as numbers that sort alike; a shorter stack comes first."""
    stack, *rest = order
    padded = (*stack, *[-math.inf] * (_STACK - len(stack)))
    # What is not a number has no place: at the end, by name.
    return tuple(math.inf if math.isnan(value) else value for value in (*padded, *rest))
