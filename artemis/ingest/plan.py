"""Which slices a batch holds, in a fixed order, cut into chunks."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from artemis.errors import NothingUsableError, RunRecordError
from artemis.ingest.discover import located, walk
from artemis.ingest.probe import Probe, probe
from artemis.ingest.shards import Shard
from artemis.ingest.spool import Spool
from artemis.settings import IngestSettings
from artemis.system.files import atomic_path, printable_path


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """Consecutive frames of one file.

    Attributes
    ----------
    path : bytes
        Relative to the batch folder, as the operating system names it; need not be UTF-8.
    format : str or None
        Format found by content; None where it was not recognised.
    first_frame : int
        First frame, from 0.
    n_frames : int
        Number of frames, at least 1; each becomes one row.
    series_start : int or None
        Rank in its series of the file's frame 0; None without a series.
    position : int
        Slices of the whole batch before the first frame, whatever of it a shard takes.
    reason_code, reason : str or None
        Why the file is refused or failed, where planning found out already. The
        reason does not name the file.
    """

    path: bytes
    format: str | None = None
    first_frame: int = 0
    n_frames: int = 1
    series_start: int | None = None
    position: int = 0
    reason_code: str | None = None
    reason: str | None = None

    @property
    def display_path(self) -> str:
        """The path as valid UTF-8 text, as in the ``path`` column."""
        return printable_path(os.fsdecode(self.path))


_PLAN_SCHEMA: Final = pa.schema(
    [
        pa.field("path", pa.binary(), nullable=False),
        pa.field("format", pa.string()),
        pa.field("first_frame", pa.int32(), nullable=False),
        pa.field("n_frames", pa.int32(), nullable=False),
        pa.field("series_start", pa.int32()),
        pa.field("position", pa.int64(), nullable=False),
        pa.field("reason_code", pa.string()),
        pa.field("reason", pa.string()),
    ]
)


LARGEST_CHUNK: Final = 1024
"""Slices of a chunk that a large batch leads to: some 60 MB of the networks' inputs."""


