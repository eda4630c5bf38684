"""The flow ``classify-batch``: find scans, then chunk by chunk ingest, classify, conclude."""

from __future__ import annotations

import time
from collections import deque
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Annotated, Any

import httpx
from prefect import flow, get_run_logger, runtime, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.exceptions import PrefectException
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import Field

from artemis import RESEARCH_USE
from artemis.answers.studies import write_studies
from artemis.batches.alike import made_with
from artemis.batches.batch import (
    conclude_run,
    plan_chunks,
    plan_shard,
    recording_failure,
    start_run,
    write_plans,
)
from artemis.batches.chunk import classify_chunk, classify_stored_chunk
from artemis.batches.classify import conclude_chunk, ingest_chunk, predict_chunk
from artemis.batches.engine import Engine
from artemis.batches.mirror import mirror_of
from artemis.batches.readers import READERS, Readers
from artemis.batches.scratch import at_work, removal_words, remove_abandoned
from artemis.errors import StoreError
from artemis.ingest.shards import Shard
from artemis.models.registry import MODEL_NAMES, forget_models
from artemis.progress import report_progress
from artemis.report.run.publish import write_report
from artemis.runs import Counts, RunPaths, RunRecord, read_record, was_left_unended, write_record
from artemis.settings import load_settings
from artemis.system.allocator import give_back, share_heaps
from artemis.system.cores import chunk_threads, chunks_at_a_time
from flows.artifacts import linked
from flows.engines import Workers, dask_workers, worker_folder
from flows.lost_api import tell_done

_WAITING = 2
"""Chunks that are classified or wait, beside those that are read."""

_Chunk = tuple[
    PrefectFuture[dict[str, int]],
    list[PrefectFuture[int]],
    PrefectFuture[int],
    list[PrefectFuture[None]],
]


def _transient(task: Any, task_run: Any, state: Any) -> bool:
    """Retry what a network file system or a store may do better next time, and nothing else."""
    return isinstance(state.result(raise_on_failure=False), OSError | StoreError)


_STEP: dict[str, Any] = {
    "cache_policy": NO_CACHE,
    "persist_result": False,
    "retries": 2,
    "retry_delay_seconds": [2, 10],
    "retry_condition_fn": _transient,
}


class _Workers(ThreadPoolTaskRunner[Any]):
    """Threads that an interrupt does not wait for, since one may be at a long read."""

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if kind is not None and not issubclass(kind, Exception) and self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None
        super().__exit__(kind, error, traceback)


def _named(step: str) -> Any:  # Prefect's own type of it cannot be met by a function
    """Return what names a step's task runs by what Prefect's page may show: no path is in it."""

    def name(parameters: dict[str, Any]) -> str:
        run_id = parameters.get("run_id") or Path(parameters["run_dir"]).name
        chunk = parameters.get("chunk")
        place = "" if chunk is None else f" chunk {chunk + 1}/{parameters['chunks']}"
        return f"{step.format_map(parameters)}{place} of {run_id}"

    return name


@task(name="ingest", task_run_name=_named("ingest"), **_STEP)
def ingest(run_dir: str, chunk: int, chunks: int) -> dict[str, int]:
    """Read a chunk's files once, for all models."""
    run, record = _open_run(run_dir)
    sides = sorted({model.side for model in record.models})
    readers = READERS.get()
    if readers is not None:
        return readers.ingest(run, chunk, sides).model_dump()
    return ingest_chunk(run, record, chunk, sides).model_dump()


@task(name="predict", task_run_name=_named("classify-{model}"), **_STEP)
def predict(run_dir: str, chunk: int, chunks: int, model: str) -> int:
    """Classify a chunk with one model."""
    run, record = _open_run(run_dir)
    folder = next(m.folder for m in record.models if m.name == model)
    return predict_chunk(run, record, chunk, model, folder)


@task(name="conclude", task_run_name=_named("conclude"), **_STEP)
def conclude(run_dir: str, chunk: int, chunks: int) -> int:
    """Write a chunk's predictions of all models."""
    run, record = _open_run(run_dir)
    readers = READERS.get()
    return conclude_chunk(run, record, chunk) if readers is None else readers.conclude(run, chunk)


@task(name="push", task_run_name=_named("push"), **_STEP)
def push(run_dir: str, chunk: int, chunks: int) -> None:
    """Put a chunk's parts into the store."""
    run, record = _open_run(run_dir)
    if mirror := mirror_of(run, record):
        mirror.push_chunk(run, record, chunk)


@task(name="classify-chunk", task_run_name=_named("classify"), **_STEP)
def whole_chunk(run_dir: str, chunk: int, chunks: int) -> dict[str, int]:
    """Do all of a chunk's steps at once, on a machine that shares only folders with this one."""
    return classify_chunk(*_open_run(run_dir), chunk).model_dump()


