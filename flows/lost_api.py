"""What is said and done where Prefect's API does not answer, or no longer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from queue import Empty
from typing import Final

import httpx

from artemis.errors import PrefectServerError
from artemis.runs import RunRecord
from artemis.system.leaving import leave_at_once
from flows.server import OWN_SERVER_REMEDY, PrefectApi

_NOT_REACHED: Final = "Failed to reach API"
"""How Prefect's client begins a RuntimeError of its own."""

_WITHOUT_RIGHTS: Final = (401, 403)

_ON_DONE: ContextVar[Callable[[RunRecord], None] | None] = ContextVar("on_done", default=None)


@contextmanager
def telling(on_done: Callable[[RunRecord], None]) -> Iterator[None]:
    """Let a flow within this context hand out its record as soon as all is written.

    Prefect is told afterwards, and where its API is lost by then, the flow fails.
    """
    token = _ON_DONE.set(on_done)
    try:
        yield
    finally:
        _ON_DONE.reset(token)


def tell_done(record: RunRecord) -> None:
    """Hand out the record of a run whose files are all written, to whoever asked for it."""
    if (on_done := _ON_DONE.get()) is not None:
        on_done(record)


@contextmanager
def naming_a_lost_api(api: PrefectApi) -> Iterator[None]:
    """Let what Prefect's client raises within be said by name, with what to do.

    Raises
    ------
    PrefectServerError
        If the API asks for a password that it is not given, answers as Prefect's does not, or
        answers no longer.
    """
    try:
        yield
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        if status in _WITHOUT_RIGHTS:
            remedy = "Set PREFECT_API_AUTH_STRING=NAME:PASSWORD, or PREFECT_API_KEY, as it asks."
        else:
            remedy = OWN_SERVER_REMEDY if api.embedded else "Look at that server's own log."
        raise _lost(api, f"{status} {error.response.reason_phrase}", remedy) from error
    except httpx.HTTPError as error:
        raise _lost(api, str(error) or type(error).__name__, _remedy(api)) from error
    except RuntimeError as error:
        if not str(error).startswith(_NOT_REACHED):
            raise
        raise _lost(api, "answers that are not its own", _remedy(api)) from error


def _lost(api: PrefectApi, received: str, remedy: str) -> PrefectServerError:
    return PrefectServerError(
        f"Prefect: expected an API that records runs at {api.url}. Received: {received}. {remedy}"
    )


def _remedy(api: PrefectApi) -> str:
    if api.embedded:
        return OWN_SERVER_REMEDY
    return "Start that server, correct PREFECT_API_URL, or unset it to let Artemis start its own."


def silence_services() -> None:
    """Keep Prefect's threads from writing each event of a task that they cannot send."""
    # A filter, since Prefect sets the level back when a flow begins.
    logging.getLogger("prefect._internal.concurrency").addFilter(_none)


def _none(record: logging.LogRecord) -> bool:
    return False


def let_go() -> None:
    """Drop what Prefect has still to send to a server that is lost.

    It would try that at the end of the process: seven seconds for each event, of which a task has
    three, so hours for a large batch; and a minute or two for what it has in hand, for which a
    command does not wait, see `artemis.system.leaving`.
    """
    leave_at_once()
    from prefect._internal.concurrency.services import _active_services

    for service in [*_active_services]:
        with suppress(Empty):
            while True:
                service._queue.get_nowait()
