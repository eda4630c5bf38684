"""Run a flow for a person at a terminal: quiet, no waiting for heartbeats, all recorded."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

import httpx

from artemis.batches.engine import Engine
from artemis.errors import PrefectServerError
from artemis.models.registry import model_folder
from artemis.runs import RunRecord
from artemis.settings import Settings
from flows.lost_api import let_go, naming_a_lost_api, silence_services, telling
from flows.server import PrefectApi, answers

_DRAIN_TIMEOUT = 20.0
_POLL = 0.1
_PAGE = 200


def classify(
    api: PrefectApi,
    batch: Path,
    settings: Settings,
    models: list[str],
    *,
    limit: int | None,
    command: str,
    verbose: bool,
    shard: str | None = None,
    engine: Engine = Engine.LOCAL,
    address: str | None = None,
    store: str | None = None,
) -> tuple[RunRecord, int]:
    """Run the flow `classify-batch` once and wait until Prefect has recorded it.

    Parameters
    ----------
    api : PrefectApi
        Entered already, so that its server starts while this imports and loads.
    batch, settings, models, limit, command, shard, engine, address, store
        See `flows.classify.classify_batch`.
    verbose : bool
        Print Prefect's log.

    Returns
    -------
    RunRecord, int
        The finished run, and how many of its task runs Prefect has recorded; none where its API
        was lost when all was done.

    Raises
    ------
    PrefectServerError
        If the API is lost before, or is none.
    """
    os.environ.setdefault(
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "INFO" if verbose else "CRITICAL"
    )
    with _no_collection():
        if engine is Engine.LOCAL:  # others load them where they are used
            _load_models(settings, models)

        from flows.classify import classify_batch
    api.wait()
    _open_log(verbose=verbose)
    done: list[RunRecord] = []
    # A synchronous flow waits a second for its heartbeat's thread; a person need not.
    try:
        with (
            _recorded_by(api, PREFECT_FLOWS_HEARTBEAT_FREQUENCY=None),
            telling(done.append),
            naming_a_lost_api(api),
        ):
            record = classify_batch(
                batch=str(batch),
                workspace=str(settings.workspace),
                models=models,
                limit=limit,
                command=command,
                shard=shard,
                engine=engine.value,
                address=address,
                store=store,
            )
            return record, _wait_until_recorded(record)
    except PrefectServerError:
        if not done:
            raise
        return done[0], 0  # it is done and written: nothing of it is lost
    finally:
        _close_log(api)


def retrain(
    api: PrefectApi,
    data: Path,
    settings: Settings,
    models: list[str],
    *,
    start: str,
    epochs: int | None,
    verbose: bool,
) -> dict[str, str]:
    """Run the flow `retrain` once, for a person at a terminal.

    Parameters
    ----------
    api : PrefectApi
        Entered already.
    data, settings, models, start, epochs
        See `flows.retrain.retrain`.
    verbose : bool
        Print Prefect's log.
    """
    os.environ.setdefault(
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "INFO" if verbose else "CRITICAL"
    )
    from flows.retrain import retrain as run

    api.wait()
    _open_log(verbose=verbose)
    try:
        with _recorded_by(api), naming_a_lost_api(api):
            return run(
                str(data),
                str(settings.workspace),
                "imagenet" if start == "imagenet" else "champion",
                models,
                epochs,
            )
    finally:
        _close_log(api)


@contextmanager
def _recorded_by(api: PrefectApi, **settings: object) -> Iterator[None]:
    """Tell Prefect the API, which it reads from the environment once, when it is imported.

    A notebook may run several flows, and the server of the first has ended with it.
    """
    from prefect.settings import temporary_settings

    password = {k: v for k, v in os.environ.items() if k == "PREFECT_API_AUTH_STRING"}
    with temporary_settings({"PREFECT_API_URL": api.url, **password, **settings}):
        yield


@contextmanager
def _no_collection() -> Iterator[None]:
    """Import without looking for garbage, of which it makes little."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _close_log(api: PrefectApi) -> None:
    """Send what was logged while the server is there to take it, and nothing afterwards.

    Steps of an interrupted flow go on for a moment in their threads. What they log then, Prefect
    would try to send to a server that has ended, and say so on the terminal.
    """
    from prefect.logging.handlers import APILogHandler, set_api_log_sink

    set_api_log_sink(lambda log: None)
    if answers(str(api.url)):
        APILogHandler().flush()
    else:
        let_go()


def _open_log(*, verbose: bool) -> None:
    from prefect.logging.handlers import set_api_log_sink

    set_api_log_sink(None)
    if not verbose:
        silence_services()


def _load_models(settings: Settings, models: list[str]) -> None:
    from artemis.models.network import runtime_for
    from artemis.models.registry import MODEL_NAMES, check_names, load_model

    names = check_names(models or [*MODEL_NAMES])
    folders = [model_folder(settings.workspace, name) for name in names]
    runtime = runtime_for(folders, settings).runtime
    for folder in folders:
        load_model(folder, settings.threads, runtime)


def _wait_until_recorded(record: RunRecord) -> int:
    """Return the number of recorded task runs, once it is all of them or waiting is in vain.

    Task runs reach the database by way of events, some time after they end.
    """
    from prefect.client.orchestration import SyncPrefectClient, get_client
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterId,
        TaskRunFilter,
        TaskRunFilterState,
        TaskRunFilterStateType,
    )
    from prefect.client.schemas.objects import StateType

    flow_run = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(record.prefect_flow_run_id or "")]))
    completed = TaskRunFilter(
        state=TaskRunFilterState(type=TaskRunFilterStateType(any_=[StateType.COMPLETED]))
    )

    def count(client: SyncPrefectClient) -> int:
        return sum(
            len(
                client.read_task_runs(
                    flow_run_filter=flow_run,
                    task_run_filter=completed,
                    limit=_PAGE,
                    offset=offset,
                )
            )
            for offset in range(0, record.tasks, _PAGE)
        )

    recorded, deadline = 0, time.monotonic() + _DRAIN_TIMEOUT
    # The batch is done and written; an API that is lost now takes nothing of it away.
    with suppress(httpx.HTTPError), get_client(sync_client=True) as client:
        while (recorded := count(client)) < record.tasks and time.monotonic() < deadline:
            time.sleep(_POLL)
    return recorded
