"""Join the runs of a batch's shards into the run that the whole batch would have been."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from artemis.answers.studies import write_studies
from artemis.batches.alike import made_with
from artemis.batches.batch import (
    conclude_run,
    create_next_run,
    recording_failure,
    write_plans,
)
from artemis.batches.merge_tables import SLICES, THUMBNAILS, ShardTables, joined
from artemis.errors import MergeError
from artemis.ingest.identity import IdentityKey
from artemis.ingest.plan import Chunks, PlanEntry
from artemis.predictions import part_name, write_table
from artemis.progress import report_progress
from artemis.runs import (
    IDENTITY_KEY,
    Counts,
    RunPaths,
    RunRecord,
    RunStatus,
    ShardRecord,
    read_record,
    write_record,
)
from artemis.settings import Settings

_NAMED: Final = 5
"""Differences that a refusal names; the models' version or sum comes before what follows of it."""

_DECIDING: Final = {"ingest", "review", "thumbnail_side"}
"""Settings that decide what is in a row; the others say where, and how fast."""


def merge_runs(
    run_dirs: Sequence[Path], settings: Settings, command: str, store: str | None = None
) -> RunRecord:
    """Make one run of those of all shards of a batch.

    Its tables have the rows of the run of the whole batch, in the same order and in the same
    parts; answers for studies are made anew from all slices. Which slices have a larger picture was
    chosen within each shard's chunks, and may differ where more need review than get one. The
    runs of the shards stay as they are, and must all be of one batch, and of the same models,
    settings and versions.

    Parameters
    ----------
    run_dirs : sequence of Path
        Folders of the shards' runs, in any order.
    settings : Settings
        Tell where the merged run goes; those that decide about rows are the shards'.
    command : str
        What was typed, for the record.
    store : str, optional
        Address of the store that the workspace is a mirror of, if it is one.

    Raises
    ------
    MergeError
        If a shard is missing, twice there, unfinished, or differs from the others.
    RunRecordError
        If a record or a table cannot be read.
    WorkspaceError
        If the workspace cannot be written.
    """
    begun = time.monotonic()
    records = _checked([(folder, read_record(folder)) for folder in run_dirs])
    _check_identity(settings.workspace, records[0][1])
    shards = [
        ShardTables(
            RunPaths(record.settings.workspace, record.run_id, folder),
            [model.name for model in record.models],
        )
        for folder, record in records
    ]
    slices = _shard(records[0][1]).slices
    whole = partial(_whole_plan, shards, slices)
    chunks = Chunks(whole, slices, settings.chunk_slices, settings.max_chunks)
    count = len(chunks)  # the plans are checked by it, before anything is written
    run = create_next_run(settings.workspace, store)
    made = [record for _, record in records]
    record = _merged_record(run.run_id, made, settings, command, store)
    with recording_failure(run):
        write_record(run, record)
        write_plans(run, chunks)
        for number, chunk in enumerate(chunks):
            report_progress("merging", number, count)
            _write_chunk(run, record, shards, number, chunk)
        write_studies(run, record)
        counts = sum((one.counts for one in made), Counts())
        return conclude_run(run, record, counts, {"merge": time.monotonic() - begun})


_Found = tuple[Path, RunRecord]


def _checked(found: Sequence[_Found]) -> list[_Found]:
    """Return the runs by the number of their shard, once they are all there and alike."""
    for folder, record in found:
        if record.shard is None:
            raise MergeError(
                f"{folder}: expected a run of `classify-batch --shard`. Received one of "
                f"{'merged shards' if record.merged else 'a whole batch'}. Leave it out."
            )
        if record.status is not RunStatus.COMPLETED:
            raise MergeError(
                f"{folder}: expected a finished run. Received one that is {record.status.value}. "
                f"Classify shard {record.shard} again, or leave this run out if another one of it "
                "is completed."
            )
    if not found:
        raise MergeError("Runs: expected all shards of one batch. Received none.")
    reference = found[0]
    for other in found[1:]:
        _refuse_differences(reference, other)
    return _each_once(found)


def _refuse_differences(one: _Found, other: _Found) -> None:
    mine, theirs = dict(_deciding(one[1])), dict(_deciding(other[1]))
    of_one_alone = {m.name for m in one[1].models} ^ {m.name for m in other[1].models}
    names = [
        name
        for name in mine | theirs
        if mine.get(name) != theirs.get(name) and name.partition(".")[0] not in of_one_alone
    ]
    if names:
        differing = "; ".join(
            f"{name}: {mine.get(name, 'none')} in {one[1].run_id}, "
            f"{theirs.get(name, 'none')} in {other[1].run_id}"
            for name in names[:_NAMED]
        )
        more = f"; and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        raise MergeError(
            f"{other[0]}: expected a shard of the same batch, made with the same models, settings "
            f"and versions as {one[0]}. Received a difference in {differing}{more}. "
            "Classify one of them again."
        )


