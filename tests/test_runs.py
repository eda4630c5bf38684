from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from artemis.errors import NothingUsableError, RunRecordError, WorkspaceError
from artemis.runs import (
    Counts,
    RunRecord,
    RunStatus,
    check_batch,
    check_workspace,
    create_run,
    find_run,
    newest_runs,
    read_record,
    was_left_unended,
    write_record,
)
from artemis.settings import Settings


def record(run_id: str) -> RunRecord:
    return RunRecord(
        run_id=run_id,
        status=RunStatus.COMPLETED,
        created=datetime(2026, 11, 23, tzinfo=UTC),
        batch="scans",
        command="artemis-cli classify-batch scans",
        versions={},
        settings=Settings(),
        models=[],
    )


def test_record_reads_back_as_written(tmp_path: Path) -> None:
    paths = create_run(tmp_path, "20261123T000000Z-000000")
    write_record(paths, record(paths.run_id))
    assert read_record(paths.root) == record(paths.run_id)


def test_existing_run_is_never_overwritten(tmp_path: Path) -> None:
    create_run(tmp_path, "a")
    with pytest.raises(WorkspaceError, match=r"expected a new run.*nothing is overwritten"):
        create_run(tmp_path, "a")


def test_workspace_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match=r"file: expected a folder that can be written"):
        create_run(tmp_path / "file", "a")


def test_a_workspace_that_no_record_could_name_is_refused(tmp_path: Path) -> None:
    workspace = tmp_path / os.fsdecode(b"work\xff")
    with pytest.raises(WorkspaceError, match=r"work\\xff: expected a folder whose path is valid"):
        check_workspace(workspace)
    assert not workspace.exists()


def test_paths_that_cannot_be_looked_at_are_named(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 300)  # raises as a folder that may not be entered does
    with pytest.raises(NothingUsableError, match=r"folder of scans\. Received: file name too long"):
        check_batch(path)
    with pytest.raises(WorkspaceError, match=r"can be written\. Received: file name too long"):
        check_workspace(path / "workspace")


def test_run_is_found_by_id_by_path_and_as_latest(tmp_path: Path) -> None:
    for run_id in ("20261122T000000Z-aaaaaa", "20261123T000000Z-bbbbbb"):
        write_record(create_run(tmp_path, run_id), record(run_id))
    newest = tmp_path / "runs" / "20261123T000000Z-bbbbbb"
    assert find_run(tmp_path, "latest") == newest
    assert find_run(tmp_path, newest.name) == newest
    assert find_run(tmp_path, str(newest)) == newest


def test_a_folder_named_by_hand_is_not_the_latest_run(tmp_path: Path) -> None:
    for name in ("20261122T000000Z-aaaaaa", "20261123T000000Z-bbbbbb", "before the update"):
        write_record(create_run(tmp_path, name), record("20261122T000000Z-aaaaaa"))
    assert find_run(tmp_path, "latest").name == "20261123T000000Z-bbbbbb"
    assert find_run(tmp_path, "before the update").name == "before the update"


def test_a_run_counts_once_however_often_its_folder_was_copied(tmp_path: Path) -> None:
    kept, moved = "20261122T000000Z-aaaaaa", "20261121T000000Z-cccccc"
    for name, run_id in ((kept, kept), (f"{kept}.bak", kept), ("by hand", moved)):
        one = record(run_id).model_copy(update={"command": name})
        write_record(create_run(tmp_path, name), one)
    found = [one.command for one in newest_runs(tmp_path / "runs")]
    assert found == [kept, "by hand"]


@pytest.mark.parametrize("name", ["latest", "../runs", "nothing", "n" * 300])
def test_unknown_run_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunRecordError, match=f"expected the run '{name}'"):
        find_run(tmp_path, name)


def test_latest_of_a_workspace_without_runs_is_not_answered_with_latest(tmp_path: Path) -> None:
    with pytest.raises(RunRecordError, match="Received no run at all") as raised:
        find_run(tmp_path, "latest")
    assert "classify-batch DIR" in str(raised.value)
    assert "say `latest`" not in str(raised.value)


def test_damaged_record_is_named(tmp_path: Path) -> None:
    paths = create_run(tmp_path, "a")
    paths.record.write_text("{}")
    with pytest.raises(RunRecordError, match=r"run\.json: expected the record of a run"):
        read_record(paths.root)


def test_a_record_that_is_no_text_is_named_and_hides_no_other_run(tmp_path: Path) -> None:
    paths = create_run(tmp_path, "20261122T000000Z-aaaaaa")
    paths.record.write_bytes(b'{"run_id": "\xff"}')
    whole = create_run(tmp_path, "20261123T000000Z-bbbbbb")
    write_record(whole, record(whole.run_id))
    with pytest.raises(RunRecordError, match=r"run\.json: expected the record of a run"):
        read_record(paths.root)
    assert [found.run_id for found in newest_runs(tmp_path / "runs")] == [whole.run_id]


def test_counts_of_chunks_add_up() -> None:
    assert Counts(slices=3, ok=2, failed=1) + Counts(slices=1, ok=1) == Counts(
        slices=4, ok=3, failed=1
    )


@pytest.mark.parametrize(
    ("before", "left"),
    [
        ({}, False),
        ({"status": RunStatus.RUNNING}, True),
        ({"status": RunStatus.FAILED}, False),
        ({"status": RunStatus.RUNNING, "batch": "others"}, False),
    ],
)
def test_a_run_knows_whether_another_one_of_its_batch_never_ended(
    tmp_path: Path, before: dict[str, object], left: bool
) -> None:
    now = record("20261123T000002Z-000000").model_copy(update={"status": RunStatus.RUNNING})
    earlier = record("20261123T000001Z-000000").model_copy(update=before)
    oldest = record("20261123T000000Z-000000").model_copy(update={"batch": "third"})
    for one in (now, earlier, oldest):
        write_record(create_run(tmp_path, one.run_id), one)
    assert was_left_unended(now, tmp_path / "runs") is left
