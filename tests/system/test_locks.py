from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from artemis.errors import BusyError
from artemis.system.locks import exclusive, exclusive_within

ROOT = Path(__file__).parents[2]
HOLD = (
    "import sys; from pathlib import Path; from artemis.system.locks import exclusive\n"
    "with exclusive(Path(sys.argv[1]), 'a retraining'):\n"
    "    print('held', flush=True); sys.stdin.read()\n"
)


def held_elsewhere(path: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def end(holder: subprocess.Popen[str], how: signal.Signals) -> None:
    holder.send_signal(how)
    holder.communicate(timeout=30)


def test_a_lock_that_is_freed_in_time_is_waited_for(tmp_path: Path) -> None:
    holder = held_elsewhere(tmp_path / "LOCK")
    with (
        pytest.raises(BusyError, match="a retraining"),
        exclusive_within(0, tmp_path / "LOCK", "x"),
    ):
        pass
    threading.Timer(0.3, end, (holder, signal.SIGKILL)).start()
    with exclusive_within(60, tmp_path / "LOCK", "a change"):
        assert holder.wait(30) == -signal.SIGKILL


@pytest.fixture
def no_flock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that knows no locks."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("artemis.system.locks.fcntl.flock", refuse)


def test_a_second_process_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "models" / ".retraining"
    holder = held_elsewhere(path)
    try:
        with (
            pytest.raises(BusyError, match=rf"a retraining by process {holder.pid} on .+ since 20"),
            exclusive(path, "a retraining"),
        ):
            pytest.fail("two hold it")
    finally:
        end(holder, signal.SIGTERM)


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = tmp_path / ".retraining"
    end(held_elsewhere(path), signal.SIGKILL)
    with exclusive(path, "a retraining"):
        assert path.read_text().endswith(" a retraining")
        assert path.read_text().startswith(f"{os.getpid()} ")
    assert path.read_text() == ""


def test_the_file_of_a_lock_that_was_freed_is_empty(tmp_path: Path) -> None:
    (tmp_path / "LOCK").write_text("what one that was killed had noted, longer than the next")
    with exclusive(tmp_path / "LOCK", "x"):
        noted = (tmp_path / "LOCK").read_text()
        assert noted.startswith(f"{os.getpid()} ")
        assert noted.endswith("Z x")
    assert (tmp_path / "LOCK").read_bytes() == b""


def test_the_same_process_holds_it_once(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with exclusive(path, "a look"):
        with pytest.raises(BusyError, match="a look by process"), exclusive(path, "a look"):
            pytest.fail("two hold it")
        with exclusive(tmp_path / ".other", "another"):
            pass
    with exclusive(path, "a look"):
        pass


def test_an_error_within_frees_it(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with pytest.raises(ValueError, match="within"), exclusive(path, "a look"):
        raise ValueError("within")
    with exclusive(path, "a look"):
        pass


@pytest.mark.usefixtures("no_flock")
def test_without_kernel_locks_presence_excludes_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with exclusive(path, "a look"):
        held = path.with_name(".lock.held")
        assert held.is_file()
        with pytest.raises(BusyError, match=r"If it is gone, delete .*\.lock\.held"):
            exclusive(path, "a look").__enter__()
    assert not held.exists()


@pytest.mark.usefixtures("no_flock")
@pytest.mark.parametrize("elsewhere", [False, True])
def test_without_kernel_locks_only_a_dead_holder_of_this_machine_is_passed_over(
    tmp_path: Path, elsewhere: bool
) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    held = tmp_path / ".lock.held"
    host = "another-machine" if elsewhere else os.uname().nodename
    held.write_text(f"{gone.pid} {host} 2026-01-01T00:00:00Z a look")
    if elsewhere:
        with pytest.raises(BusyError, match=f"process {gone.pid} on another-machine"):
            exclusive(tmp_path / ".lock", "a look").__enter__()
    else:
        with exclusive(tmp_path / ".lock", "a look"):
            assert held.read_text().startswith(f"{os.getpid()} ")
    assert [path.name for path in tmp_path.glob("*.tmp")] == []


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("content")
    (tmp_path / ".lock").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        exclusive(tmp_path / ".lock", "a look").__enter__()
    assert victim.read_text() == "content"