def _deciding(record: RunRecord) -> Iterator[tuple[str, Any]]:
    """Yield everything by name that decides what is in a run's rows, causes before effects."""
    shard = _shard(record)
    yield "shards", shard.of
    yield "slices of the batch", shard.slices
    yield "list of the batch's files", shard.plan_sha256[:12]
    yield "key of identities", shard.identity
    settings = record.settings.model_dump(mode="json", include=_DECIDING)
    yield from _flat(settings, "settings")
    yield from made_with(record).items()
    yield "models", ", ".join(model.name for model in record.models)
    for model in record.models:
        # Where a model lies may differ from machine to machine; its hash may not.
        yield from _flat(model.model_dump(mode="json", exclude={"folder"}), model.name)


def _flat(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}.{name}")
        else:
            yield f"{prefix}.{name}", value


def _each_once(found: Sequence[_Found]) -> list[_Found]:
    by_number: dict[int, _Found] = {}
    for folder, record in found:
        shard = _shard(record)
        if shard.number in by_number:
            raise MergeError(
                f"{folder}: expected each shard once. Received {shard} twice, also from "
                f"{by_number[shard.number][0]}. Leave one of them out."
            )
        by_number[shard.number] = folder, record
    of = _shard(found[0][1]).of
    if missing := [number for number in range(1, of + 1) if number not in by_number]:
        raise MergeError(
            f"Runs: expected all {of} shards of {found[0][1].batch}. Received none of "
            f"{', '.join(f'{number}/{of}' for number in missing)}. Classify and name them too."
        )
    return [by_number[number] for number in sorted(by_number)]


def _check_identity(workspace: Path, record: RunRecord) -> None:
    """Refuse a workspace where the same patient would have two keys."""
    path = workspace / IDENTITY_KEY
    if path.exists() and IdentityKey.load_or_create(path).fingerprint != _shard(record).identity:
        raise MergeError(
            f"{path}: expected the key of identities that the shards were made with. Received "
            f"another. Merge into the workspace of {record.run_id}."
        )


def _shard(record: RunRecord) -> ShardRecord:
    if record.shard is None:
        raise MergeError(f"{record.run_id}: expected the run of a shard. Received another.")
    return record.shard


def _whole_plan(shards: Iterable[ShardTables], slices: int) -> Iterator[PlanEntry]:
    """Yield the plan of the whole batch: every slice once, files that were split whole again."""
    plans = [shard.entries() for shard in shards]
    before: PlanEntry | None = None
    reached = 0
    for entry in heapq.merge(*plans, key=lambda entry: entry.position):
        if entry.position != reached:
            twice = entry.position < reached
            raise _torn(slices, f"{entry.display_path} twice" if twice else _none_of(reached))
        reached += entry.n_frames
        if before is not None and before.path == entry.path:
            before = replace(before, n_frames=before.n_frames + entry.n_frames)
            continue
        if before is not None:
            yield before
        before = entry
    if reached != slices:
        raise _torn(slices, _none_of(reached) if reached < slices else f"{reached}")
    if before is not None:
        yield before


def _none_of(reached: int) -> str:
    return f"none of slice {reached + 1}"


def _torn(slices: int, received: str) -> MergeError:
    return MergeError(
        f"Runs: expected each of the {slices} slices of the batch once. Received {received}. "
        "A file changed between the shards, or a plan was damaged. Classify the shards again."
    )


def _merged_record(
    run_id: str,
    records: Sequence[RunRecord],
    settings: Settings,
    command: str,
    store: str | None,
) -> RunRecord:
    """Return the record to begin with: the first shard's, without what came of that one."""
    first = min(records, key=lambda record: record.created)
    deciding = {name: getattr(first.settings, name) for name in _DECIDING}
    update = {
        "run_id": run_id,
        "status": RunStatus.RUNNING,
        "created": datetime.now(UTC),
        "finished": None,
        "command": command,
        "settings": settings.model_copy(update=deciding),
        "counts": Counts(),
        "timings": {},
        "mean_doubt": None,
        "report": None,
        "engine": "; ".join(dict.fromkeys(record.engine for record in records)),
        "store": store,
        "shard": None,
        "merged": [record.run_id for record in records],
        "tasks": sum(record.tasks for record in records),
        "prefect_flow_run_id": None,
    }
    return first.model_copy(update=update)


def _write_chunk(
    run: RunPaths,
    record: RunRecord,
    shards: Sequence[ShardTables],
    number: int,
    entries: Sequence[PlanEntry],
) -> None:
    """Write a chunk's parts of all tables from what the shards have of it."""
    part, stop = part_name(number), entries[-1].position + entries[-1].n_frames
    taken = [tables for shard in shards if (tables := shard.take(stop))]

    def of_all(name: str) -> Any:
        return joined([tables[name] for tables in taken], run.run_id)

    write_table(run.slices / part, of_all(SLICES))
    write_table(run.thumbnails / part, of_all(THUMBNAILS))
    for model in record.models:
        write_table(run.predictions(model.name) / part, of_all(model.name))
