"""Prefect's API for one command: the configured one, or an embedded server on loopback.

Imports nothing of Prefect, so that the embedded server starts before (and while) Prefect
itself and the models are imported: that halves the cold start.
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from artemis.errors import PrefectServerError
from flows.api_address import configured_api_url

LOOPBACK: Final = "127.0.0.1"
_STARTUP_TIMEOUT: Final = 120.0
_ANSWER_TIMEOUT: Final = 10.0
_POLL: Final = 0.1
_STOP_TIMEOUT: Final = 10.0
_ERROR: Final = re.compile(r"[a-z_0-9.]*[A-Z]\w*(Error|Exception): ")
"""How the last line of a trace begins; the server says more after it."""

OWN_SERVER_REMEDY: Final = (
    "See that its folder, PREFECT_HOME or else ~/.prefect, can be written and has room, or set "
    "PREFECT_API_URL to a running server."
)

CLIENT_ENVIRONMENT: Final = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "0",
}
"""Telemetry off; set before Prefect is imported, over what the user set."""

SERVER_ENVIRONMENT: Final = {
    **CLIENT_ENVIRONMENT,
    "PREFECT__SERVER_FINAL": "1",
    # Written down one by one, 362 task runs took 11 s more of a core. Those that wait for others
    # wait for a second, not for five; Prefect cuts off what is less, and then never sleeps.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
}
"""Of every server that is started here."""

EMBEDDED_ENVIRONMENT: Final = {
    **SERVER_ENVIRONMENT,
    "PREFECT_UI_ENABLED": "0",
    "PREFECT__SERVER_EPHEMERAL": "1",  # schedules nothing
    # Of no use to one run, and a second of its start: a server that lives on does these. Not the
    # vacuum of old events, without which the user's database would grow for ever.
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "0",
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "0",
    # Else it imports Dask, if that is installed, to know whether to register what it does not.
    "PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION": "0",
    # What it says last is read where it cannot start; a process may have silenced its own flows.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "ERROR",
}
"""Of the server of one command."""


class PrefectApi:
    """The API that a command's flow run is recorded by; use it as a context manager.

    With a configured API nothing is started. Otherwise an embedded server is started at
    once, on a free port of the loopback interface and on the user's own Prefect database,
    so that ``prefect flow-run ls`` shows the run afterwards; `wait` returns when it answers.
    It ends with the context, and also when this process dies.

    Parameters
    ----------
    host : str
        Address of this machine that an embedded server listens on. On any but loopback it asks
        for a password made for this run alone, which Prefect hands to the tasks it sends out.
    """

    def __init__(self, host: str = LOOPBACK) -> None:
        self._host = host
        self.url = configured_api_url()
        self.embedded = self.url is None
        self._process: subprocess.Popen[bytes] | None = None
        # A file and not a pipe: a pipe that nobody reads could block the server.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the server

    def __enter__(self) -> Self:
        os.environ.update(CLIENT_ENVIRONMENT)
        if (configured := _loopback_in(self.url)) is not None:
            without_proxy(configured)
        if self.embedded:
            with ExitStack() as undone:
                undone.callback(self.stop)  # a signal may come before it is entered
                self._start()
                undone.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def wait(self, timeout: float = _STARTUP_TIMEOUT) -> None:
        """Wait until the API answers.

        Raises
        ------
        PrefectServerError
            If it does not within `timeout` seconds, or the embedded server ended, or the
            configured address holds a password.
        """
        if "@" in str(self.url):  # else errors and logs would repeat it
            raise PrefectServerError(
                "PREFECT_API_URL: expected the address of a server. Received one with a name or a "
                "password in it. Take them out, and set PREFECT_API_AUTH_STRING=NAME:PASSWORD."
            )
        patience = timeout if self.embedded else _ANSWER_TIMEOUT
        deadline = time.monotonic() + patience
        remedy = (
            OWN_SERVER_REMEDY
            if self.embedded
            else "Start that server, correct PREFECT_API_URL, which ends with /api as a rule, or "
            "unset it to let Artemis start its own."
        )
        while not self._healthy():
            if self._process is not None and self._process.poll() is not None:
                raise PrefectServerError(
                    "Prefect: expected the embedded server to start. Received exit code "
                    f"{self._process.returncode}: {self._last_words()} {remedy}"
                )
            if time.monotonic() > deadline:
                raise PrefectServerError(
                    f"Prefect: expected an answer from {self.url}/health. Received none within "
                    f"{patience:.0f} s. {remedy}"
                )
            time.sleep(_POLL)

    def stop(self) -> None:
        """End the embedded server, if there is one; it writes what it still holds."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()  # the server's sign to end
        try:
            process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._errors.close()
        os.environ.pop("PREFECT_API_URL", None)
        if self._host != LOOPBACK:
            os.environ.pop("PREFECT_API_AUTH_STRING", None)

    def _start(self) -> None:
        port = _free_port(self._host)
        self.url = f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{port}/api"
        without_proxy(self._host)
        # -P and a path, not -m: the working directory may hold other people's code.
        program = str(Path(__file__).with_name("embedded.py"))
        self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and file
            [sys.executable, "-P", program, str(port), self._host],
            env={**os.environ, **EMBEDDED_ENVIRONMENT, **self._password()},
            start_new_session=True,  # Ctrl-C is for the command, which then ends the server
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
        )
        os.environ["PREFECT_API_URL"] = self.url

    def _password(self) -> dict[str, str]:
        """Return the server's setting of the password, after giving it to this process too."""
        if self._host == LOOPBACK:
            return {}
        password = f"artemis:{secrets.token_urlsafe(32)}"
        os.environ["PREFECT_API_AUTH_STRING"] = password
        return {"PREFECT_SERVER_API_AUTH_STRING": password}

    def _healthy(self) -> bool:
        return answers(str(self.url))

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        errors = [line for line in lines if _ERROR.match(line)]
        return f"{(errors or lines or ['no message'])[-1].rstrip('.')}."


def without_proxy(host: str) -> None:
    """Let this process and those it starts reach an address of this machine directly.

    A proxy cannot reach this machine's loopback. Of the two spellings the lower one counts
    wherever it is set.
    """
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [known for known in os.environ.get(name, "").split(",") if known]
        os.environ[name] = ",".join(dict.fromkeys([*hosts, host]))


def _loopback_in(api: str | None) -> str | None:
    """Return the host of a configured address where that is this machine's loopback."""
    try:
        host = urllib.parse.urlsplit(api or "").hostname or ""
        return host if host == "localhost" or ipaddress.ip_address(host).is_loopback else None
    except ValueError:  # a name, or no address at all
        return None


def answers(api: str) -> bool:
    """Return whether something that may be Prefect's API answers there within five seconds."""
    try:
        with urllib.request.urlopen(f"{api.rstrip('/')}/health", timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        return error.code in (401, 403)  # there, and asks for the key that Prefect sends
    except (urllib.error.URLError, OSError, ValueError, http.client.HTTPException):
        return False


def _free_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
