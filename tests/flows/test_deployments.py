from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pydantic import ValidationError

from artemis.errors import PrefectServerError, SettingsError
from artemis.settings import ScheduleSettings, Settings
from flows.deployments import SchedulingServer, values_for_deploy
from flows.server import PrefectApi

ROOT = Path(__file__).parents[2]
PATIENCE = 240.0  # seconds; nothing passes or fails by it unless something hangs
SERVE = (
    "from artemis.settings import load_settings\n"
    "from flows.deployments import serve_forever\n"
    "if __name__ == '__main__':\n"
    "    serve_forever(load_settings(), lambda line: print(line, flush=True))\n"
)
SERVER = (
    "import sys\n"
    "from flows.deployments import SchedulingServer\n"
    "with SchedulingServer(int(sys.argv[1])) as server:\n"
    "    server.wait(); print('up', flush=True); sys.stdin.read()\n"
)


def test_a_wrong_setting_stops_the_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTEMIS_SCHEDULE__TIME_ZONE", "Atlantis")
    with pytest.raises(SettingsError, match="ARTEMIS_SCHEDULE__TIME_ZONE: expected"):
        values_for_deploy()


def test_a_taken_port_is_named_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(PrefectServerError, match=f"PREFECT_API_URL=http://127.0.0.1:{port}/api"),
            SchedulingServer(port),
        ):
            pytest.fail("started on a taken port")
    assert "PREFECT_API_URL" not in os.environ


def test_a_configured_server_is_used_and_none_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://lab:4200/api")
    with SchedulingServer(4200) as server:
        assert not server.embedded
        assert server.page == "http://lab:4200"


def part(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    span = st.tuples(number, number).map(lambda ends: f"{min(ends)}-{max(ends)}")
    step = st.tuples(st.just("*") | span, st.integers(1, high)).map(lambda s: f"{s[0]}/{s[1]}")
    several = st.lists(number.map(str) | span | step, min_size=1, max_size=3)
    return st.just("*") | several.map(",".join)


@pytest.mark.slow(seconds=60)
@examples(max_examples=50, deadline=None)
@given(st.tuples(part(0, 59), part(0, 23), part(1, 31), part(1, 12), part(0, 6)).map(" ".join))
def test_prefect_takes_every_cron_that_the_settings_take(api: PrefectApi, cron: str) -> None:
    # Imported here, since Prefect reads its API's address once, when it is imported.
    from prefect.client.schemas.schedules import CronSchedule

    try:
        taken = ScheduleSettings(retrain_cron=cron).retrain_cron
    except ValidationError:
        return
    assert CronSchedule(cron=taken, timezone="Europe/Berlin").cron == cron


@pytest.mark.slow
def test_prefect_takes_every_time_zone_that_the_settings_take(api: PrefectApi) -> None:
    from prefect.client.schemas.schedules import CronSchedule

    for name in sorted(available_timezones())[::25]:
        zone = ScheduleSettings(time_zone=name).time_zone
        assert CronSchedule(cron="0 2 * * *", timezone=zone).timezone == zone


@pytest.mark.slow
def test_both_deployments_carry_the_settings(api: PrefectApi, tmp_path: Path) -> None:
    from flows.deployments import to_deployments

    schedule = ScheduleSettings(
        inbox_interval=90, retrain_cron="15 3 * * 0", time_zone="Asia/Tokyo", retrain_data="new"
    )
    inbox, retrain = to_deployments(Settings(workspace=tmp_path, schedule=schedule))
    assert (inbox.flow_name, inbox.name) == ("classify-inbox", "inbox")
    assert (retrain.flow_name, retrain.name) == ("retrain", "retraining")
    assert inbox.schedules[0].schedule.interval.total_seconds() == 90
    assert retrain.schedules[0].schedule.cron == "15 3 * * 0"
    assert retrain.schedules[0].schedule.timezone == "Asia/Tokyo"
    # Another process that serves the same deployments may stand elsewhere.
    assert retrain.parameters == {"workspace": str(tmp_path), "data": str(Path("new").resolve())}
    for deployment in (inbox, retrain):
        assert deployment.concurrency_limit == 1
        assert deployment.concurrency_options.collision_strategy == "CANCEL_NEW"
        assert "artemis" in deployment.tags
    inbox, retrain = to_deployments(Settings())
    assert inbox.parameters == {"workspace": str(Path("data").resolve())}
    assert retrain.parameters["data"] is None


def test_its_own_server_is_reached_past_a_proxy_whichever_spelling_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "example.org")
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: SimpleNamespace(stdin=None, wait=int))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with SchedulingServer(port):
        assert urllib.request.proxy_bypass(f"127.0.0.1:{port}")
        assert urllib.request.proxy_bypass("example.org")


