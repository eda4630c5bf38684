"""Runs and retrainings that were ended, so that steps still at work on them stop soon.

Steps in the process that ended a run are told by `end`; those in another process, or on
another machine, look now and then, see `watching`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from artemis.errors import RunEndedError

_ENDED: Final[set[str]] = set()
_LOOK_EVERY: Final = 1.0  # seconds; what is looked at may lie on a network file system


@dataclass(slots=True)
class _Watch:
    has_ended: Callable[[], bool]
    next_look: float = 0.0


_WATCH: Final[ContextVar[_Watch | None]] = ContextVar("artemis_watch", default=None)


def end(run_id: str) -> None:
    """Say that a run or a retraining was ended before it was done."""
    _ENDED.add(run_id)


def go_on(run_id: str) -> None:
    """Say that what was ended in this process is taken up again."""
    _ENDED.discard(run_id)


def has_ended(run_id: str) -> bool:
    """Return whether this process ended a run or a retraining."""
    return run_id in _ENDED


@contextmanager
def watching(has_ended: Callable[[], bool]) -> Iterator[None]:
    """Let `check_goes_on` within this context also ask `has_ended`, once a second at most."""
    token = _WATCH.set(_Watch(has_ended))
    try:
        yield
    finally:
        _WATCH.reset(token)


def check_goes_on(run_id: str | None = None) -> None:
    """Raise if a run was ended; a step asks between slices, a training between its steps.

    Parameters
    ----------
    run_id : str, optional
        Which; without it, what `watching` watches alone is asked.

    Raises
    ------
    RunEndedError
        If it was.
    """
    if run_id in _ENDED or _watch_says_ended():
        raise RunEndedError(
            f"{run_id or 'This step'}: expected a run that goes on. Received one that was ended. "
            "Start it again."
        )


def _watch_says_ended() -> bool:
    watch = _WATCH.get()
    if watch is None or time.monotonic() < watch.next_look:
        return False
    watch.next_look = time.monotonic() + _LOOK_EVERY
    return watch.has_ended()
