from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path

import pytest

from artemis.errors import PrefectServerError
from flows.server import EMBEDDED_ENVIRONMENT, SERVER_ENVIRONMENT, PrefectApi, answers

ROOT = Path(__file__).parents[2]


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def numbers(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version(name).split(".")[:2])


def test_partners_of_prefect_are_those_it_works_with() -> None:
    assert version("prefect") == "3.8.8"
    assert numbers("fastapi") < (0, 150), "Prefect 3.8.8 does not start with later ones"
    assert (2, 0) <= numbers("sqlalchemy") < (2, 1), "with 2.1 no schedule ever fires"


def test_unreachable_api_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/api"
    monkeypatch.setenv("PREFECT_API_URL", url)
    monkeypatch.setattr("flows.server._ANSWER_TIMEOUT", 0.3)
    with (
        PrefectApi() as api,
        pytest.raises(PrefectServerError, match=f"answer from {url}/health") as told,
    ):
        api.wait()
    assert "correct PREFECT_API_URL, which ends with /api as a rule" in str(told.value)


@pytest.mark.parametrize("place", ["lab/api", "lab:4200/api"])
def test_a_password_in_the_address_is_refused_and_not_repeated(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", f"http://me:verysecret@{place}")
    with (
        PrefectApi() as api,
        pytest.raises(PrefectServerError, match="set PREFECT_API_AUTH_STRING=NAME:PASS") as told,
    ):
        api.wait()
    assert "verysecret" not in str(told.value)


def test_a_server_that_speaks_another_protocol_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, ThreadPoolExecutor() as pool:
        asked = pool.submit(answers, f"http://127.0.0.1:{other.getsockname()[1]}/api")
        connection, _ = other.accept()
        with connection:
            connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
        assert asked.result(timeout=30) is False


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_server_of_this_machine_is_reached_past_a_proxy(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # where nothing listens
    monkeypatch.setenv("no_proxy", "example.org")
    monkeypatch.setenv("NO_PROXY", "")
    with HTTPServer(("127.0.0.1", 0), Healthy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PREFECT_API_URL", f"http://{host}:{server.server_port}/api")
        monkeypatch.setattr("flows.server._ANSWER_TIMEOUT", 0.3)
        try:
            with PrefectApi() as api:
                api.wait()
        finally:
            server.shutdown()
        assert os.environ["no_proxy"] == f"example.org,{host}"


@pytest.mark.parametrize("address", ["http://lab:4200/api", "http://10.0.0.1:4200/api", "no"])
def test_a_server_elsewhere_is_reached_as_the_environment_says(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "example.org")
    monkeypatch.setenv("PREFECT_API_URL", address)
    with PrefectApi():
        assert os.environ["no_proxy"] == "example.org"


@pytest.mark.slow
def test_an_address_may_end_with_a_slash_as_it_may_for_prefect(api: PrefectApi) -> None:
    assert answers(str(api.url))
    assert answers(f"{api.url}/")


@pytest.mark.slow(seconds=10)
def test_a_server_that_cannot_write_its_database_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", "/proc/prefect")  # where nobody makes a folder
    # As a batch of this process left it, for what its own flows say.
    monkeypatch.setenv("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    with (
        PrefectApi() as api,
        pytest.raises(PrefectServerError, match="unable to open database file") as told,
    ):
        api.wait()
    assert "Received exit code 3: " in str(told.value)
    assert "See that its folder, PREFECT_HOME or else ~/.prefect, can be written" in str(told.value)


@pytest.fixture(scope="module")
def outlived(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str, Path]:
    """An embedded server's process, its address and its folder, whose command was killed.

    Its working directory holds code of the names that it imports.
    """
    folder = tmp_path_factory.mktemp("elsewhere")
    for name in ("flows.py", "uvicorn.py", "prefect.py"):
        (folder / name).write_text(f"open('{folder}/ran', 'w')\nraise SystemExit(9)\n")
    code = (
        "import time; from flows.server import PrefectApi\n"
        "with PrefectApi() as api:\n"
        "    assert api.embedded\n"
        "    api.wait(); print(api._process.pid, api.url, flush=True); time.sleep(60)"
    )
    kept = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    command = subprocess.Popen(
        [sys.executable, "-P", "-c", code],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(ROOT), "http_proxy": "http://127.0.0.1:9"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert command.stdout is not None
    pid, url = command.stdout.readline().split()
    command.kill()
    command.communicate()
    return int(pid), url, folder


@pytest.mark.slow(seconds=15)
def test_embedded_server_listens_on_loopback_only(outlived: tuple[int, str, Path]) -> None:
    assert outlived[1].startswith("http://127.0.0.1:")


@pytest.mark.slow
def test_embedded_server_ends_with_its_command(outlived: tuple[int, str, Path]) -> None:
    deadline = time.monotonic() + 30
    while _alive(outlived[0]) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not _alive(outlived[0])


@pytest.mark.slow
def test_embedded_server_runs_no_code_of_the_working_directory(
    outlived: tuple[int, str, Path],
) -> None:
    assert (outlived[2] / "flows.py").exists()
    assert not (outlived[2] / "ran").exists()


@pytest.mark.slow
def test_embedded_server_that_is_not_needed_any_more_ends_before_it_has_made_a_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    with PrefectApi() as api:
        process = api._process
        assert process is not None
    assert process.returncode == 0  # by itself: it was not waited for until it had to be killed
    assert not (tmp_path / "prefect.db").exists()


def test_only_a_server_of_one_command_leaves_out_what_a_lasting_one_does() -> None:
    left_out = EMBEDDED_ENVIRONMENT.keys() - SERVER_ENVIRONMENT.keys()
    assert left_out == {
        "PREFECT_UI_ENABLED",
        "PREFECT__SERVER_EPHEMERAL",
        "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED",
        "PREFECT_API_BLOCKS_REGISTER_ON_START",
        "PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL",  # words of less weight than errors
    }


def test_task_runs_are_written_down_together_after_a_second_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from prefect.settings import Settings as PrefectSettings

    for name, value in SERVER_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    recorder = PrefectSettings().server.services.task_run_recorder  # as its server reads them
    assert (recorder.batch_size, recorder.flush_interval) == (100, 1)


def _alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