@pytest.fixture(scope="module")
def environment(
    new_home: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Two servers, one after the other, on one database."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kept = {k: v for k, v in os.environ.items() if k != "PREFECT_API_URL"}
    return kept | {
        "PREFECT_HOME": str(new_home()),
        "NO_PROXY": "127.0.0.1",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_WORKER_QUERY_SECONDS": "2",
        "PREFECT_RUNNER_POLL_FREQUENCY": "2",
        "ARTEMIS_WORKSPACE": str(tmp_path_factory.mktemp("workspace")),
        "ARTEMIS_SCHEDULE__SERVER_PORT": str(port),
        "ARTEMIS_SCHEDULE__INBOX_INTERVAL": "15",
        "ARTEMIS_SCHEDULE__QUIET_PERIOD": "0",
        "ARTEMIS_SCHEDULE__RETRAIN_CRON": "30 2 * * *",
        "ARTEMIS_SCHEDULE__TIME_ZONE": "Asia/Kolkata",
    }


@contextmanager
def started(
    command: list[str], environment: dict[str, str], cwd: Path = ROOT
) -> Iterator[subprocess.Popen[str]]:
    """Start a process in a group of its own, and end the group, whatever happens."""
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_for(what: Callable[[], Any], process: subprocess.Popen[str]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := what()):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "nothing came"
        time.sleep(0.2)
    return found


def ask(environment: dict[str, str], kind: str, **body: Any) -> list[dict[str, Any]]:
    return list(post(environment, f"{kind}/filter", **body))


def post(environment: dict[str, str], path: str, **body: Any) -> Any:
    port = environment["ARTEMIS_SCHEDULE__SERVER_PORT"]
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/{path}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with opener.open(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            # 503: SQLite was locked; Prefect's own client tries again, too.
            if error.code != 503 or time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def runs(environment: dict[str, str], flow: str, state: str) -> list[dict[str, Any]]:
    return ask(
        environment,
        "flow_runs",
        flows={"name": {"any_": [flow]}},
        flow_runs={"state": {"type": {"any_": [state]}}},
    )


def drop_scan(environment: dict[str, str], samples: Path, name: str) -> Path:
    folder = Path(environment["ARTEMIS_WORKSPACE"]) / "inbox" / name
    folder.mkdir(parents=True)
    shutil.copy(samples / "coronal_no_lesion.png", folder)
    return folder


def check_scheduled_run(environment: dict[str, str], name: str) -> None:
    """Check what the run that took the batch of this name left, and where."""
    workspace = Path(environment["ARTEMIS_WORKSPACE"])
    [done] = (workspace / "done").glob(f"{name}-*")
    assert [path.name for path in done.iterdir()] == ["coronal_no_lesion.png"]
    batch = done.name.rpartition("-")[2]
    [artifact] = [
        artifact
        for artifact in ask(environment, "artifacts")
        if artifact["key"] == "classify-inbox" and f"| {batch} | done | 1 | 1 |" in artifact["data"]
    ]
    report = artifact["data"].partition("`file://")[2].partition("`")[0]
    assert Path(report).is_file()
    [run] = ask(environment, "flow_runs", flow_runs={"id": {"any_": [artifact["flow_run_id"]]}})
    assert run["name"].startswith("classify-inbox 20")
    assert {"artemis", "inbox"} <= set(run["tags"])
    assert run["auto_scheduled"]
    assert name not in json.dumps([run, artifact])


def check_retraining_is_scheduled(environment: dict[str, str]) -> None:
    scheduled = runs(environment, "retrain", "SCHEDULED")
    # With an unsuitable SQLAlchemy, Prefect accepts a schedule and never fires it.
    assert len(scheduled) >= 3
    for run in scheduled:
        due = datetime.fromisoformat(run["expected_start_time"])
        assert f"{due.astimezone(ZoneInfo('Asia/Kolkata')):%H:%M}" == "02:30"
        assert {"artemis", "retraining"} <= set(run["tags"])


def check_the_second_of_two_is_cancelled(
    environment: dict[str, str], deployment: dict[str, Any]
) -> None:
    later = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2100-01-01T00:00:00Z"}}
    path = f"deployments/{deployment['id']}/create_flow_run"
    first, second = (post(environment, path, state=later)["id"] for _ in range(2))
    answers = [
        post(environment, f"flow_runs/{run}/set_state", state={"type": "PENDING"})["state"]["type"]
        for run in (first, second)
    ]
    assert answers == ["PENDING", "CANCELLED"]
    post(environment, f"flow_runs/{first}/set_state", state={"type": "CANCELLED"})


@pytest.mark.slow
def test_serving_schedules_and_runs_both_and_ends_with_all_that_it_started(
    environment: dict[str, str], samples: Path, tmp_path: Path
) -> None:
    drop_scan(environment, samples, "served")
    workspace = Path(environment["ARTEMIS_WORKSPACE"])
    anywhere = environment | {"PYTHONPATH": str(ROOT)}
    with started([sys.executable, "-c", SERVE], anywhere, tmp_path) as process:
        assert process.stdout is not None
        talk = [process.stdout.readline() for _ in range(4)]
        port = environment["ARTEMIS_SCHEDULE__SERVER_PORT"]
        assert talk == [
            f"Prefect's page   http://127.0.0.1:{port} (its own, ends with this command)\n",
            f"classify-inbox   every 15 s: {workspace / 'inbox'}\n",
            "retrain          cron 30 2 * * *, Asia/Kolkata: all labelled so far\n",
            "Ctrl-C ends it.\n",
        ]
        wait_for(lambda: runs(environment, "classify-inbox", "COMPLETED"), process)
        wait_for(lambda: len(runs(environment, "retrain", "SCHEDULED")) >= 3, process)
        assert runs(environment, "classify-inbox", "SCHEDULED")
        check_scheduled_run(environment, "served")
        check_retraining_is_scheduled(environment)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as page:
            assert b"Prefect" in page.read()
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C at a terminal does
        assert process.wait(PATIENCE) == 0
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(port))) != 0, "its server is still there"


