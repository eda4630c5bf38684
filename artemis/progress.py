"""How far long work has come, told to whoever listens, without knowing who that is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Progress:
    """State of long work.

    Attributes
    ----------
    stage : str
        What is being done, such as ``finding scans``.
    done : int
        Units finished so far.
    total : int or None
        Units in all, where known.
    """

    stage: str
    done: int
    total: int | None


Listener = Callable[[Progress], None]
_LISTENER: Final[ContextVar[Listener | None]] = ContextVar("artemis_progress", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send every progress report within this context to `listener`."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def report_progress(stage: str, done: int, total: int | None = None) -> None:
    """Tell the listener, if there is one."""
    listener = _LISTENER.get()
    if listener is not None:
        listener(Progress(stage, done, total))
