"""What several processes are asked for and one makes: the others wait, and take what it made."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from artemis.errors import BusyError
from artemis.progress import report_progress
from artemis.system.files import write_text_atomic
from artemis.system.locks import exclusive

LOOK_AGAIN: Final = 5.0
"""Seconds until what another process works at is looked for again."""


def made_once(work: Path, output: Path, what: str, make: Callable[[], Path]) -> Path:
    """Make a folder, or take the one of whoever was making it when it was asked for.

    Whoever was waited for may have been killed: then it is made here after all. Who comes when
    nobody is at it makes a new one, whatever was made before.

    Parameters
    ----------
    work : Path
        Names the work, the same in all processes: beside it are ``<work>.lock`` and, when it is
        done, ``<work>.made``, which holds the folder's name.
    output : Path
        What is made is a folder of it.
    what : str
        What is done, with its article, such as ``a training``; named to others.
    make : callable
        Makes the folder and returns it.
    """
    made = work.with_name(f"{work.name}.made")
    with ExitStack() as stack:
        waited = _hold(stack, work.with_name(f"{work.name}.lock"), what)
        if waited and made.is_file():
            folder = output / made.read_text(encoding="utf-8").strip()
            if folder.is_dir():
                return folder
        made.unlink(missing_ok=True)
        folder = make()
        write_text_atomic(made, f"{folder.name}\n")
    return folder


def _hold(stack: ExitStack, lock: Path, what: str) -> bool:
    """Hold a lock, and return whether another process had it first."""
    waited = False
    while True:
        try:
            stack.enter_context(exclusive(lock, what))
        except BusyError:
            waited = True
        else:
            return waited
        report_progress(f"waiting for {what} by another process", 0)
        time.sleep(LOOK_AGAIN)