@pytest.mark.slow
def test_prefect_yaml_deploys_both_and_a_worker_runs_them(
    environment: dict[str, str], samples: Path
) -> None:
    port = environment["ARTEMIS_SCHEDULE__SERVER_PORT"]
    client = environment | {
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "ARTEMIS_SCHEDULE__RETRAIN_DATA": "labelled",
    }
    prefect = [sys.executable, "-m", "prefect", "--no-prompt"]
    with started([sys.executable, "-c", SERVER, port], environment) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "up\n"
        post(environment, "work_pools/", name="artemis", type="process")
        done = subprocess.run(
            [*prefect, "deploy", "--all"],
            cwd=ROOT,
            env=client,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        deployed = {d["entrypoint"]: d for d in ask(environment, "deployments")}
        retrain = deployed["flows/retrain.py:retrain"]
        assert retrain["parameters"]["data"] == "labelled"
        assert retrain["schedules"][0]["schedule"]["timezone"] == "Asia/Kolkata"
        assert retrain["schedules"][0]["active"]
        assert retrain["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
        for deployment in deployed.values():
            check_the_second_of_two_is_cancelled(environment, deployment)
        drop_scan(environment, samples, "deployed")
        with started([*prefect, "worker", "start", "--pool", "artemis"], client) as worker:
            done_folder = Path(environment["ARTEMIS_WORKSPACE"]) / "done"
            wait_for(lambda: list(done_folder.glob("deployed-*")), worker)
            wait_for(lambda: runs(environment, "classify-inbox", "COMPLETED"), worker)
            wait_for(lambda: len(runs(environment, "retrain", "SCHEDULED")) >= 3, worker)
            check_scheduled_run(environment, "deployed")
            check_retraining_is_scheduled(environment)
