"""Which slices a batch holds, in a fixed order, cut into chunks."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from artemis.errors import NothingUsableError, RunRecordError, ScanError
from artemis.files import atomic_path, printable_path
from artemis.ingest.discover import Found, located, walk
from artemis.ingest.probe import Probe, probe
from artemis.ingest.quiet import mute_readers
from artemis.settings import IngestSettings
from artemis.shards import Shard


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


@dataclass(frozen=True, slots=True)
class BatchListing:
    """Every slice of a batch, or of a shard of it, in a fixed order.

    Attributes
    ----------
    entries : list of PlanEntry
        Those of the shard.
    slices : int
        Slices of the whole batch.
    sha256 : str
        Of what planning knows of the whole batch; the same for every shard of it.
    """

    entries: list[PlanEntry]
    slices: int
    sha256: str


def plan_batch(
    root: Path,
    settings: IngestSettings,
    chunk_slices: int,
    limit: int | None = None,
    on_found: Callable[[int], None] | None = None,
    skipped: Collection[Path] = (),
    max_chunks: int | None = None,
) -> list[list[PlanEntry]]:
    """Find every slice below a folder and cut the list into chunks.

    Parameters
    ----------
    root, settings, limit, on_found, skipped
        See `list_batch`.
    chunk_slices, max_chunks
        See `cut`.

    Returns
    -------
    list of list of PlanEntry
        Chunks; empty for an empty folder.

    Raises
    ------
    NothingUsableError
        If `root` is not a folder that can be listed.
    """
    listing = list_batch(root, settings, limit, on_found, skipped)
    return cut(listing.entries, chunk_slices, max_chunks)


def list_batch(
    root: Path,
    settings: IngestSettings,
    limit: int | None = None,
    on_found: Callable[[int], None] | None = None,
    skipped: Collection[Path] = (),
    shard: Shard | None = None,
) -> BatchListing:
    """Find every slice below a folder.

    Headers alone are read. The order is fixed: folder by folder, names in natural
    order; the DICOM files of one folder and series by position along their normal,
    where the first of them by name stands.

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

    Raises
    ------
    NothingUsableError
        If `root` is not a folder that can be listed.
    """
    mute_readers()
    _check_root(root)
    entries: list[PlanEntry] = []
    digest, found = hashlib.sha256(), 0
    for entry, unit in _entries(root, settings, limit, on_found, skipped):
        frames = entry.n_frames if limit is None else min(entry.n_frames, limit - found)
        if frames <= 0:
            break
        planned = replace(entry, n_frames=frames, position=found)
        digest.update(repr(planned).encode("ascii", "backslashreplace"))
        found += frames
        if shard is None or shard.holds(unit):
            entries.append(planned)
    return BatchListing(entries, found, digest.hexdigest())


def cut(
    entries: Sequence[PlanEntry], chunk_slices: int, max_chunks: int | None = None
) -> list[list[PlanEntry]]:
    """Cut a list of slices into chunks.

    Parameters
    ----------
    entries : sequence of PlanEntry
        In order.
    chunk_slices : int
        Slices in a chunk, at most. A file with more is split by frames.
    max_chunks : int, optional
        Chunks at most, or nearly: a larger batch has larger chunks, since what
        orchestrates them has its cost for each.
    """
    planned = sum(entry.n_frames for entry in entries)
    return _chunks(entries, max(chunk_slices, -(-planned // (max_chunks or planned or 1))))


def _check_root(root: Path) -> None:
    try:
        os.scandir(root).close()
    except OSError as error:
        raise NothingUsableError(
            f"{root}: expected a folder of scans. "
            f"Received: {os.strerror(error.errno or 0).lower()}. "
            "Give the path of a folder that you may list."
        ) from error


def _entries(
    root: Path,
    settings: IngestSettings,
    limit: int | None,
    on_found: Callable[[int], None] | None,
    skipped: Collection[Path],
) -> Iterator[tuple[PlanEntry, bytes]]:
    """Yield entries, each with the identity that tells its shard."""
    total = 0
    for folder in walk(root, skipped):
        probed: list[tuple[Found, Probe]] = []
        for found in folder:
            if limit is not None and total >= limit:
                break
            seen = (
                probe(located(root, found.path), settings)
                if found.problem is None
                else Probe(None, problem=found.problem)
            )
            probed.append((found, seen))
            total += seen.frames
            if on_found is not None:
                on_found(total if limit is None else min(total, limit))
        yield from _in_series(probed)
        if limit is not None and total >= limit:
            return


def _in_series(probed: Sequence[tuple[Found, Probe]]) -> Iterator[tuple[PlanEntry, bytes]]:
    """Yield a folder's entries, each DICOM series together and by position."""
    groups: dict[str, list[tuple[Found, Probe]]] = {}
    for number, (found, seen) in enumerate(probed):
        # The number keeps every other file a group of its own, in its place.
        key = f"file {number}" if seen.series is None else f"series {seen.series}"
        groups.setdefault(key, []).append((found, seen))
    for members in groups.values():
        start = 0
        # Sorting is stable: equal places stay in the order of their names.
        for found, seen in sorted(members, key=lambda member: member[1].order):
            unit = found.path if seen.study is None else seen.study.encode("utf-8", "replace")
            yield _entry(found, seen, start), unit
            start += seen.frames


def _entry(found: Found, seen: Probe, start: int) -> PlanEntry:
    problem: ScanError | None = seen.problem
    return PlanEntry(
        path=found.path,
        format=seen.format,
        n_frames=seen.frames,
        series_start=None if seen.series is None else start,
        reason_code=problem.reason_code if problem else None,
        reason=str(problem) if problem else None,
    )


def _chunks(entries: Sequence[PlanEntry], chunk_slices: int) -> list[list[PlanEntry]]:
    chunks: list[list[PlanEntry]] = []
    room = 0
    for entry in entries:
        first, left = entry.first_frame, entry.n_frames
        while left > 0:
            # A file that fits into a chunk is not split: it is opened and hashed once.
            if room == 0 or (left > room and room < chunk_slices):
                chunks.append([])
                room = chunk_slices
            taken = min(left, room)
            position = entry.position + first - entry.first_frame
            part = replace(entry, first_frame=first, n_frames=taken, position=position)
            chunks[-1].append(part)
            first, left, room = first + taken, left - taken, room - taken
    return chunks


def write_plan(path: Path, entries: Sequence[PlanEntry]) -> None:
    """Write the entries of a chunk to a Parquet file, atomically."""
    table = pa.Table.from_pylist([asdict(entry) for entry in entries], schema=_PLAN_SCHEMA)
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
