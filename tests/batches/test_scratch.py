"""The model inputs of a run whose process is killed do not stay."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from artemis.batches.scratch import at_work, remove_abandoned
from artemis.run_ids import new_run_id
from artemis.runs import RunPaths, create_run

ROOT = Path(__file__).parents[2]

AT_WORK = """
import sys
from pathlib import Path
from artemis.batches.batch import plan_chunks, start_run, write_plans
from artemis.batches.classify import ingest_chunk
from artemis.batches.scratch import at_work
from artemis.settings import Settings

samples, workspace = map(Path, sys.argv[1:])
settings = Settings(workspace=workspace)
run, record = start_run(samples, settings, ["baseline"], "test")
with at_work(run):
    write_plans(run, plan_chunks(samples, settings, limit=2))
    ingest_chunk(run, record, 0, [64])
    print(run.run_id, flush=True)
    sys.stdin.read()
"""


@contextmanager
def classifying(samples: Path, workspace: Path) -> Iterator[tuple[subprocess.Popen[str], RunPaths]]:
    """A process that has read a chunk, and is then at work until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", AT_WORK, samples, workspace],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield process, RunPaths(workspace, process.stdout.readline().strip())
        finally:
            process.kill()


def killed_run(samples: Path, workspace: Path) -> RunPaths:
    with classifying(samples, workspace) as (process, run):
        process.kill()
    assert list(run.tensors.rglob("*.npy"))
    return run


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def test_scratch_goes_with_the_next_command_once_its_process_was_killed(
    samples: Path, tmp_path: Path
) -> None:
    with classifying(samples, tmp_path) as (process, run):
        before = files(run.root)
        assert remove_abandoned(tmp_path) == []
        assert files(run.root) == before
        process.kill()
        process.wait()
        assert remove_abandoned(tmp_path) == [run.run_id]
    assert {path.name for path in run.root.iterdir()} == {"run.json", "plan", "slices"}
    assert remove_abandoned(tmp_path) == []


def test_scratch_of_another_machine_is_left_to_it_whatever_its_lock_says_here(
    samples: Path, tmp_path: Path
) -> None:
    run = killed_run(samples, tmp_path)
    lock = run.root / ".at-work"
    pid, host, rest = lock.read_text().split(" ", 2)
    lock.write_text(f"{pid} {host}-2 {rest}")
    before = files(run.root)
    assert remove_abandoned(tmp_path) == []
    assert files(run.root) == before


def test_scratch_of_a_run_that_ends_by_itself_is_its_own_business(
    samples: Path, tmp_path: Path
) -> None:
    with classifying(samples, tmp_path) as (process, run):
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert remove_abandoned(tmp_path) == []
    assert {path.name for path in run.root.iterdir()} == {"run.json", "plan", "slices", "tensors"}


def test_what_a_step_wrote_after_its_run_was_interrupted_does_not_stay(tmp_path: Path) -> None:
    run = create_run(tmp_path, new_run_id())
    with pytest.raises(KeyboardInterrupt), at_work(run):
        raise KeyboardInterrupt
    assert remove_abandoned(tmp_path) == []
    run.tensors.mkdir()
    assert remove_abandoned(tmp_path) == [run.run_id]
    assert list(run.root.iterdir()) == []


def test_the_command_that_removes_scratch_says_so(samples: Path, tmp_path: Path) -> None:
    run = killed_run(samples, tmp_path)
    answer = subprocess.run(
        [sys.executable, "cli.py", "report", run.run_id, "--workspace", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert answer.stderr.splitlines()[0] == (
        f"Removed the model inputs of 1 run whose process was killed: {run.run_id}."
    )
    assert not run.tensors.exists()
