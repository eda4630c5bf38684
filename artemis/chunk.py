"""A chunk of a run, from files to answers, by one process that shares only folders with others.

The unit of work on several machines. It may be begun twice: by a worker that dies and by the one
that takes its place, or by two at once where the first only seemed dead. So each works in a
scratch folder of its own, the parts are named by the chunk alone and written atomically, and
a chunk whose parts are all there is not done again.
"""

from __future__ import annotations

import secrets
import shutil

from artemis.classify import conclude_chunk, count_slices, ingest_chunk, predict_chunk
from artemis.ending import check_goes_on, watching
from artemis.errors import RunRecordError
from artemis.models.registry import recorded_folder
from artemis.predictions import PREDICTIONS_SCHEMA, SLICES_SCHEMA, part_name, read_part
from artemis.runs import Counts, RunPaths, RunRecord, RunStatus, read_record


def classify_chunk(run: RunPaths, record: RunRecord, chunk: int) -> Counts:
    """Read a chunk, classify it with every model of the run, and write all its parts.

    Parameters
    ----------
    run, record : RunPaths, RunRecord
        The run; its folder and the batch are seen by this machine under the same paths.
    chunk : int
        Number of the chunk, from 0.

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
    """
    done = _done_before(run, record, chunk)
    if done is not None:
        return done
    own = run.with_scratch(f"{chunk:05d}-{secrets.token_hex(4)}")
    folders = {
        model.name: recorded_folder(run.workspace, model.name, model.version, model.sha256)
        for model in record.models
    }
    try:
        with watching(lambda: _has_ended(run)):
            counts = ingest_chunk(own, record, chunk, sorted({m.side for m in record.models}))
            for name, folder in folders.items():
                check_goes_on(run.run_id)
                predict_chunk(own, record, chunk, name, folder)
            check_goes_on(run.run_id)
            return counts + Counts(needs_review=conclude_chunk(own, record, chunk))
    finally:
        shutil.rmtree(own.tensors, ignore_errors=True)


def _done_before(run: RunPaths, record: RunRecord, chunk: int) -> Counts | None:
    """Return the counts of a chunk whose last part is there, or None."""
    first, last = (run.predictions(record.models[k].name) / part_name(chunk) for k in (0, -1))
    if not last.is_file():
        return None
    slices = read_part(run.slices / part_name(chunk), SLICES_SCHEMA)
    answers = read_part(first, PREDICTIONS_SCHEMA)
    counts = count_slices(slices.select(["status", "frame"]).to_pylist())
    return counts + Counts(needs_review=sum(answers["needs_review"].to_pylist()))


def _has_ended(run: RunPaths) -> bool:
    try:
        return read_record(run.root).status is not RunStatus.RUNNING
    except RunRecordError:
        return False  # out of sight for a moment; whoever ends the run also writes its record
