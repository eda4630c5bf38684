from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from artemis.batches.batch import plan_chunks, start_run, write_plans
from artemis.batches.chunk import classify_chunk
from artemis.batches.classify import conclude_chunk, ingest_chunk, predict_chunk
from artemis.errors import EngineError, ModelError, RunEndedError
from artemis.predictions import read_table
from artemis.runs import Counts, RunPaths, RunRecord, RunStatus, write_record
from artemis.settings import Settings

MODELS = ["mobilenet_v2", "baseline"]


@pytest.fixture
def begun(samples: Path, tmp_path: Path) -> tuple[RunPaths, RunRecord]:
    settings = Settings(workspace=tmp_path)
    run, record = start_run(samples, settings, MODELS, "a test")
    write_plans(run, plan_chunks(samples, settings, limit=6))
    return run, record


def parts(run: RunPaths) -> dict[str, tuple[int, int]]:
    files = [path for path in run.root.rglob("part-*.parquet") if path.parent.name != "plan"]
    return {str(path.relative_to(run.root)): path.stat()[1:9:7] for path in files}


def test_a_chunk_at_once_gives_the_rows_of_its_steps_one_by_one(begun, samples, tmp_path) -> None:
    run, record = begun
    counts = classify_chunk(run, record, 0)
    assert (counts.slices, counts.files) == (6, 6)
    other, record = start_run(samples, record.settings, MODELS, "a test")
    write_plans(other, plan_chunks(samples, record.settings, limit=6))
    ingest_chunk(other, record, 0, sorted({model.side for model in record.models}))
    for model in record.models:
        predict_chunk(other, record, 0, model.name, model.folder)
    assert conclude_chunk(other, record, 0) == counts.needs_review
    for name in ("slices", "predictions", "thumbnails"):
        left, right = (
            read_table(each.root, name).drop(columns="run_id", errors="ignore")
            for each in (run, other)
        )
        pd.testing.assert_frame_equal(left, right)
    assert not list(run.tensors.iterdir())


def test_a_chunk_that_is_done_is_counted_and_not_written_again(begun) -> None:
    run, record = begun
    counts, before = classify_chunk(run, record, 0), parts(run)
    assert classify_chunk(run, record, 0) == counts
    assert parts(run) == before


@pytest.mark.parametrize("lost", ["predictions/model=baseline", "slices", "thumbnails"])
def test_a_chunk_that_was_left_half_done_is_done_again_under_the_same_names(begun, lost) -> None:
    run, record = begun
    counts, before = classify_chunk(run, record, 0), parts(run)
    (run.root / lost / "part-00000.parquet").unlink()
    assert classify_chunk(run, record, 0) == counts
    assert parts(run).keys() == before.keys()


def test_a_chunk_of_a_run_that_has_ended_elsewhere_is_not_done(begun) -> None:
    run, record = begun
    write_record(run, record.model_copy(update={"status": RunStatus.FAILED}))
    with pytest.raises(RunEndedError, match="Received one that was ended"):
        classify_chunk(run, record, 0)
    assert parts(run) == {}
    assert not run.tensors.exists() or not list(run.tensors.iterdir())


def test_a_machine_with_other_models_refuses_the_work(begun) -> None:
    run, record = begun
    models = [model.model_copy(update={"sha256": "0" * 64}) for model in record.models]
    with pytest.raises(ModelError, match=r"that the run began with, 000000000000…\. Received"):
        classify_chunk(run, record.model_copy(update={"models": models}), 0)


def test_models_are_found_where_this_machine_has_them(begun) -> None:
    run, record = begun
    elsewhere = [m.model_copy(update={"folder": Path("/nowhere")}) for m in record.models]
    counts = classify_chunk(run, record.model_copy(update={"models": elsewhere}), 0)
    assert counts + Counts() == counts
    assert counts.slices == 6


def test_a_machine_with_other_versions_refuses_the_work(begun) -> None:
    run, record = begun
    other = record.model_copy(update={"versions": {**record.versions, "pydicom": "1.0"}})
    with pytest.raises(EngineError, match=r"Received a difference in version of pydicom: 1\.0 in"):
        classify_chunk(run, other, 0)
    assert parts(run) == {}
