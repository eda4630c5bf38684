"""The scratch of runs, patients' pixels, and what becomes of it when a process is killed.

A run that ends, however it ends, removes its own. One whose process is killed cannot: whoever
works in the workspace next removes what no living process holds.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from artemis.errors import BusyError
from artemis.runs import RunPaths
from artemis.said import counted
from artemis.system.locks import exclusive, was_held_here

_LOCK: Final = ".at-work"


@contextmanager
def at_work(run: RunPaths) -> Iterator[None]:
    """Hold the lock that says that a process is at work on a run, within this context.

    Its file stays where the work fails: a step that was still at it may write to its scratch
    after that was removed, and then it has to be told as left behind.
    """
    lock = run.root / _LOCK
    with exclusive(lock, "the classification of a batch"):
        yield
        lock.unlink(missing_ok=True)


def remove_abandoned(workspace: Path) -> list[str]:
    """Remove the scratch of the workspace's runs whose processes are gone.

    A run without the file of a lock is left alone, and so is one of another machine: nothing says
    that nobody is at work on it.

    Returns
    -------
    list of str
        Ids of the runs, oldest first.
    """
    removed = []
    for scratch in sorted((workspace / "runs").glob("*/tensors")):
        lock = scratch.parent / _LOCK
        if not lock.is_file() or not was_held_here(lock):
            continue
        # Of another user, or just taken up by another command: it is not ours to remove.
        with suppress(BusyError, OSError), exclusive(lock, "the removal of a killed run's scratch"):
            shutil.rmtree(scratch)
            lock.unlink()
            removed.append(scratch.parent.name)
    return removed


def removal_words(run_ids: Sequence[str]) -> str:
    """Say in one line of which runs the scratch was removed."""
    runs = counted(len(run_ids), "run")
    return f"Removed the model inputs of {runs} whose process was killed: {', '.join(run_ids)}."


def tell_removed(workspace: Path, *, quiet: bool = False) -> None:
    """Remove abandoned scratch for a person at a terminal, and say so if there was any."""
    if removed := remove_abandoned(workspace):
        from artemis.console import talk

        talk(quiet=quiet).print(removal_words(removed), soft_wrap=True, markup=False)
