from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from artemis.errors import PrefectServerError, SettingsError
from artemis.settings import Settings
from flows.deployments import _check_not_shadowed, describe, serve_forever
from flows.server import PrefectApi

pytestmark = pytest.mark.slow(seconds=20)

ROOT = Path(__file__).parents[2]
PATIENCE = 240.0  # seconds; nothing passes or fails by it unless something hangs


def wait_for(what: Callable[[], Any], process: subprocess.Popen[str]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := what()):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "nothing came"
        time.sleep(0.1)
    return found


def asked(api: PrefectApi, path: str, **body: Any) -> Any:
    answer = httpx.post(f"{api.url}/{path}", json=body, timeout=60)
    answer.raise_for_status()
    return answer.json()


def held_deployment(api: PrefectApi) -> str | None:
    found = asked(api, "deployments/filter", deployments={"name": {"any_": ["held"]}})
    return found[0]["id"] if found else None


def test_a_signal_cancels_the_run_under_way_and_gives_it_time(
    api: PrefectApi, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.flows.held", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"PREFECT_API_URL": str(api.url), "PREFECT_RUNNER_POLL_FREQUENCY": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        deployment = wait_for(lambda: held_deployment(api), process)
        path, scheduled = f"deployments/{deployment}/create_flow_run", {"type": "SCHEDULED"}
        run = asked(api, path, state=scheduled, parameters={"folder": str(tmp_path)})["id"]
        wait_for((tmp_path / "begun").exists, process)
        process.send_signal(signal.SIGTERM)  # to it alone, as a supervisor does
        talk = process.communicate(timeout=PATIENCE)[0]
    finally:
        process.kill()
    assert (tmp_path / "ended").exists(), "it was killed"
    assert process.returncode == 0
    assert "Traceback" not in talk
    [left] = asked(api, "flow_runs/filter", flow_runs={"id": {"any_": [run]}})
    assert left["state"]["type"] == "CANCELLED"
    assert asked(api, "deployments/filter", deployments={"id": {"any_": [deployment]}})[0]["paused"]


def test_a_server_that_is_lost_is_named_with_what_to_do(
    api: PrefectApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Imported here, since Prefect reads its API's address once, when it is imported.
    from prefect.runner import Runner

    from flows.serving import serve_until_signal

    async def lost(_: Runner) -> None:
        raise httpx.ConnectError("All connection attempts failed")

    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    gone = PrefectApi()
    monkeypatch.setattr(Runner, "start", lost)
    with pytest.raises(PrefectServerError, match="Start that server, then `artemis-cli serve`"):
        serve_until_signal([], gone)
    with pytest.raises(httpx.ConnectError):
        serve_until_signal([], api)  # which answers: something else is wrong


def test_serving_without_what_trains_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.deployments.find_spec", lambda _: None)
    assert describe(Settings())[1] == (
        "retrain          cron 0 2 * * 6, UTC: all labelled so far; will fail, since the extra "
        "`train` is not installed here"
    )


@pytest.mark.parametrize("code", ["flows.py", "flows/__init__.py", "artemis.py"])
def test_another_projects_code_in_the_working_directory_is_named_before_it_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    (tmp_path / "flows").mkdir()  # such a folder alone hides nothing
    (tmp_path / code).touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=f"{code}: expected a working directory without"):
        serve_forever(Settings(), print)


def test_the_repository_and_a_folder_of_plain_files_are_places_to_serve_from(
    tmp_path: Path,
) -> None:
    (tmp_path / "flows").mkdir()
    for folder in (ROOT, tmp_path):
        _check_not_shadowed(folder)
