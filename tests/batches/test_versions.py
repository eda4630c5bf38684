from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import artemis
from artemis.batches.versions import APART, sources_of, versions
from tests.test_rooms import ROOMS

HERE = Path(artemis.__file__).parent


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the package, as another machine may have it."""
    copy = tmp_path_factory.mktemp("other") / "artemis"
    kept = shutil.ignore_patterns("__pycache__", "pretrained")
    return Path(shutil.copytree(HERE, copy, ignore=kept))


def changed(code: Path, tmp_path: Path, name: str, change: Callable[[bytes], bytes]) -> str:
    other = Path(shutil.copytree(code, tmp_path / "artemis"))
    path = other / name
    path.write_bytes(change(path.read_bytes() if path.exists() else b""))
    return sources_of(other)


def test_a_copy_of_the_code_without_its_caches_and_models_is_the_same_code(code: Path) -> None:
    assert versions()["artemis-mri sources"] == sources_of(code) == sources_of(HERE)
    assert len(sources_of(code)) == 12


@pytest.mark.parametrize(
    "name", ["labels.py", "ingest/dicom/grayscale.py", "answers/studies.py", "ingest/new.py"]
)
def test_a_changed_or_added_line_where_rows_are_made_is_other_code(
    code: Path, tmp_path: Path, name: str
) -> None:
    assert changed(code, tmp_path, name, lambda old: old + b"# 2\n") != sources_of(code)


def test_a_line_moved_to_the_next_file_is_other_code(code: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(code, tmp_path / "artemis"))
    (other / "labels.py").rename(other / "labels2.py")
    assert sources_of(other) != sources_of(code)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("labels.py", lambda old: old.replace(b"\n", b"\r\n")),
        ("report/model_card.py", lambda old: old + b"# another word\n"),
        ("ingest/.#read.py", lambda old: b"left by an editor"),
        ("ingest/._read.py", lambda old: b"left by a Mac on a share"),
        ("ingest/read.py.orig", lambda old: b"left by a merge"),
    ],
)
def test_what_makes_no_row_makes_no_other_code(
    code: Path, tmp_path: Path, name: str, change: Callable[[bytes], bytes]
) -> None:
    assert changed(code, tmp_path, name, change) == sources_of(code)


def test_rooms_apart_are_those_above_the_one_that_makes_rows() -> None:
    floor = ROOMS.index(("artemis.batches",))
    above = {room for rooms in ROOMS[:floor] for room in rooms if room.startswith("artemis.")}
    assert {f"artemis.{name}" for name in APART} == above
    assert all((HERE / name).is_dir() for name in APART)


def test_the_sources_are_read_once() -> None:
    """A worker whose code is replaced under it goes on with the one that it has."""
    assert sources_of(HERE) is sources_of(HERE)
