from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artemis.errors import WorkspaceError
from artemis.system.files import (
    atomic_path,
    make_folder,
    printable_path,
    raw_path,
    sha256_file,
    write_text_atomic,
)


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


@pytest.mark.parametrize("name", ["a\\b.png", "\\x", "\\x41.png", "\\xFF.png", "\\\\x", "a\\"])
def test_ordinary_backslashes_stay(name: str) -> None:
    assert printable_path(name) == name


def test_a_backslash_that_could_be_mistaken_for_an_escape_is_escaped() -> None:
    assert printable_path("bad\\xff.png") == "bad\\x5cxff.png"
    assert printable_path("bad\\x5c.png") == "bad\\x5cx5c.png"


_PIECES = [b"\\", b"x", b"5c", b"ff", b"\\x5c", b"\\xff", b"\xff", b"\xc3\xa4", b"\xc3", b"/", b"a"]
_NAMES = st.binary(max_size=12) | st.lists(st.sampled_from(_PIECES)).map(b"".join)


@given(_NAMES)
def test_the_printable_path_is_text_that_leads_back_to_every_name(name: bytes) -> None:
    text = printable_path(os.fsdecode(name))
    text.encode("utf-8")
    assert raw_path(text) == name


@given(_NAMES.filter(lambda name: b"\\" not in name))
def test_text_without_backslashes_is_unchanged(name: bytes) -> None:
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        return
    assert printable_path(text) == text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("kind", ["array", "table", "text"])
def test_a_full_disk_is_said_with_the_file_whoever_writes(tmp_path: Path, kind: str) -> None:
    def write(path: Path) -> None:
        path.symlink_to("/dev/full")
        if kind == "table":
            pq.write_table(pa.table({"a": ["x"]}), path)
        elif kind == "text":
            path.write_text("x")
        else:
            with path.open("wb") as stream:
                np.save(stream, np.zeros((64, 64, 64), np.uint8))

    with pytest.raises(OSError) as caught, atomic_path(tmp_path / "part") as temporary:  # noqa: PT011
        write(temporary)
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(tmp_path / "part")
    assert not list(tmp_path.iterdir())


def test_an_error_that_says_nothing_of_the_disk_is_passed_on_as_it_is(tmp_path: Path) -> None:
    error = PermissionError(errno.EACCES, "Permission denied")
    with pytest.raises(PermissionError) as caught, atomic_path(tmp_path / "file"):
        raise error
    assert caught.value is error
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_made_with_those_above_it_and_may_be_there(tmp_path: Path) -> None:
    for _ in range(2):
        make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a folder that takes none is Linux's")
def test_a_folder_below_one_that_takes_none_is_named() -> None:
    with pytest.raises(WorkspaceError, match=r"^/proc/artemis/a: expected a folder that can be ma"):
        write_text_atomic(Path("/proc/artemis/a/b.txt"), "text")


def test_a_file_in_the_way_of_a_folder_is_left_to_be_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(NotADirectoryError):
        make_folder(tmp_path / "a" / "b")
