from __future__ import annotations

import errno
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from artemis.system.disk import disk_words, is_full

ROOT = Path(__file__).parents[2]


def test_a_file_that_may_not_be_written_is_named_as_people_know_it() -> None:
    words = disk_words(PermissionError(errno.EACCES, "", "ws/.run.csv.60679338.tmp"))
    assert words is not None
    assert words.startswith("ws/run.csv: expected a file or folder that can be read and written.")
    assert "Received: Permission denied." in words


def test_the_path_is_found_in_what_pyarrow_says() -> None:
    said = "Failed to open local file '/ws/.changed.parquet.977c96ea.tmp'. Detail: [errno 13]"
    words = disk_words(PermissionError(errno.EACCES, said))
    assert words is not None
    assert words.startswith("/ws/changed.parquet: expected")


def test_a_full_disk_wants_space() -> None:
    words = disk_words(OSError(errno.ENOSPC, "", "run.csv"))
    assert words is not None
    assert "Received: No space left on device. Free some space, or choose another place" in words


def test_a_limit_on_the_size_of_files_is_no_unexpected_error() -> None:
    words = disk_words(OSError(errno.EFBIG, "", "ws/.run.csv.60679338.tmp"))
    assert words is not None
    assert words.startswith("ws/run.csv: expected")
    assert "Received: File too large. Raise the limit on the size of files (`ulimit -f`)" in words


def test_a_full_disk_is_known_by_what_an_error_came_from() -> None:
    database = sqlite3.connect(":memory:")
    database.execute("PRAGMA max_page_count = 2")
    database.execute("CREATE TABLE a (b)")
    with pytest.raises(sqlite3.OperationalError) as caught:
        database.execute("INSERT INTO a VALUES (zeroblob(100000))")
    database.close()
    for full in (caught.value, OSError(errno.EDQUOT, ""), OSError(errno.EFBIG, "")):
        error = ValueError("no room")
        error.__cause__ = full
        assert is_full(error)


@pytest.mark.parametrize(
    "error",
    [None, OSError("text"), PermissionError(errno.EACCES, ""), sqlite3.OperationalError("locked")],
)
def test_what_is_no_full_disk_is_not_taken_for_one(error: Exception | None) -> None:
    assert not is_full(error)


@pytest.mark.parametrize(
    "error",
    [FileNotFoundError(errno.ENOENT, "", "a"), OSError("text"), PermissionError(errno.EACCES, "")],
)
def test_other_errors_are_left_to_be_reported(error: OSError) -> None:
    assert disk_words(error) is None


def test_a_command_on_a_workspace_that_is_a_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "ws").write_text("a file")
    answer = subprocess.run(
        [sys.executable, "cli.py", "labels", "conflicts", "--workspace", str(tmp_path / "ws")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"Error: {tmp_path / 'ws'}")
    assert "Received: Not a directory." in answer.stderr
    assert "Unexpected" not in answer.stderr


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a folder that takes none is Linux's")
@pytest.mark.parametrize("command", [["labels", "conflicts"], ["data", "fetch"]])
def test_a_command_on_a_workspace_that_cannot_be_made_says_so(command: list[str]) -> None:
    answer = subprocess.run(
        [sys.executable, "cli.py", *command, "--workspace", "/proc/artemis"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 1
    assert answer.stderr.splitlines()[-1].startswith("Error: /proc/artemis/")
    assert answer.stderr.endswith(
        ": expected a folder that can be made. Received: No such file or directory. Choose another "
        "place with --workspace, ARTEMIS_WORKSPACE or the command's --output.\n"
    )
