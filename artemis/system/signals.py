"""A command that ends on a signal, for certain, whatever its threads are at."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_PATIENCE: Final = 30.0
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_received: list[int] = []


@contextmanager
def ending_by_signal() -> Iterator[None]:
    """Let the first SIGINT or SIGTERM end what is done within this context.

    SIGINT raises `KeyboardInterrupt` and SIGTERM `SystemExit`, so that records are closed
    and servers stopped on the way out. Later signals do not disturb that; it has half a
    minute, then the process ends without it. So it does where another handler has taken this
    one's place, as Prefect's does for SIGTERM while a flow runs, and nothing came of it.
    """
    before = {number: signal.signal(number, _on_signal) for number in _SIGNALS}
    try:
        with _last_resort():
            yield
    finally:
        if not _received:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def _last_resort() -> Iterator[None]:
    """End the process half a minute after a signal, whoever handles it, if the context lasts."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_end_after_signal, args=(reader,), daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        writer.close()


def _end_after_signal(reader: socket.socket) -> None:
    """Wait for the number of a signal, and then for the end of what writes it."""
    with reader:
        while (received := reader.recv(1)) and received[0] not in _SIGNALS:
            pass
        reader.settimeout(_PATIENCE)
        try:
            while received and reader.recv(1):
                pass  # another signal does not shorten it, and hardly makes it longer
        except TimeoutError:
            os._exit(128 + received[0])


def interruption() -> BaseException | None:
    """Return what the signal that came raises; None where none came.

    What a signal interrupts may raise an error of its own on the way out, such as a client
    whose connection is closed beneath it: it is an interruption all the same.
    """
    if not _received:
        return None
    return KeyboardInterrupt() if _received[0] == signal.SIGINT else SystemExit(_code())


def exit_if_ended() -> None:
    """End the process if a signal did: 130 after SIGINT, 143 after SIGTERM.

    The interpreter's own way out waits for every thread, and one may be at a long read.
    """
    if _received:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_code())


def _on_signal(number: int, frame: FrameType | None) -> None:
    if _received:
        return
    _received.append(number)
    # A thread that was just being started, say, has "Exception ignored in ..." on the terminal: it
    # is what the signal cut short, and no news.
    sys.unraisablehook = lambda cut_short: None
    last_resort = threading.Timer(_PATIENCE, lambda: os._exit(_code()))
    last_resort.daemon = True
    last_resort.start()
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(_code())


def _code() -> int:
    return 128 + _received[0]
