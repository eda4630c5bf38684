"""Schedules: the inbox by interval, retraining by cron; served by one process, or deployed.

Both ways take the same settings (``ARTEMIS_SCHEDULE__*``) and make the same two
deployments, ``classify-inbox/inbox`` and ``retrain/retraining``.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from artemis.errors import PrefectServerError, SettingsError
from artemis.runs import check_workspace
from artemis.settings import Settings, load_settings
from flows.server import LOOPBACK, SERVER_ENVIRONMENT, PrefectApi, without_proxy

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment


# A run killed with its server would else hold its place for ever: leases in memory die with it.
_LEASES_ON_DISK: Final = "prefect.server.concurrency.lease_storage.filesystem"
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


class SchedulingServer(PrefectApi):
    """The API of scheduled work: the configured one, or a full server of our own.

    Unlike the embedded server of one command, ours schedules, shows its page, and listens
    on a port that is known beforehand, on loopback. It keeps its records in the user's own
    Prefect database, and ends with this process.

    Parameters
    ----------
    port : int
        Port of a server of our own.
    """

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port

    @property
    def page(self) -> str:
        """Address of Prefect's page."""
        return str(self.url).removesuffix("/").removesuffix("/api")

    def _start(self) -> None:
        _check_free(self._port)
        self.url = f"http://{LOOPBACK}:{self._port}/api"
        without_proxy(LOOPBACK)
        environment = os.environ | SERVER_ENVIRONMENT
        environment["PREFECT_UI_ENABLED"] = "1"
        environment["PREFECT_UI_API_URL"] = self.url
        environment["PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"] = _LEASES_ON_DISK
        program = str(Path(__file__).with_name("embedded.py"))
        self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and file
            [sys.executable, "-P", program, str(self._port), LOOPBACK],
            env=environment,
            start_new_session=True,  # Ctrl-C is for `serve`, which then ends the server
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
        )
        os.environ["PREFECT_API_URL"] = self.url


def serve_forever(settings: Settings, say: Callable[[str], None], *, verbose: bool = False) -> None:
    """Serve both deployments until interrupted (Ctrl-C or SIGTERM).

    With a configured Prefect API its server is used. Otherwise one is started here, with
    its page, on ``schedule.server_port``. What was started here ends here.

    Parameters
    ----------
    settings : Settings
        The workspace and the schedules.
    say : callable
        Called with each line for the person at the terminal.
    verbose : bool
        Print Prefect's log as well; it is in Prefect either way.

    Raises
    ------
    PrefectServerError
        If no server can be reached or started.
    SettingsError
        If Prefect does not take a schedule, or would run another project's code that lies here.
    WorkspaceError
        If the workspace cannot be written.
    """
    _check_not_shadowed(Path.cwd())
    check_workspace(settings.workspace)
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "INFO" if verbose else "ERROR")
    with SchedulingServer(settings.schedule.server_port) as server:
        whose = "its own, ends with this command" if server.embedded else "as configured"
        say(f"Prefect's page   {server.page} ({whose})")
        server.wait()

        from flows.serving import serve_until_signal  # Prefect reads its address at import

        deployments = to_deployments(settings)
        for line in describe(settings):
            say(line)
        say("Ctrl-C ends it.")
        serve_until_signal(deployments, server)


def describe(settings: Settings) -> list[str]:
    """Return what is scheduled, a line each."""
    schedule = settings.schedule
    trains = find_spec("tensorflow") is not None
    return [
        f"classify-inbox   every {schedule.inbox_interval} s: {settings.workspace / 'inbox'}",
        f"retrain          cron {schedule.retrain_cron}, {schedule.time_zone}: "
        f"{schedule.retrain_data or 'all labelled so far'}"
        + ("" if trains else "; will fail, since the extra `train` is not installed here"),
    ]


