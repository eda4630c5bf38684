"""The end of a process that waits for no thread of a library that has nothing left to do."""

from __future__ import annotations

import os
import sys
from typing import Final

_AT_ONCE: Final[list[bool]] = []


def leave_at_once() -> None:
    """Let `leave` end this process, since a thread waits for what will not come."""
    _AT_ONCE.append(True)


def leave(code: object) -> None:
    """End the process where `leave_at_once` was called; else do nothing.

    Parameters
    ----------
    code : object
        As of SystemExit.
    """
    if not _AT_ONCE:
        return
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))
