"""Where a flow's chunks are worked on: threads of this process, or the workers of a Dask cluster.

Dask is imported only where it is asked for. Its processes unpickle what they receive from each
other, so a cluster of this command's own is reached through loopback only, and only with the
certificate that was made for it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from artemis import __version__
from artemis.batches.engine import Engine
from artemis.errors import EngineError, MissingExtraError, StoreError
from artemis.system.cores import usable_cores
from artemis.system.store import Store
from flows.server import answers

if TYPE_CHECKING:
    from prefect import Task
    from prefect.futures import PrefectFuture
    from prefect_dask import DaskTaskRunner

_ADDRESS: Final = re.compile(r"(?:tcp|tls)://.+:[0-9]{1,5}")
_PATIENCE: Final = 10
"""Seconds that a scheduler has to answer."""

_WITHOUT_WORKERS: Final = 60
"""Seconds that workers have to come back."""

_LOOK_EVERY: Final = 5


class Workers:
    """The workers of a Dask cluster, for tasks of the flow that holds them.

    Attributes
    ----------
    count : int
        How many there were at the start; others may come and go.
    """

    def __init__(self, runner: DaskTaskRunner, where: str, count: int) -> None:
        self._runner = runner
        self._where = where
        self.count = count

    def results(self, task: Task[..., Any], parameters: Sequence[dict[str, Any]]) -> Iterator[Any]:
        """Run a task once for each set of parameters; yield results as they come.

        A task whose worker dies is done again by another one.

        Raises
        ------
        EngineError
            If the scheduler is lost, no worker is left, or several died at the same task.
        """
        from distributed import wait

        futures = [self._runner.submit(task, each) for each in parameters]
        pending = {future.wrapped_future: future for future in futures}
        last_seen = time.monotonic()
        while pending:
            try:
                done, _ = wait([*pending], timeout=_LOOK_EVERY, return_when="FIRST_COMPLETED")
            except TimeoutError:
                done = ()
            except CancelledError as error:
                raise self._lost("a scheduler that answers no longer") from error
            for future in done:
                yield self._result(pending.pop(future))
            if done or self._runner.client.scheduler_info()["workers"]:
                last_seen = time.monotonic()
            elif time.monotonic() - last_seen > _WITHOUT_WORKERS:
                raise self._lost(f"none for {_WITHOUT_WORKERS} s")

    def _result(self, future: PrefectFuture[Any]) -> Any:
        from distributed import KilledWorker

        try:
            return future.result()
        except KilledWorker as error:
            raise EngineError(
                f"{self._where}: expected workers that finish a chunk. Received: several died at "
                f"the same one, {error}. A file of it may need more memory than a worker has, or "
                "crash its decoder; the workers' own logs say more. Without --engine dask such a "
                "file becomes a failed row."
            ) from error
        except CancelledError as error:
            raise self._lost("a scheduler that answers no longer") from error

    def _lost(self, received: str) -> EngineError:
        return EngineError(
            f"{self._where}: expected workers until the batch is done. Received {received}. "
            "Their own logs say why. Start the batch again when they are back."
        )


def check_engine(engine: Engine, address: str | None) -> None:
    """Raise unless the engine can be asked for like this; nothing is contacted.

    Raises
    ------
    EngineError
        If the address is not one, or is given to an engine that takes none.
    MissingExtraError
        If Dask is not installed.
    """
    if address is not None and engine is not Engine.DASK:
        raise EngineError(
            f"--address: expected --engine dask with it. Received --engine {engine}. "
            "Add --engine dask, or leave the address out."
        )
    if address is not None and not _ADDRESS.fullmatch(address):
        raise EngineError(
            f"--address: expected that of a Dask scheduler, such as tcp://10.0.0.1:8786, or "
            f"tls://… with certificates. Received {address!r}."
        )
    if engine is Engine.DASK and find_spec("prefect_dask") is None:
        raise MissingExtraError(
            "--engine dask: expected the extra `dask`. Received an installation without it. "
            "Run `make dask-setup`, or `pip install 'artemis-mri[dask]'`."
        )


@contextmanager
def dask_workers(
    address: str | None,
    folders: Sequence[Path],
    store: str | None = None,
    made: Mapping[str, str] | None = None,
) -> Iterator[Workers]:
    """Yield the workers of a Dask cluster, all of which can do the work.

    Parameters
    ----------
    address : str or None
        Of the scheduler; None starts a cluster on this machine, a worker a core, and ends it
        with this context.
    folders : sequence of Path
        What every worker must see under the same path.
    store : str, optional
        Address of an object store that every worker must reach.
    made : mapping of str to str, optional
        What every worker must make rows with, see `artemis.batches.alike.made_with`.

    Raises
    ------
    EngineError
        If no scheduler answers, it has no worker, or a worker could not do the work.
    MissingExtraError
        If Dask is not installed.
    """
    check_engine(Engine.DASK, address)
    from prefect_dask import DaskTaskRunner

    where = address or "the cluster on this machine"
    for name in ("distributed", "distributed.client"):  # Dask gives its client a level of its own
        logging.getLogger(name).setLevel(logging.CRITICAL)
    runner = (
        DaskTaskRunner(cluster_class="distributed.LocalCluster", cluster_kwargs=_local_cluster())
        if address is None
        else DaskTaskRunner(address=address, client_kwargs={"timeout": _PATIENCE})
    )
    with ExitStack() as stack:
        try:
            if address is not None:
                _check_scheduler(address)
            client = stack.enter_context(runner).client
            stack.enter_context(client.as_current())
        except (OSError, RuntimeError, TypeError, ValueError, MemoryError) as error:
            raise EngineError(
                f"{where}: expected a Dask scheduler that answers. Received: {error}. "
                "Start one with `dask scheduler`, or leave --address out for a cluster of its own."
            ) from error
        seen = [str(folder.resolve()) for folder in folders]
        count = _check_workers(client, where, (seen, store, dict(made or {})))
        yield Workers(runner, where, count)


def _check_scheduler(address: str) -> None:
    """Raise an OSError unless a scheduler greets: Dask's client waits for that without an end.

    Its dashboard, or whatever else listens where one port was taken for another, never does.
    """
    from distributed.core import connect
    from distributed.security import Security

    async def greet() -> None:
        arguments = Security().get_connection_args("client")
        comm = await connect(address, timeout=_PATIENCE, **arguments)
        await comm.close()

    async def greet_in_time() -> None:
        try:
            await asyncio.wait_for(greet(), 2 * _PATIENCE)
        except TimeoutError as error:
            raise TimeoutError(str(error) or "no greeting; is it the port of another?") from error

    with ThreadPoolExecutor(1) as apart:  # from a loop that may run in this thread
        apart.submit(asyncio.run, greet_in_time()).result()


def _local_cluster() -> dict[str, Any]:
    return {
        "n_workers": usable_cores(),
        "threads_per_worker": 1,
        "host": "127.0.0.1",
        "security": True,  # else any user of this machine could send it code
        "scheduler_kwargs": {"dashboard": False, "dashboard_address": "127.0.0.1:0"},
        "memory_limit": None,  # as without Dask
        "silence_logs": logging.CRITICAL,
        "preload": "flows.dask_preload",
    }


def _check_workers(
    client: Any, where: str, needs: tuple[list[str], str | None, dict[str, str]]
) -> int:
    """Return the number of workers, each of which can do the work."""
    from prefect.settings import PREFECT_API_URL

    api = PREFECT_API_URL.value() or ""
    found = client.run(describe_worker, api, *needs, on_error="return")
    if not found:
        raise EngineError(
            f"{where}: expected a scheduler with workers. Received one without any. "
            f"Start some with `dask worker {where}`, where Artemis is installed and the "
            "workspace is seen."
        )
    for worker, answer in found.items():
        if isinstance(answer, BaseException):
            received = f"{type(answer).__name__}: {answer}"
        elif answer["version"] != __version__:
            received = f"version {answer['version']}"
        elif answer["unlike"]:
            received = f"one that makes rows otherwise: {answer['unlike']}"
        elif answer["unseen"]:
            received = f"one that has no folder {', '.join(answer['unseen'])}"
        elif answer["store"]:
            received = f"one that does not reach the store: {answer['store']}"
        elif not answer["reaches"]:
            received = f"one that does not reach Prefect at {api or 'an address that is not set'}"
        else:
            continue
        raise EngineError(
            f"{worker}: expected a worker with Artemis {__version__} and its extra `dask`, with "
            "the same code and versions as here, that sees the batch and the workspace under the "
            "same paths, or reaches the store, and reaches Prefect's API. Received: "
            f"{received}. Install it there, mount the folders, give it AWS's variables, or set "
            "PREFECT_API_URL to a server that all machines reach, and start again."
        )
    return len(found)


def describe_worker(
    api: str, folders: list[str], store: str | None, made: dict[str, str]
) -> dict[str, Any]:
    """Say what tells a worker that can do the work from one that cannot; runs there.

    Parameters
    ----------
    api : str
        Prefect's, which it should reach to record its tasks.
    folders : list of str
        That it should see.
    store : str or None
        Address of the store that it should reach.
    made : dict of str to str
        What it should make rows with; empty for anything.
    """
    from artemis.batches.alike import differences

    _tell_events_to(api)
    return {
        "version": __version__,
        "unlike": differences(made) if made else "",
        "unseen": [folder for folder in folders if not Path(folder).is_dir()],
        "store": _unreached(store),
        "reaches": answers(api),
    }


def _tell_events_to(api: str) -> None:
    """Let this worker's process record tasks at this API, though it met another one before.

    Prefect keeps one way to a server for a process, whatever the task that comes says: of commands
    with servers of their own, the first alone would have its tasks recorded.
    """
    from prefect.events.clients import PrefectEventsClient
    from prefect.events.worker import EventsWorker
    from prefect.settings import PREFECT_CLOUD_API_URL

    if api and not api.startswith(PREFECT_CLOUD_API_URL.value()):
        EventsWorker.set_client_override(PrefectEventsClient, api_url=api)


def _unreached(store: str | None) -> str:
    """Return why a store cannot be used from here, or nothing."""
    try:
        if store is not None:
            Store(store).check()
    except StoreError as error:
        return str(error)
    return ""


def worker_folder() -> Path:
    """Return a folder of the Dask worker that this runs on, which Dask removes after it."""
    from distributed import get_worker

    return Path(get_worker().local_directory) / "artemis"


def this_machine_towards(address: str) -> str:
    """Return the address of this machine that a scheduler's network can reach; sends nothing.

    Raises
    ------
    EngineError
        If the scheduler's name does not resolve, or no network leads there.
    """
    host, _, port = address.partition("://")[2].rpartition(":")
    try:
        family, kind, _, _, there = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_DGRAM
        )[0]
        with socket.socket(family, kind) as probe:
            probe.connect(there)  # of a datagram socket: chooses the way, no more
            return str(probe.getsockname()[0])
    except (OSError, OverflowError) as error:
        raise EngineError(
            f"--address: expected that of a Dask scheduler on a network of this machine. "
            f"Received {address!r}: {error}. Check its name and port."
        ) from error
