"""How a run begins and ends: real files, a real model, no Prefect."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from artemis.batches.batch import (
    conclude_run,
    plan_chunks,
    recording_failure,
    start_run,
    write_plans,
)
from artemis.batches.chunk import classify_chunk
from artemis.errors import RunRecordError, WorkspaceError
from artemis.runs import (
    Counts,
    RunPaths,
    RunRecord,
    RunStatus,
    create_run,
    find_run,
    read_record,
    reports_of,
)
from artemis.settings import Settings

SLICES, ANSWERS = "slices", "predictions/model=baseline"


def test_the_key_of_identities_is_there_before_anything_is_read(
    samples: Path, tmp_path: Path
) -> None:
    start_run(samples, Settings(workspace=tmp_path), ["baseline"], "a test")
    assert len((tmp_path / "identity.key").read_bytes()) == 32


def test_a_damaged_key_of_identities_is_told_before_a_run_is_begun(
    samples: Path, tmp_path: Path
) -> None:
    (tmp_path / "identity.key").write_bytes(b"short")
    with pytest.raises(WorkspaceError, match=r"identity\.key: expected 32 bytes\. Received 5\."):
        start_run(samples, Settings(workspace=tmp_path), ["baseline"], "a test")
    assert not (tmp_path / "runs").exists()


def test_a_run_is_the_latest_though_the_clock_was_set_back(samples: Path, tmp_path: Path) -> None:
    ahead = create_run(tmp_path, "29991231T000000Z-000000")
    run, _ = start_run(samples, Settings(workspace=tmp_path), ["baseline"], "a test")
    assert run.run_id > ahead.run_id
    assert find_run(tmp_path, "latest") == run.root


def test_where_the_reports_are_does_not_hang_on_the_working_directory(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(workspace=tmp_path / "data", reports=Path("pages"))
    run, record = start_run(samples, settings, ["baseline"], "a test")
    monkeypatch.chdir("/")
    assert reports_of(run.root, record) == tmp_path / "pages"


@pytest.fixture
def classified(samples: Path, tmp_path: Path) -> tuple[RunPaths, RunRecord, Counts]:
    """A run of three slices in two chunks, all of which are classified."""
    batch = tmp_path / "batch"
    batch.mkdir()
    for path in samples.glob("*_no_lesion*"):
        shutil.copy(path, batch)
    settings = Settings(workspace=tmp_path / "data", chunk_slices=2)
    run, record = start_run(batch, settings, ["baseline"], "a test")
    chunks = plan_chunks(batch, settings)
    write_plans(run, chunks)
    counts = sum((classify_chunk(run, record, k) for k in range(len(chunks))), Counts())
    assert (counts.slices, counts.ok) == (3, 3)
    return run, record, counts


def shorten(part: Path) -> None:
    pq.write_table(pq.ParquetFile(part).read().slice(1), part)


@pytest.mark.parametrize(
    ("table", "spoil", "words"),
    [
        (SLICES, Path.unlink, r"slices: expected 3 rows, .* Received 2, and no part-00001\.par"),
        (ANSWERS, Path.unlink, r"model=baseline: expected 3 rows, .* 2, and no part-00001\.par"),
        (ANSWERS, shorten, r"model=baseline: expected 3 rows, .* Received 2\. They were lost, or"),
        (ANSWERS, lambda part: part.write_bytes(b"PAR1"), r"00001\.parquet: expected a Parquet"),
    ],
)
def test_a_run_whose_rows_are_not_all_seen_is_not_completed(
    classified, table: str, spoil: Callable[[Path], None], words: str
) -> None:
    run, record, counts = classified
    spoil(run.root / table / "part-00001.parquet")
    with pytest.raises(RunRecordError, match=words):
        conclude_run(run, record, counts, {})
    assert read_record(run.root).status is RunStatus.RUNNING


def test_a_run_whose_rows_are_all_there_is_completed_with_its_counts(classified) -> None:
    run, record, counts = classified
    concluded = conclude_run(run, record, counts, {"classify": 2.5})
    assert read_record(run.root) == concluded
    assert (concluded.status, concluded.counts) == (RunStatus.COMPLETED, counts)
    assert json.loads(run.record.read_text())["timings"] == {"classify": 2.5}
    assert not run.tensors.exists()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (SystemExit(143), "Ended by a signal."),
        (KeyboardInterrupt(), "Interrupted by the user."),
        (ValueError("it was 3"), "ValueError: it was 3"),
    ],
)
def test_a_run_that_fails_records_why_and_goes_on_failing(
    samples: Path, tmp_path: Path, error: BaseException, words: str
) -> None:
    run, _ = start_run(samples, Settings(workspace=tmp_path), ["baseline"], "a test")
    run.tensors.mkdir()
    with pytest.raises(type(error)), recording_failure(run):
        raise error
    record = read_record(run.root)
    assert (record.status, record.error) == (RunStatus.FAILED, words)
    assert record.finished is not None
    assert not run.tensors.exists()