class Chunks:
    """A list of slices cut into chunks, which are made one at a time, each time it is iterated.

    Parameters
    ----------
    entries : callable
        Returns an iterator over the list, in order; the same each time.
    slices : int
        Slices in the list.
    chunk_slices : int
        Slices in a chunk, at most. A file with more is split by frames.
    max_chunks : int, optional
        Chunks at most, or nearly: a larger batch has larger chunks, since what
        orchestrates them has its cost for each. But a chunk lies in memory: this makes none
        larger than `LARGEST_CHUNK`.
    """

    def __init__(
        self,
        entries: Callable[[], Iterator[PlanEntry]],
        slices: int,
        chunk_slices: int,
        max_chunks: int | None = None,
    ) -> None:
        self.slices = slices
        self._entries = entries
        shared_out = -(-slices // (max_chunks or slices or 1))
        self._chunk_slices = max(chunk_slices, min(shared_out, LARGEST_CHUNK))
        self._count: int | None = None

    def __iter__(self) -> Iterator[list[PlanEntry]]:
        count = 0
        for chunk in _chunks(self._entries(), self._chunk_slices):
            yield chunk
            count += 1
        self._count = count

    def __len__(self) -> int:
        """Return how many there are; they are made for it if they never were."""
        if self._count is None:
            self._count = sum(1 for _ in self)
        return self._count


class BatchListing:
    """Every slice of a batch, or of a shard of it, in a fixed order, on disk.

    Parameters
    ----------
    spool : Spool
        All files.
    limit : int or None
        Slices of the whole batch, at most.

    Attributes
    ----------
    slices : int
        Slices of the whole batch.
    held : int
        Slices of the shard.
    sha256 : str
        Of what planning knows of the whole batch; the same for every shard of it.
    """

    def __init__(self, spool: Spool, limit: int | None) -> None:
        self._spool, self._limit = spool, limit
        self.slices = self.held = 0
        digest = hashlib.sha256()
        for entry, held in self._all():
            digest.update(repr(entry).encode("ascii", "backslashreplace"))
            self.slices += entry.n_frames
            self.held += entry.n_frames if held else 0
        self.sha256 = digest.hexdigest()

    def entries(self) -> Iterator[PlanEntry]:
        """Yield the entries of the shard."""
        return (entry for entry, held in self._all() if held)

    def cut(self, chunk_slices: int, max_chunks: int | None = None) -> Chunks:
        """Return the shard in chunks, see `Chunks`."""
        return Chunks(self.entries, self.held, chunk_slices, max_chunks)

    def _all(self) -> Iterator[tuple[PlanEntry, int]]:
        """Yield the entries of the whole batch, each with whether the shard holds it."""
        found, rank, start = 0, -1, 0
        for file in self._spool.files():
            left = file.frames if self._limit is None else self._limit - found
            if left <= 0:
                return
            if file.rank != rank:
                rank, start = file.rank, 0
            counted = start if file.start is None else file.start
            entry = PlanEntry(
                path=file.path,
                format=file.format,
                n_frames=min(file.frames, left),
                series_start=counted if file.in_series else None,
                position=found,
                reason_code=file.reason_code,
                reason=file.reason,
            )
            yield entry, file.held
            found, start = found + entry.n_frames, start + file.frames


def plan_batch(
    root: str | Path,
    settings: IngestSettings,
    chunk_slices: int,
    limit: int | None = None,
    on_found: Callable[[int], None] | None = None,
    max_chunks: int | None = None,
) -> list[list[PlanEntry]]:
    """Find every slice below a folder and cut the list into chunks, all of them in memory.

    Parameters
    ----------
    root, settings, limit, on_found
        See `list_batch`.
    chunk_slices, max_chunks
        See `Chunks`.

    Returns
    -------
    list of list of PlanEntry
        Chunks; empty for an empty folder.

    Raises
    ------
    NothingUsableError
        If `root` is not a folder that can be listed.
    """
    return list(list_batch(Path(root), settings, limit, on_found).cut(chunk_slices, max_chunks))


def list_batch(
    root: Path,
    settings: IngestSettings,
    limit: int | None = None,
    on_found: Callable[[int], None] | None = None,
    skipped: Collection[Path] = (),
    shard: Shard | None = None,
    spooled_in: Path | None = None,
) -> BatchListing:
    """Find every slice below a folder.

    Headers alone are read. The order is fixed: folder by folder, names in natural
    order; the DICOM files of one folder and series by position along their normal,
    where the first of them by name stands. Memory does not grow with the batch.

    Parameters
    ----------
    root : Path
        The batch folder.
    settings : IngestSettings
        Limits.
    limit : int, optional
        Plan at most so many slices; of the whole batch, before it is divided.
    on_found : callable, optional
        Called with the number of slices found so far, after each file.
    skipped : collection of Path
        Resolved paths below `root` that are not part of the batch.
    shard : Shard, optional
        Take this part of the batch alone.
    spooled_in : Path, optional
        Folder on whose disk the list lies until it is no longer used; see `Spool`.

    Raises
    ------
    NothingUsableError
        If `root` is not a folder that can be listed.
    WorkspaceError
        If there is no room for the list.
    """
    _check_root(root)
    spool, total = Spool(spooled_in), 0
    for found in walk(root, skipped, spool):
        if limit is not None and total >= limit:
            break
        seen = (
            probe(located(root, found.path), settings)
            if found.problem is None
            else Probe(None, problem=found.problem)
        )
        unit = found.path if seen.study is None else seen.study.encode("utf-8", "replace")
        held = shard is None or shard.holds(unit)
        spool.add_file(found.path, seen, held)
        total += seen.frames
        if on_found is not None:
            on_found(total if limit is None else min(total, limit))
    return BatchListing(spool, limit)


def _check_root(root: Path) -> None:
    try:
        os.scandir(root).close()
    except OSError as error:
        raise NothingUsableError(
            f"{root}: expected a folder of scans. "
            f"Received: {os.strerror(error.errno or 0).lower()}. "
            "Give the path of a folder that you may list."
        ) from error


def _chunks(entries: Iterable[PlanEntry], chunk_slices: int) -> Iterator[list[PlanEntry]]:
    chunk: list[PlanEntry] = []
    room = chunk_slices
    for entry in entries:
        first, left = entry.first_frame, entry.n_frames
        while left > 0:
            # A file that fits into a chunk is not split: it is opened and hashed once.
            if room == 0 or (left > room and room < chunk_slices):
                yield chunk
                chunk, room = [], chunk_slices
            taken = min(left, room)
            position = entry.position + first - entry.first_frame
            chunk.append(replace(entry, first_frame=first, n_frames=taken, position=position))
            first, left, room = first + taken, left - taken, room - taken
    if chunk:
        yield chunk


def write_plan(path: Path, entries: Sequence[PlanEntry]) -> None:
    """Write the entries of a chunk to a Parquet file, atomically."""
    columns = {name: [getattr(entry, name) for entry in entries] for name in _PLAN_SCHEMA.names}
    table = pa.Table.from_pydict(columns, schema=_PLAN_SCHEMA)
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary)


def read_plan(path: Path) -> list[PlanEntry]:
    """Read what `write_plan` wrote.

    Raises
    ------
    RunRecordError
        If the file is missing or not a plan.
    """
    try:
        rows = pq.ParquetFile(path).read().cast(_PLAN_SCHEMA).to_pylist()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise RunRecordError(
            f"{path}: expected the plan of a chunk. Received: {type(error).__name__}. "
            "Start the batch again."
        ) from error
    return [PlanEntry(**row) for row in rows]
