"""What a command says and does where Prefect's API is none, or is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from artemis.errors import ModelError, PrefectServerError
from artemis.runs import RunRecord
from artemis.settings import Settings
from flows.interactive import classify
from flows.lost_api import naming_a_lost_api
from flows.server import PrefectApi

ROOT = Path(__file__).parents[2]
LET_GO = """
import threading

from prefect.events import emit_event
from prefect.events.worker import EventsWorker

from flows.lost_api import let_go, silence_services

silence_services()
for number in range(20):
    emit_event("a step", {"prefect.resource.id": f"step {number}"})
let_go()
"""


@contextmanager
def answering(status: int) -> Iterator[str]:
    """Serve an API that answers everything alike, and yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path.endswith("/health") else status)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/api"
        finally:
            server.shutdown()


def classify_one(api: PrefectApi, batch: Path, workspace: Path) -> tuple[RunRecord, int]:
    """Classify the first slice of a batch by the smaller model, as the command does."""
    settings = Settings(workspace=workspace)
    return classify(api, batch, settings, ["baseline"], limit=1, command="", verbose=False)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, r"Received: 401 Unauthorized\. Set PREFECT_API_AUTH_STRING=NAME:PASSWORD"),
        (200, r"Received: answers that are not its own\. .* correct PREFECT_API_URL"),
    ],
)
def test_a_server_that_records_nothing_is_named_before_anything_is_done(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, words: str
) -> None:
    monkeypatch.setenv("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    with answering(status) as url:
        monkeypatch.setenv("PREFECT_API_URL", url)
        with PrefectApi() as api, pytest.raises(PrefectServerError, match=words) as told:
            classify_one(api, samples, tmp_path)
    assert f"an API that records runs at {url}." in str(told.value)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("error", [ModelError("a model"), RuntimeError("another"), OSError()])
def test_what_is_no_fault_of_the_api_is_raised_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, naming_a_lost_api(PrefectApi()):
        raise error
    assert raised.value is error


def test_a_batch_that_is_written_is_done_though_the_api_is_lost_then(
    api: PrefectApi, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.lost_api import tell_done

    def lost(record: object) -> None:
        tell_done(record)
        raise httpx.ConnectError("[Errno 111] Connection refused")

    monkeypatch.setattr("flows.classify.tell_done", lost)
    record, recorded = classify_one(api, samples, tmp_path)
    assert (record.status, record.counts.slices, recorded) == ("completed", 1, 0)
    assert Path(record.report or "").is_file()


@pytest.mark.slow(seconds=20)
def test_a_process_does_not_wait_for_a_server_that_is_lost(tmp_path: Path) -> None:
    address = {"PREFECT_API_URL": "http://127.0.0.1:9/api", "PREFECT_HOME": str(tmp_path)}
    subprocess.run(
        [sys.executable, "-c", LET_GO],
        cwd=ROOT,
        env=os.environ | address,
        check=True,
        timeout=40,  # twenty events take 70 s
    )
