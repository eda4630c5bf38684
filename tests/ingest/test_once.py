from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from artemis.ingest.once import SETTLED_NS, FileState, Once


def test_a_result_is_made_once_for_threads_that_ask_at_the_same_time() -> None:
    once: Once[str, object] = Once(8)
    together, made, found = threading.Barrier(6), [], []

    def make() -> object:
        made.append(object())
        time.sleep(0.05)
        return made[-1]

    def ask() -> None:
        together.wait()
        found.append(once.get("key", make))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert found == made * 6


def test_what_failed_is_made_again() -> None:
    once: Once[str, int] = Once(8)
    with pytest.raises(ZeroDivisionError):
        once.get("key", lambda: 1 // 0)
    assert once.get("key", lambda: 7) == 7
    assert once.get("key", lambda: 8) == 7


def test_what_was_asked_for_longest_ago_is_forgotten() -> None:
    once: Once[int, str] = Once(2)
    for key in (1, 2, 1, 3):
        once.get(key, lambda: "first")
    assert [once.get(key, lambda: "again") for key in (1, 3, 2)] == ["first", "first", "again"]


def state(path: Path) -> FileState:
    with path.open("rb") as stream:
        return FileState.of(stream.fileno())


def test_another_content_is_another_state_even_with_the_old_size_and_time(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    before, times = state(path), path.stat()
    assert state(path) == before
    time.sleep(0.02)  # clocks of file systems go in steps
    path.write_bytes(b"two")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert state(path).modified_ns == before.modified_ns
    assert state(path) != before


def test_only_a_file_left_alone_for_a_while_is_settled(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    fresh = state(tmp_path / "file")
    assert not fresh.is_settled()
    long_ago = fresh.changed_ns - SETTLED_NS - 1
    assert not fresh._replace(modified_ns=long_ago).is_settled()
    assert fresh._replace(modified_ns=long_ago, changed_ns=long_ago).is_settled()
    ahead = time.time_ns() + 3600 * 10**9  # the clock of a file server
    assert not fresh._replace(changed_ns=ahead).is_settled()