@task(name="classify-chunk", task_run_name=_named("classify"), **_STEP)
def stored_chunk(store: str, run_id: str, chunk: int, chunks: int) -> dict[str, int]:
    """Do all of a chunk's steps at once, on a machine that shares only the store with this one."""
    return classify_stored_chunk(store, worker_folder(), run_id, chunk).model_dump()


@task(name="studies", task_run_name=_named("studies"), **_STEP)
def studies(run_dir: str) -> int:
    """Write one answer for each series and study of several slices."""
    run, record = _open_run(run_dir)
    if mirror := mirror_of(run, record):
        mirror.pull_run(run.run_id)  # what others made of it
    return write_studies(run, record)


@task(name="report", task_run_name=_named("report"), **_STEP)
def report(run_dir: str) -> str:
    """Write the run's HTML report and the list of runs."""
    run, record = _open_run(run_dir)
    mirror = mirror_of(run, record)
    page = write_report(run.root, mirror)
    if mirror is not None:
        mirror.push_run(run)
    return record.report or str(page)


def _flow_run_name() -> str:
    return f"classify {runtime.flow_run.scheduled_start_time:%Y-%m-%d %H:%M:%S} UTC"


@flow(
    name="classify-batch",
    flow_run_name=_flow_run_name,
    task_runner=_Workers(max_workers=chunk_threads()),  # type: ignore[arg-type]
    persist_result=False,
    result_serializer="json",  # of the error of a failed run; else it is a pickle
)
def classify_batch(
    batch: str,
    workspace: str | None = None,
    models: list[str] | None = None,
    limit: Annotated[int, Field(ge=1)] | None = None,
    command: str = "",
    shard: str | None = None,
    engine: str = "local",
    address: str | None = None,
    store: str | None = None,
) -> RunRecord:
    """Classify every slice found below a folder, or one shard of it.

    Parameters
    ----------
    batch : str
        Folder of scans.
    workspace : str, optional
        Where everything is written; as set in the environment by default.
    models : list of str, optional
        Which models; all by default.
    limit : int, optional
        Stop after this many slices.
    command : str
        What was typed, for the record.
    shard : str, optional
        Such as ``2/4``: this part alone, see `artemis.ingest.shards`.
    engine, address : str, str or None
        What works on the chunks, see `flows.engines`.
    store : str, optional
        Address of the store that the workspace is a mirror of, see `artemis.batches.mirror`.

    Returns
    -------
    RunRecord
        The finished run.
    """
    share_heaps()
    settings = load_settings(Path(workspace) if workspace else None)
    if removed := remove_abandoned(settings.workspace):
        get_run_logger().warning(removal_words(removed))
    run, record = start_run(
        Path(batch), settings, models or list(MODEL_NAMES), command, str(runtime.flow_run.id), store
    )
    mirror = mirror_of(run, record)
    if mirror is not None:
        mirror.begin(run)
    with at_work(run), recording_failure(run), ExitStack() as stack:
        if mirror is not None:
            mirror.establish_identity()
        workers = None
        if Engine(engine) is Engine.DASK:
            shared = [Path(record.batch)] if store else [Path(record.batch), run.root]
            made = made_with(record)
            workers = stack.enter_context(dask_workers(address, shared, store, made))
            record = _sent_to(workers, run, record)
        begun = time.monotonic()
        chunks, slices, record = _plan(run, record, limit, shard)
        planned = time.monotonic()
        if workers is not None:
            counts = _send_chunks(workers, run, record, chunks, slices)
        else:
            with _reading(run, record, chunks):
                counts = _run_chunks(run, record, chunks, slices)
        forget_models()
        give_back()
        studies(str(run.root))
        classified = time.monotonic()
        timings = {"plan": planned - begun, "classify": classified - planned}
        each = 1 if workers else 2 + len(record.models) + bool(store)
        tasks = chunks * each + 2
        record = record.model_copy(update={"tasks": tasks})
        record = conclude_run(run, record, counts, timings)
        report_progress("writing the report", 0)
        page = report(str(run.root))
    tell_done(record)
    try:
        _publish(record, page)
    except (httpx.HTTPError, PrefectException) as error:
        get_run_logger().warning("The artifact was not recorded: %s", error)
    return record


