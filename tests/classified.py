"""A batch classified by the steps of the flow, one after the other and without Prefect."""

from __future__ import annotations

from pathlib import Path

from artemis.batches.batch import plan_chunks, start_run, write_plans
from artemis.batches.classify import conclude_chunk, ingest_chunk, predict_chunk
from artemis.runs import RunPaths, RunRecord
from artemis.settings import Runtime, Settings


def classify(
    batch: Path, workspace: Path, models: list[str], runtime: Runtime = "litert"
) -> tuple[RunPaths, RunRecord]:
    """Return the run of a batch, and its record, that says that it is still running."""
    settings = Settings(workspace=workspace, runtime=runtime)
    run, record = start_run(batch, settings, models, "a test")
    chunks = plan_chunks(batch, settings)
    write_plans(run, chunks)
    sides = sorted({model.side for model in record.models})
    for chunk in range(len(chunks)):
        ingest_chunk(run, record, chunk, sides)
        for model in record.models:
            predict_chunk(run, record, chunk, model.name, model.folder)
        conclude_chunk(run, record, chunk)
    return run, record
