from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from artemis.batches import inbox, waiting
from artemis.errors import InboxError, ModelError, WorkspaceError
from artemis.runs import newest_runs
from artemis.system.locks import exclusive
from flows.server import PrefectApi

pytestmark = pytest.mark.slow(seconds=40)

ROOT = Path(__file__).parents[2]
NAME = "Mueller_Anna_1961"


@pytest.fixture
def workspace(api: PrefectApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ARTEMIS_SCHEDULE__QUIET_PERIOD", "0")
    inbox.prepare(tmp_path)
    return tmp_path


@pytest.fixture
def scan(samples: Path) -> Path:
    return samples / "coronal_no_lesion.png"


def drop(workspace: Path, name: str, *files: Path) -> Path:
    folder = workspace / "inbox" / name
    folder.mkdir()
    for file in files:
        shutil.copy(file, folder)
    return folder


def look(workspace: Path, **parameters: Any) -> dict[str, int]:
    # Imported here, since Prefect reads its API's address once, when it is imported.
    from flows.inbox import classify_inbox

    return classify_inbox(str(workspace), ["baseline"], **parameters)


def everything_in_prefect(api: PrefectApi) -> dict[str, list[dict[str, Any]]]:
    """Return the newest of all that Prefect shows of runs."""
    from prefect.logging.handlers import APILogHandler

    APILogHandler().flush()
    found = {}
    for kind, sort in {
        "flow_runs": "START_TIME_DESC",
        "task_runs": "END_TIME_DESC",
        "logs": "TIMESTAMP_DESC",
        "artifacts": "CREATED_DESC",
    }.items():
        answer = httpx.post(f"{api.url}/{kind}/filter", json={"sort": sort}, timeout=30)
        answer.raise_for_status()
        found[kind] = answer.json()
    return found


def newest_artifact(api: PrefectApi) -> str:
    artifacts = everything_in_prefect(api)["artifacts"]
    return str(next(a["data"] for a in artifacts if a["key"] == "classify-inbox"))


def test_a_batch_is_classified_moved_to_done_and_reported(
    api: PrefectApi, workspace: Path, scan: Path
) -> None:
    drop(workspace, NAME, scan)
    assert look(workspace) == {"done": 1, "quarantined": 0, "failed": 0, "waiting": 0}
    [done] = (workspace / "done").iterdir()
    assert done.name.startswith(f"{NAME}-")
    assert [path.name for path in done.iterdir()] == [scan.name]
    [record] = newest_runs(workspace / "runs")
    assert (record.status, record.counts.ok) == ("completed", 1)
    assert Path(record.report or "").is_file()
    artifact = newest_artifact(api)
    batch_id = done.name.rpartition("-")[2]
    assert f"| {batch_id} | done | 1 | 1 | 0 | 0 |" in artifact
    report = Path(record.report or "").as_uri()
    assert f"| [`{report}`]({report}) |" in artifact


def test_no_name_of_a_batch_reaches_prefect_runs_or_reports(
    api: PrefectApi, workspace: Path, scan: Path, tmp_path: Path
) -> None:
    drop(workspace, NAME, scan)
    drop(workspace, f"{NAME}_junk").joinpath("a.png").write_bytes(b"junk")
    drop(workspace, f"{NAME}_link").joinpath("a.png").symlink_to(scan)
    assert look(workspace)["quarantined"] == 2
    shown = everything_in_prefect(api)
    assert all(shown.values())
    assert NAME not in json.dumps(shown)
    for path in (*(workspace / "runs").rglob("*"), *(workspace / "reports").rglob("*")):
        assert path.is_dir() or NAME.encode() not in path.read_bytes(), path


def test_nothing_to_do_is_a_quiet_success(workspace: Path) -> None:
    assert look(workspace) == {"done": 0, "quarantined": 0, "failed": 0, "waiting": 0}
    assert not (workspace / "runs").exists()


def test_what_still_changes_waits(
    workspace: Path, scan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARTEMIS_SCHEDULE__QUIET_PERIOD", "3600")
    drop(workspace, "batch", scan)
    assert look(workspace)["waiting"] == 1
    (workspace / "inbox" / "batch.ready").touch()
    assert look(workspace)["done"] == 1


def test_a_batch_of_nothing_usable_is_quarantined_with_the_reason(
    api: PrefectApi, workspace: Path
) -> None:
    drop(workspace, "batch").joinpath("notes.txt").write_text("no scan")
    assert look(workspace)["quarantined"] == 1
    [reason] = (workspace / "quarantine").glob("*.reason.txt")
    assert (
        "Expected at least one slice to classify. Received 1 slice, 1 of them refused"
        in reason.read_text()
    )
    assert next(newest_runs(workspace / "runs")).report in reason.read_text()
    assert "| in quarantine | 1 | 0 |" in newest_artifact(api)


def test_a_batch_with_links_out_of_it_is_quarantined_unread(workspace: Path, scan: Path) -> None:
    folder = drop(workspace, "batch", scan)
    folder.joinpath("out.png").symlink_to(scan.resolve())
    assert look(workspace)["quarantined"] == 1
    [reason] = (workspace / "quarantine").glob("*.reason.txt")
    assert (
        "Received 1 symbolic link that leads out of it, which is not followed: out.png."
        in reason.read_text()
    )
    assert not (workspace / "runs").exists()


def test_a_batch_that_fails_is_tried_twice_and_keeps_no_other_waiting(
    api: PrefectApi, workspace: Path, scan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import flows.classify

    real = flows.classify.plan_chunks

    def fail_on_two(batch: Path, *rest: Any) -> Any:
        if len(list(batch.iterdir())) == 2:
            raise ModelError(f"{batch}: a fault.")
        return real(batch, *rest)

    monkeypatch.setattr("flows.classify.plan_chunks", fail_on_two)
    drop(workspace, "a broken one", scan, scan.with_name("sagittal_no_lesion.jpg"))
    drop(workspace, "b good one", scan)
    with pytest.raises(InboxError, match=r"1 that could not be: .*ModelError, failed, to be tried"):
        look(workspace)
    [done] = (workspace / "done").iterdir()
    assert done.name.startswith("b good one-")
    assert "| failed, to be tried again (ModelError) |" in newest_artifact(api)
    [note] = (workspace / "processing").glob("*.json")
    assert json.loads(note.read_text())["error"].startswith("ModelError: ")
    with pytest.raises(InboxError, match="ModelError, in quarantine"):
        look(workspace)
    [reason] = (workspace / "quarantine").glob("a broken one-*.reason.txt")
    assert "attempt 2\nModelError: " in reason.read_text()
    assert look(workspace) == {"done": 0, "quarantined": 0, "failed": 0, "waiting": 0}
    flow_runs = everything_in_prefect(api)["flow_runs"]
    assert [run["state_type"] for run in flow_runs].count("FAILED") >= 2


def test_a_full_disk_is_no_fault_of_a_batch(
    workspace: Path, scan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise WorkspaceError("no room") from error

    drop(workspace, "batch", scan)
    with monkeypatch.context() as patch:
        patch.setattr("flows.classify.plan_chunks", refuse)
        for _ in range(2):
            with pytest.raises(InboxError, match=r"processing/<batch>\.json, or the reason"):
                look(workspace)
    assert look(workspace)["done"] == 1


def test_a_wrong_model_is_named_before_a_batch_is_taken(workspace: Path, scan: Path) -> None:
    from flows.inbox import classify_inbox

    folder, storage = drop(workspace, "batch", scan), Path(os.environ["PREFECT_HOME"]) / "storage"
    before = set(storage.glob("*"))
    with pytest.raises(ModelError, match="Received: basline"):
        classify_inbox(str(workspace), ["basline"])
    assert folder.is_dir()
    # Prefect keeps the error of a failed run as a file: as text, and neither pickled nor with what
    # it came from, which may name the batch.
    [left] = set(storage.glob("*")) - before
    kept = json.loads(left.read_text())
    assert kept.keys() == {"__exc_type__", "message"}
    assert "Received: basline" in kept["message"]


def test_a_batch_that_may_not_be_moved_keeps_no_other_waiting(
    api: PrefectApi, workspace: Path, scan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked, real = drop(workspace, NAME, scan), Path.rename

    def rename(path: Path, target: Path) -> Path:
        if path == locked:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, target)

    drop(workspace, "Z", scan)
    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(WorkspaceError, match="Permission denied") as caught:
        look(workspace)
    assert NAME not in str(caught.value)
    assert NAME not in json.dumps(everything_in_prefect(api))
    assert [path.name[:2] for path in (workspace / "done").iterdir()] == ["Z-"]
    assert locked.is_dir()


def test_the_batch_of_a_killed_run_is_classified_by_the_next(
    api: PrefectApi, workspace: Path, scan: Path
) -> None:
    drop(workspace, "batch", scan)
    code = (
        "import sys, time, flows.inbox, flows.classify\n"
        "def hang(*_): print('taken', flush=True); time.sleep(600)\n"
        "flows.classify.plan_chunks = hang\n"
        "flows.inbox.classify_inbox(sys.argv[1], ['baseline'])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(workspace)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "taken\n"
        assert look(workspace)["done"] == 0, "its holder is alive"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    [note] = (workspace / "processing").glob("*.json")
    assert json.loads(note.read_text()) == {"name": "batch", "attempts": 1}
    assert look(workspace)["done"] == 1
    assert [path.name for path in (workspace / "processing").iterdir()] == [".lock"]


def test_a_batch_at_which_two_processes_died_is_quarantined(workspace: Path, scan: Path) -> None:
    drop(workspace, "batch", scan)
    [candidate] = waiting.candidates(workspace)
    inbox.claim(workspace, candidate)
    assert [left.attempts for left in inbox.orphans(workspace)] == [2]
    assert look(workspace)["quarantined"] == 1
    [reason] = (workspace / "quarantine").glob("batch-*.reason.txt")
    assert "Received 2 whose process died at it" in reason.read_text()
    assert not (workspace / "runs").exists()


def test_an_interrupted_batch_is_not_blamed(
    workspace: Path, scan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    drop(workspace, "batch", scan)
    with monkeypatch.context() as patch:
        patch.setattr("flows.classify.plan_chunks", interrupt)
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                look(workspace)
    assert look(workspace)["done"] == 1


def test_a_second_look_while_one_is_at_work_takes_nothing(workspace: Path, scan: Path) -> None:
    drop(workspace, "batch", scan)
    with exclusive(workspace / inbox.PROCESSING_LOCK, "a look into the inbox"):
        assert look(workspace)["done"] == 0
    assert look(workspace)["done"] == 1