def to_deployments(settings: Settings) -> list[RunnerDeployment]:
    """Return both deployments, with their schedules.

    A run that falls due while the last one of its deployment is at work is cancelled, not
    queued: it would look at the same data once more, and on a slow machine queued runs, or
    the processes of runs that only find the lock taken, would pile up.

    Raises
    ------
    SettingsError
        If Prefect does not take a schedule.
    """
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.deployments.runner import RunnerDeployment
    from prefect.schedules import Cron, Interval
    from prefect.types.entrypoint import EntrypointType

    from flows.inbox import classify_inbox
    from flows.retrain import retrain

    schedule = settings.schedule
    # Absolute, since another process that serves the same deployments may stand elsewhere.
    workspace = str(settings.workspace.resolve())
    data = str(schedule.retrain_data.resolve()) if schedule.retrain_data else None
    alone = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)
    try:
        by_interval = Interval(schedule.inbox_interval, timezone=schedule.time_zone)
        by_cron = Cron(schedule.retrain_cron, timezone=schedule.time_zone)
        return [
            RunnerDeployment.from_flow(
                classify_inbox,
                "inbox",
                entrypoint_type=EntrypointType.MODULE_PATH,  # wherever `serve` is called
                schedule=by_interval,
                parameters={"workspace": workspace},
                tags=["artemis", "inbox"],
                concurrency_limit=alone,
            ),
            RunnerDeployment.from_flow(
                retrain,
                "retraining",
                entrypoint_type=EntrypointType.MODULE_PATH,
                schedule=by_cron,
                parameters={"workspace": workspace, "data": data},
                tags=["artemis", "retraining"],
                concurrency_limit=alone,
            ),
        ]
    except ValueError as error:
        raise SettingsError(
            "ARTEMIS_SCHEDULE__*: expected schedules that Prefect takes. Received: "
            f"{schedule.retrain_cron!r} in {schedule.time_zone!r}: {error}"
        ) from error


def values_for_deploy() -> dict[str, Any]:
    """Return what prefect.yaml takes from the settings; a step of ``prefect deploy``.

    Raises
    ------
    SettingsError
        If a setting cannot be taken, or the interval has no cron expression.
    """
    schedule = load_settings().schedule
    return {
        "directory": str(Path.cwd()),
        "inbox_cron": interval_as_cron(schedule.inbox_interval),
        "retrain_cron": schedule.retrain_cron,
        "time_zone": schedule.time_zone,
        "retrain_data": str(schedule.retrain_data) if schedule.retrain_data else None,
    }


def interval_as_cron(seconds: int) -> str:
    """Return the cron expression of an interval; a sixth field, where needed, is of seconds.

    prefect.yaml takes an interval as a number only, but a cron expression from a setting.
    An rrule could say any interval, but the server counts it from its first day: 5 s of
    work for each look at a schedule of minutes that is a year old.

    Raises
    ------
    SettingsError
        If the interval does not divide a minute, an hour or a day.
    """
    for unit, larger, form in (
        (1, _MINUTE, "* * * * * */{}"),
        (_MINUTE, _HOUR, "*/{} * * * *"),
        (_HOUR, _DAY, "0 */{} * * *"),
    ):
        if seconds < larger and seconds % unit == 0 and larger % seconds == 0:
            return form.format(seconds // unit)
    if seconds == _DAY:
        return "0 0 * * *"
    raise SettingsError(
        "ARTEMIS_SCHEDULE__INBOX_INTERVAL: expected, for `prefect deploy`, seconds that divide a "
        f"minute, an hour or a day. Received {seconds}. Take another, such as 60 or 300, or use "
        "`artemis-cli serve`, which takes any."
    )


def _check_not_shadowed(folder: Path) -> None:
    """Refuse a working directory with code that Prefect would import in place of ours."""
    for name in ("flows", "artemis"):
        ours, found = find_spec(name), PathFinder.find_spec(name, [str(folder)])
        there = None if found is None else found.origin
        if there and (ours is None or Path(there).resolve() != Path(str(ours.origin)).resolve()):
            raise SettingsError(
                f"{there}: expected a working directory without Python code of the name {name}, "
                "since Prefect looks there before it looks where Artemis is installed. "
                "Start in another one, such as that of the workspace."
            )


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PrefectServerError(
                f"127.0.0.1:{port}: expected a free port for Prefect's server. Received: "
                f"{os.strerror(error.errno or 0)}. If a Prefect server is there, set "
                f"PREFECT_API_URL=http://127.0.0.1:{port}/api to use it; else choose another with "
                "ARTEMIS_SCHEDULE__SERVER_PORT."
            ) from error
