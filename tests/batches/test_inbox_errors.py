"""What an inbox says and leaves when the file system refuses."""

from __future__ import annotations

import errno
import os
import traceback
from pathlib import Path

import pytest

from artemis.batches import inbox, waiting
from artemis.errors import WorkspaceError
from tests.inboxes import drop, take, tree

ROOT = Path(__file__).parents[2]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    inbox.prepare(tmp_path)
    return tmp_path


def test_several_file_systems_are_a_named_error(workspace: Path) -> None:
    other = Path("/dev/shm")  # noqa: S108  # the second file system
    if not other.is_dir() or other.stat().st_dev == workspace.stat().st_dev:
        pytest.skip("no second file system at /dev/shm")
    drop(workspace, "batch")
    [candidate] = waiting.candidates(workspace)
    (workspace / "processing").rmdir()
    target = other / f"artemis-{os.getpid()}"
    target.mkdir()
    (workspace / "processing").symlink_to(target)
    try:
        with pytest.raises(WorkspaceError, match="on one file system"):
            inbox.prepare(workspace)
        with pytest.raises(WorkspaceError, match="on one file system") as caught:
            inbox.claim(workspace, candidate)
    finally:
        for path in target.iterdir():
            path.unlink()
        target.rmdir()
    assert "batch" not in str(caught.value).replace("a batch moves", "")
    assert tree(workspace / "inbox") == {"batch", "batch/0.png", "batch/1.png"}


@pytest.mark.parametrize("name", ["inbox", "processing", "done", "quarantine"])
def test_a_folder_that_cannot_be_written_is_named_before_a_batch_is_taken(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: path != workspace / name)
    with pytest.raises(WorkspaceError, match=rf"/{name}: expected.*Received: Permission denied"):
        inbox.prepare(workspace)


def refuse(monkeypatch: pytest.MonkeyPatch, method: str, path: Path) -> None:
    """Let one path be another user's, for a test that may be run by root."""
    real = getattr(Path, method)

    def refused(self: Path, *rest: Path, **options: bool) -> object:
        if self == path:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(self, *rest, **options)

    monkeypatch.setattr(Path, method, refused)


def test_a_folder_that_may_not_be_entered_hides_no_other_batch(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(workspace, "a")
    drop(workspace, "b")
    refuse(monkeypatch, "is_file", workspace / "inbox" / "a" / ".ready")
    found = waiting.candidates(workspace)
    assert [(one.name, one.marked) for one in found] == [("a", False), ("b", False)]


def test_links_are_named_beside_what_may_not_be_looked_at(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = drop(workspace, "batch")
    (folder / "out.png").symlink_to("/etc/hostname")
    refuse(monkeypatch, "is_symlink", folder / "0.png")
    assert inbox.links_outside(folder) == ["out.png"]


@pytest.mark.parametrize("name", ["batch", "scan.png"])
def test_what_may_not_be_moved_is_a_named_error_and_leaves_nothing_behind(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if name == "batch":
        drop(workspace, name)
    else:
        (workspace / "inbox" / name).write_bytes(b"x")
    [candidate] = waiting.candidates(workspace)
    refuse(monkeypatch, "rename", workspace / "inbox" / name)
    with pytest.raises(WorkspaceError, match="Permission denied") as caught:
        inbox.claim(workspace, candidate)
    assert name not in str(caught.value).replace("a batch", "").replace("batches", "")
    assert not list((workspace / "processing").iterdir())


@pytest.mark.parametrize("marker", ["Mueller Anna.ready", "Mueller Anna/.ready"])
def test_a_marker_that_may_not_be_removed_is_a_named_error_and_the_batch_stays(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, marker: str
) -> None:
    folder = drop(workspace, "Mueller Anna")
    (workspace / "inbox" / marker).touch()
    [candidate] = waiting.candidates(workspace)
    refuse(monkeypatch, "unlink", workspace / "inbox" / marker)
    with pytest.raises(WorkspaceError, match="Permission denied") as caught:
        inbox.claim(workspace, candidate)
    assert "Mueller" not in logged(caught.value)
    assert folder.is_dir()
    assert not list((workspace / "processing").iterdir())


@pytest.mark.parametrize("method", ["rename", "write_text"])
def test_no_name_of_a_batch_is_in_what_a_log_holds_of_an_error(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    drop(workspace, "Mueller Anna")
    claim = take(workspace)

    def refused(path: Path, *rest: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path), None, str(rest))

    monkeypatch.setattr(Path, method, refused)
    with pytest.raises(WorkspaceError) as caught:
        inbox.quarantine(claim, "Why.")
    assert "Mueller" not in logged(caught.value)


def logged(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))
