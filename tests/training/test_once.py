from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from artemis.system.locks import exclusive
from artemis.training import once
from artemis.training.once import made_once


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once, "LOOK_AGAIN", 0.02)


class Maker:
    """Makes a new folder each time, once it is let."""

    def __init__(self, output: Path) -> None:
        self.output, self.count = output, 0
        self.begun, self.let = threading.Event(), threading.Event()

    def __call__(self) -> Path:
        self.begun.set()
        assert self.let.wait(10)
        self.count += 1
        folder = self.output / f"version-{self.count}"
        folder.mkdir(parents=True)
        return folder


def test_who_comes_while_another_makes_it_waits_and_takes_what_that_made(tmp_path: Path) -> None:
    make = Maker(tmp_path / "models")

    def ask() -> Path:
        return made_once(tmp_path / "work", make.output, "a training", make)

    with ThreadPoolExecutor(3) as threads:
        asked = [threads.submit(ask)]
        assert make.begun.wait(10)
        asked += [threads.submit(ask) for _ in range(2)]
        make.let.set()
        assert {one.result(10).name for one in asked} == {"version-1"}
    assert ask().name == "version-2"  # asked for again, when nobody is at it


def test_what_is_not_there_after_the_wait_is_made(tmp_path: Path) -> None:
    """Whoever was at it was killed; an earlier one's is not taken for it."""
    make = Maker(tmp_path / "models")
    make.let.set()
    work = tmp_path / "work"
    assert made_once(work, make.output, "a training", make).name == "version-1"
    with ThreadPoolExecutor(1) as threads:
        with exclusive(tmp_path / "work.lock", "a training"):
            (tmp_path / "work.made").unlink()  # as whoever begins does
            asked = threads.submit(made_once, work, make.output, "a training", make)
            assert not asked.done()
        assert asked.result(10).name == "version-2"


def test_an_error_of_the_making_leaves_nothing_to_take(tmp_path: Path) -> None:
    def fail() -> Path:
        raise OSError("the disk is full")

    make = Maker(tmp_path / "models")
    make.let.set()
    made_once(tmp_path / "work", make.output, "a training", make)
    with pytest.raises(OSError, match="the disk is full"):
        made_once(tmp_path / "work", make.output, "a training", fail)
    assert not (tmp_path / "work.made").exists()