def _plan(
    run: RunPaths, record: RunRecord, limit: int | None, shard: str | None
) -> tuple[int, int, RunRecord]:
    """Write the plans of the batch or of its shard, into the store too if there is one.

    Return the number of chunks and of slices, and the record, which names the shard.
    """

    def on_found(slices: int) -> None:
        report_progress("finding scans", slices)

    batch, settings = Path(record.batch), record.settings
    if shard is None:
        chunks = plan_chunks(batch, settings, limit, on_found, run.root)
    else:
        part = Shard.parse(shard)
        chunks, share = plan_shard(batch, settings, part, limit, on_found, run.root)
        record = record.model_copy(update={"shard": share})
        write_record(run, record)
    write_plans(run, chunks)
    if mirror := mirror_of(run, record):
        mirror.push_plan(run)
    return len(chunks), chunks.slices, record


def _reading(run: RunPaths, record: RunRecord, chunks: int) -> AbstractContextManager[object]:
    """Return the context of the processes that read.

    A start takes a second, which a single chunk does not make up for. It has such a process where
    one is asked for, and where another run of the batch may have crashed at a file of it.
    """
    wanted = record.settings.readers
    count = min(chunks, chunks_at_a_time() if wanted is None else wanted)
    worth = chunks > 1 or wanted or was_left_unended(record, run.root.parent)
    return Readers(count) if count and worth else nullcontext()


def _run_chunks(run: RunPaths, record: RunRecord, chunks: int, total: int) -> Counts:
    """Keep a few chunks in flight, so that reading and classifying overlap in bounded memory."""
    counts, run_dir = Counts(), str(run.root)
    in_flight: deque[_Chunk] = deque()
    report_progress("classifying", 0, total)
    for chunk in range(chunks):
        place = (run_dir, chunk, chunks)
        ingested = ingest.submit(*place)
        predicted = [
            predict.submit(*place, model.name, wait_for=[ingested], return_state=False)
            for model in record.models
        ]
        concluded = conclude.submit(*place, wait_for=predicted, return_state=False)
        pushed = []
        if record.store:
            pushed = [push.submit(*place, wait_for=[concluded], return_state=False)]
        in_flight.append((ingested, predicted, concluded, pushed))
        if len(in_flight) >= (record.settings.chunks_in_flight or chunks_at_a_time() + _WAITING):
            counts = _collect(in_flight, counts, total)
    while in_flight:
        counts = _collect(in_flight, counts, total)
    return counts


def _sent_to(workers: Workers, run: RunPaths, record: RunRecord) -> RunRecord:
    """Record what works on a run whose chunks are sent out; a worker's task takes one core."""
    threads = record.settings.threads or 1
    update = {
        "engine": f"dask, workers: {workers.count}",
        "settings": record.settings.model_copy(update={"threads": threads}),
    }
    record = record.model_copy(update=update)
    write_record(run, record)
    return record


def _send_chunks(
    workers: Workers, run: RunPaths, record: RunRecord, chunks: int, total: int
) -> Counts:
    """Send out every chunk at once: their numbers alone, so that this takes no memory."""
    counts, run_dir = Counts(), str(run.root.resolve())
    report_progress("classifying", 0, total)
    place = {"run_dir": run_dir}
    if record.store:
        place = {"store": record.store, "run_id": record.run_id}
    numbered = [{**place, "chunk": chunk, "chunks": chunks} for chunk in range(chunks)]
    for done in workers.results(stored_chunk if record.store else whole_chunk, numbered):
        counts += Counts(**done)
        report_progress("classifying", counts.slices, total)
    return counts


def _collect(in_flight: deque[_Chunk], counts: Counts, total: int) -> Counts:
    ingested, predicted, concluded, pushed = in_flight.popleft()
    # In the order of work: a step that failed names its error, those after it name none.
    found = Counts(**ingested.result())
    for answered in predicted:
        answered.result()
    counts += found + Counts(needs_review=concluded.result())
    for stored in pushed:
        stored.result()
    give_back()
    report_progress("classifying", counts.slices, total)
    return counts


def _publish(record: RunRecord, page: str) -> None:
    """Leave the outcome in Prefect: counts and the report's address, no name of any file."""
    counts = record.counts
    address = page if record.store else Path(page).as_uri()
    create_markdown_artifact(
        key="classify-batch",
        markdown=(
            f"# Run {record.run_id}\n\n"
            "| slices | classified | refused | failed | need review |\n|---:|---:|---:|---:|---:|\n"
            f"| {counts.slices} | {counts.ok} | {counts.refused} | {counts.failed} "
            f"| {counts.needs_review} |\n\n"
            f"Report: {linked(address)}\n\n{RESEARCH_USE}\n"
        ),
        description=f"Outcome of run {record.run_id}",
    )


def _open_run(run_dir: str) -> tuple[RunPaths, RunRecord]:
    root = Path(run_dir)
    return RunPaths(root.parent.parent, root.name), read_record(root)
