from __future__ import annotations

import os
import subprocess
import sys

import pytest

from artemis.batches.engine import Engine
from artemis.errors import EngineError, MissingExtraError
from flows.engines import check_engine, this_machine_towards
from tests.conftest import ROOT


def test_address_needs_dask() -> None:
    with pytest.raises(EngineError, match=r"--address: expected --engine dask with it\. Received"):
        check_engine(Engine.LOCAL, "tcp://10.0.0.1:8786")


@pytest.mark.parametrize("address", ["10.0.0.1:8786", "http://10.0.0.1:8786", "tcp://10.0.0.1"])
def test_address_that_is_none_is_refused_with_an_example(address: str) -> None:
    with pytest.raises(EngineError, match=r"such as tcp://10\.0\.0\.1:8786, .* Received '"):
        check_engine(Engine.DASK, address)


def test_missing_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prefect_dask", None)
    with pytest.raises(MissingExtraError, match=r"the extra `dask`\. .* `make dask-setup`"):
        check_engine(Engine.DASK, None)


def test_loopback_scheduler_is_reached_from_loopback() -> None:
    assert this_machine_towards("tcp://127.0.0.1:8786") == "127.0.0.1"


def test_name_that_does_not_resolve_is_named() -> None:
    with pytest.raises(EngineError, match=r"Received 'tcp://no\.such\.invalid:8786': "):
        this_machine_towards("tcp://no.such.invalid:8786")


@pytest.mark.slow(seconds=3)
def test_a_worker_records_tasks_at_the_server_of_the_last_command_that_asked() -> None:
    apis = ["http://127.0.0.1:9/api", "http://127.0.0.1:10/api"]
    code = (
        "import os\nfrom flows.engines import describe_worker\n"
        "from prefect.events.worker import EventsWorker\n"
        f"for api in {apis}:\n"
        "    describe_worker(api, [], None, {})\n"
        "    print(dict(EventsWorker.instance().client_options)['api_url'], flush=True)\n"
        "os._exit(0)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PREFECT_API_URL": apis[0]},
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert answer.stdout.splitlines() == apis, answer.stderr
