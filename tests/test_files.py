from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from artemis.files import atomic_path, printable_path, sha256_file, write_text_atomic


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"scan" * 700_000)
    assert sha256_file(path) == hashlib.sha256(b"scan" * 700_000).hexdigest()


def test_text_replaces_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "run.json"
    write_text_atomic(path, "old")
    write_text_atomic(path, "new")
    assert path.read_text() == "new"
    assert [p.name for p in path.parent.iterdir()] == ["run.json"]


def test_failed_write_leaves_the_old_file_and_no_scratch(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    path.write_text("old")

    def write_half() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["part.parquet"]


def test_undecodable_file_names_become_printable_text() -> None:
    assert printable_path(os.fsdecode(b"scan\xff.png")) == "scan\\xff.png"
    assert printable_path("Aufnahme ä.png") == "Aufnahme ä.png"
