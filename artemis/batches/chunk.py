"""A chunk of a run, from files to answers, by one process that shares only folders with others.

The unit of work on several machines. It may be begun twice: by a worker that dies and by the one
that takes its place, or by two at once where the first only seemed dead. So each works in a
scratch folder of its own, the parts are named by the chunk alone and written atomically, and
a chunk whose parts are all there is not done again.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from artemis.batches.alike import check_alike
from artemis.batches.classify import conclude_chunk, count_slices, ingest_chunk, predict_chunk
from artemis.batches.mirror import Mirror
from artemis.errors import RunRecordError, StoreError
from artemis.models.registry import recorded_folder
from artemis.predictions import chunk_parts, part_name, read_part
from artemis.runs import Counts, RunPaths, RunRecord, RunStatus, read_record
from artemis.schemas import PREDICTIONS_SCHEMA, SLICES_SCHEMA
from artemis.system.ending import check_goes_on, watching
from artemis.system.store import Store


def classify_chunk(
    run: RunPaths,
    record: RunRecord,
    chunk: int,
    record_now: Callable[[], RunRecord] | None = None,
) -> Counts:
    """Read a chunk, classify it with every model of the run, and write all its parts.

    Parameters
    ----------
    run, record : RunPaths, RunRecord
        The run; its folder and the batch are seen by this machine under the same paths.
    chunk : int
        Number of the chunk, from 0.
    record_now : callable, optional
        Returns the run's record as it is now; read in the run's folder by default.

    Returns
    -------
    Counts
        What became of the chunk's slices.

    Raises
    ------
    RunEndedError
        If the run's record says meanwhile that it goes on no longer.
    ModelError
        If this machine does not have the models that the run began with.
    EngineError
        If it would make rows otherwise, see `artemis.batches.alike`.
    """
    done = _done_before(run, record, chunk)
    if done is not None:
        return done
    check_alike(record)
    own = run.with_scratch(f"{chunk:05d}-{secrets.token_hex(4)}")
    folders = {
        model.name: recorded_folder(run.workspace, model.name, model.version, model.sha256)
        for model in record.models
    }
    try:
        with watching(lambda: _has_ended(record_now or partial(read_record, run.root))):
            counts = ingest_chunk(own, record, chunk, sorted({m.side for m in record.models}))
            for name, folder in folders.items():
                check_goes_on(run.run_id)
                predict_chunk(own, record, chunk, name, folder)
            check_goes_on(run.run_id)
            return counts + Counts(needs_review=conclude_chunk(own, record, chunk))
    finally:
        shutil.rmtree(own.tensors, ignore_errors=True)


def classify_stored_chunk(address: str, folder: Path, run_id: str, chunk: int) -> Counts:
    """Do a chunk of a run whose workspace is in a store, and put its parts there.

    Parameters
    ----------
    address : str
        Of the store.
    folder : Path
        Where the mirror is made, and the models that are the workspace's own are kept; the same
        for all chunks of a process.
    run_id : str
        The run; its batch is seen by this machine under the path that the record names.
    chunk : int
        Number of the chunk, from 0.

    Raises
    ------
    StoreError
        If the store cannot be used.
    RunEndedError, ModelError, EngineError
        See `classify_chunk`.
    """
    own = hashlib.sha256(address.encode()).hexdigest()[:16]  # an address may be too long for a name
    mirror = Mirror(Store(address), folder / own)
    # Patients' pictures and the key of their identities: for this user alone.
    mirror.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with mirror.said_by_address():
        return _stored_chunk(mirror, run_id, chunk)


def _stored_chunk(mirror: Mirror, run_id: str, chunk: int) -> Counts:
    run = RunPaths(mirror.folder, run_id)
    record = mirror.record_of(run_id)
    done = mirror.pull_chunk(run, record, chunk)
    if not done:
        mirror.pull_identity()
        for model in record.models:
            mirror.pull_version(model.name, model.version)
    try:
        counts = classify_chunk(run, record, chunk, lambda: mirror.record_of(run_id))
        if not done:
            mirror.push_chunk(run, record, chunk)
    finally:
        mirror.forget_chunk(run, record, chunk)
    return counts


def _done_before(run: RunPaths, record: RunRecord, chunk: int) -> Counts | None:
    """Return the counts of a chunk whose parts are there, or None."""
    if not all(part.is_file() for part in chunk_parts(run, record, chunk)):
        return None
    slices = read_part(run.slices / part_name(chunk), SLICES_SCHEMA)
    first = run.predictions(record.models[0].name) / part_name(chunk)
    answers = read_part(first, PREDICTIONS_SCHEMA)
    counts = count_slices(slices.select(["status", "frame"]).to_pylist())
    return counts + Counts(needs_review=sum(answers["needs_review"].to_pylist()))


def _has_ended(record_now: Callable[[], RunRecord]) -> bool:
    try:
        return record_now().status is not RunStatus.RUNNING
    except (RunRecordError, StoreError):
        return False  # out of sight for a moment; whoever ends the run also writes its record
