"""Prefect's runner until a signal comes: what it started is ended first, and told why."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING

import httpx
from prefect.runner import Runner

from artemis.errors import PrefectServerError
from flows.server import answers

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

    from flows.server import PrefectApi


def serve_until_signal(deployments: Sequence[RunnerDeployment], api: PrefectApi) -> None:
    """Serve deployments until SIGINT or SIGTERM; runs under way are cancelled then.

    Prefect's own `serve` leaves them to be killed: at SIGTERM it leaves at once, and at SIGINT it
    gives them no time. A killed run keeps its place in Prefect for minutes, and its batch is
    blamed.

    Parameters
    ----------
    deployments : sequence of RunnerDeployment
        What is served.
    api : PrefectApi
        Where; entered already.

    Raises
    ------
    PrefectServerError
        If its server is lost for longer than Prefect's runner waits for it.
    """
    runner = Runner()
    for deployment in deployments:
        runner.add_deployment(deployment)
    try:
        asyncio.run(_until_signal(runner))
    except (RuntimeError, ExceptionGroup, httpx.HTTPError) as error:
        if answers(str(api.url)):
            raise
        remedy = "Start" if api.embedded else "Start that server, then"
        raise PrefectServerError(
            f"Prefect: expected {api.url} to answer as long as its deployments are served. "
            f"Received no answer any more. {remedy} `artemis-cli serve` again."
        ) from error


async def _until_signal(runner: Runner) -> None:
    signalled = asyncio.Event()
    serving = asyncio.create_task(runner.start())
    await asyncio.sleep(0)  # it has set its own handler of SIGTERM now
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, signalled.set)
    waiting = asyncio.create_task(signalled.wait())
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if signalled.is_set() and runner.started:
        await runner.astop()  # cancels its runs, and waits half a minute for each
    await serving
