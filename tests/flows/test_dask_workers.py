from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

from artemis.errors import EngineError
from artemis.runs import read_record
from flows.engines import dask_workers
from flows.server import PrefectApi
from tests.called import called
from tests.flows.test_classify import ROOT, classify, run_of
from tests.flows.test_interrupts import endless_scan, is_open_in
from tests.runs_alike import assert_same_rows

# Looked for and not imported: Prefect reads its API's address once, when it is imported, and
# whatever runs a flow in this process would then not find the server that the tests share.
pytestmark = [
    pytest.mark.slow(seconds=95),
    pytest.mark.skipif(find_spec("prefect_dask") is None, reason="needs the extra `dask`"),
]

CHUNKS = {"ARTEMIS_CHUNK_SLICES": "4"}


@contextmanager
def dask(
    command: str, folder: Path, *options: str, inside: Sequence[str] = (), code: Path = ROOT
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a scheduler or a worker as a process of its own, in a working directory of its own."""
    folder.mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    environment |= {"PYTHONPATH": str(code), "PREFECT_HOME": str(folder), "DO_NOT_TRACK": "1"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*inside, sys.executable, "-m", f"distributed.cli.dask_{command}", *options],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@contextmanager
def worker(address: str, folder: Path, code: Path = ROOT) -> Iterator[subprocess.Popen[bytes]]:
    options = ["--host=127.0.0.1", "--nthreads=1", "--no-nanny", "--no-dashboard"]
    with dask("worker", folder, address, *options, code=code) as process:
        wait_until(lambda: b"Registered to" in (folder / "log").read_bytes(), process)
        yield process


def wait_until(happened: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 240
    while not happened():
        assert process.poll() is None, "the process has ended"
        assert time.monotonic() < deadline, "it did not happen within four minutes"
        time.sleep(0.05)


@contextmanager
def start_scheduler(folder: Path) -> Iterator[str]:
    """Run a scheduler, and yield its address."""
    options = ["--host=127.0.0.1", "--port=0", "--dashboard-address=127.0.0.1:0"]
    with dask("scheduler", folder, "--scheduler-file=at.json", *options) as process:
        wait_until((folder / "at.json").exists, process)
        wait_until(lambda: bool((folder / "at.json").read_bytes().strip()), process)
        yield json.loads((folder / "at.json").read_text())["address"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A scheduler's address, with a worker of one thread."""
    folder = tmp_path_factory.mktemp("dask")
    with start_scheduler(folder / "scheduler") as address, worker(address, folder / "one"):
        yield address


@pytest.fixture(scope="module")
def pictures(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 different small pictures, and one that is broken."""
    batch = tmp_path_factory.mktemp("pictures")
    heads = [Image.open(path) for path in sorted(samples.glob("*_no_lesion.*"))]
    for number in range(24):
        side = 96 + 4 * number
        heads[number % len(heads)].convert("L").resize((side, side)).save(batch / f"{number}.png")
    shutil.copy(samples / "broken_truncated.png", batch)
    return batch


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="module")
def local_run(api: PrefectApi, pictures: Path, workspace: Path) -> Path:
    answer = classify(pictures, workspace, "--json", **CHUNKS)
    assert answer.returncode == 0, answer.stderr
    return run_of(answer, workspace)


@contextmanager
def batch_on_dask(
    batch: Path, workspace: Path | str, *options: str, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """Run a batch on Dask as the leader of a session of its own."""
    command = [sys.executable, str(ROOT / "cli.py"), "classify-batch", str(batch)]
    with subprocess.Popen(
        [*command, "--workspace", str(workspace), "--engine", "dask", *options],
        cwd=ROOT,
        env=os.environ | environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def new_run(workspace: Path, before: set[Path]) -> Path:
    (run_dir,) = set(workspace.glob("runs/*")) - before
    return run_dir


def test_two_workers_give_the_rows_of_one_machine_though_one_is_killed_in_the_middle(
    cluster: str, local_run: Path, pictures: Path, workspace: Path, tmp_path: Path
) -> None:
    from distributed import Client

    before = set(workspace.glob("runs/*"))
    with worker(cluster, tmp_path / "victim") as victim, Client(cluster) as looking:
        log = (tmp_path / "victim" / "log").read_text()
        address = re.search(r"Start worker at: +(tcp://\S+)", log)
        assert address is not None
        with batch_on_dask(pictures, workspace, "--address", cluster, **CHUNKS) as process:
            wait_until(lambda: bool(looking.processing()[address[1]]), process)
            victim.kill()
            _, talk = process.communicate(timeout=240)
    assert process.returncode == 0, talk
    run_dir = new_run(workspace, before)
    assert_same_rows(run_dir, local_run)
    record = read_record(run_dir)
    assert record.counts.slices == 25
    assert record.engine == "dask, workers: 2"
    assert record.tasks == 7 + 2
    assert "9 of 9 task runs recorded" in talk
    assert not (run_dir / "tensors").exists()


def session_of(leader: int) -> list[str]:
    """Return the processes of a session."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(status.read_text().rpartition(")")[2].split()[3]) == leader:
                found.append(status.parent.name)
    return found


def listening_addresses(processes: list[str]) -> list[str]:
    """Return the IPv4 and IPv6 addresses, in hexadecimal, that processes listen on."""
    inodes = set()
    for process in processes:
        for link in Path(f"/proc/{process}/fd").iterdir():
            with suppress(OSError):
                inodes.add(str(link.readlink()))
    lines = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    return [
        line[1].split(":")[0]
        for line in lines
        if line[3] == "0A" and f"socket:[{line[9]}]" in inodes
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_workers_of_its_own_listen_on_loopback_alone_and_give_the_same_rows(
    local_run: Path, pictures: Path, workspace: Path
) -> None:
    before = set(workspace.glob("runs/*"))
    with batch_on_dask(pictures, workspace, ARTEMIS_CHUNK_SLICES="13") as process:
        wait_until(
            lambda: any(
                read_record(path.parent).engine.startswith("dask")
                for path in workspace.glob("runs/*/run.json")
                if path.parent not in before
            ),
            process,
        )
        addresses = listening_addresses(session_of(process.pid))
        _, talk = process.communicate(timeout=240)
    assert process.returncode == 0, talk
    assert len(addresses) >= 1 + (os.cpu_count() or 1)
    assert set(addresses) == {"0100007F"}
    assert "4 of 4 task runs recorded" in talk
    run_dir = new_run(workspace, before)
    assert_same_rows(run_dir, local_run)
    assert not (run_dir / "tensors").exists()
    assert not list(run_dir.rglob("*.tmp"))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_one_interrupt_ends_the_command_and_its_workers(api: PrefectApi, tmp_path: Path) -> None:
    scan, workspace = tmp_path / "batch" / "a.nii", tmp_path / "data"
    scan.parent.mkdir()
    endless_scan(scan)
    with batch_on_dask(scan.parent, workspace) as process:
        wait_until(lambda: any(is_open_in(each, scan) for each in session_of(process.pid)), process)
        wait_until(lambda: bool(list(workspace.glob("runs/*/plan/*"))), process)
        os.killpg(process.pid, signal.SIGINT)
        _, talk = process.communicate(timeout=300)
        deadline = time.monotonic() + 240
        while left := session_of(process.pid):
            assert time.monotonic() < deadline, [
                Path(f"/proc/{each}/cmdline").read_bytes() for each in left
            ]
            time.sleep(0.1)
    assert process.returncode == 130
    assert talk.strip() == (
        f"Interrupted. `artemis-cli report latest --workspace {workspace}` shows what was finished."
    )
    assert read_record(new_run(workspace, set())).status == "failed"


def test_scheduler_that_does_not_answer_is_named(
    api: PrefectApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.engines._PATIENCE", 1)
    with (
        pytest.raises(EngineError, match=r"tcp://127\.0\.0\.1:9: expected a Dask scheduler that"),
        dask_workers("tcp://127.0.0.1:9", []),
    ):
        pass


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_port_of_something_else_is_no_scheduler_and_is_not_waited_for(
    said: bytes, api: PrefectApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.engines._PATIENCE", 1)
    with socket.create_server(("127.0.0.1", 0)) as other, ThreadPoolExecutor() as pool:
        accepted = pool.submit(other.accept)  # and held open
        accepted.add_done_callback(lambda done: done.result()[0].sendall(said))
        address = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        with (
            pytest.raises(EngineError, match=rf"^{address}: expected a Dask scheduler that ans"),
            dask_workers(address, []),
        ):
            pass
        accepted.result()[0].close()


def test_worker_that_does_not_see_the_workspace_is_named(
    api: PrefectApi, cluster: str, tmp_path: Path
) -> None:
    missing = tmp_path / "elsewhere"
    with (
        pytest.raises(
            EngineError, match=rf"tcp://\S+: .* Received: one that has no folder {missing}"
        ),
        dask_workers(cluster, [tmp_path, missing]),
    ):
        pass


def test_worker_with_other_versions_is_named(api: PrefectApi, cluster: str, tmp_path: Path) -> None:
    made = {"runtime": "litert in f32", "version of pillow": "1.0"}
    words = r"tcp://\S+: .* one that makes rows otherwise: version of pillow: 1\.0 in the run, \d"
    with pytest.raises(EngineError, match=words), dask_workers(cluster, [tmp_path], None, made):
        pass


def code_with_a_line_more(folder: Path) -> Path:
    """Copy what a worker imports, changed where it makes rows; its version is the same."""
    for name in ("artemis", "flows", "tests/flows"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / "tests" / "__init__.py", folder / "tests")
    with (folder / "artemis" / "preprocess.py").open("a") as module:
        module.write("# a line more\n")
    return folder


def test_lack_of_workers_one_of_other_code_and_their_death_at_one_chunk_are_told_apart(
    api: PrefectApi, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from tests.flows.fatal import fatal

    def send(address: str) -> None:
        # Of this process's own, which may have read its settings before the server was there.
        with (
            temporary_settings({PREFECT_API_URL: api.url}),
            dask_workers(address, []) as workers,
        ):
            list(workers.results(fatal, [{}]))

    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")  # three, else
    code = code_with_a_line_more(tmp_path / "code")
    with start_scheduler(tmp_path / "scheduler") as address:
        with pytest.raises(EngineError, match=r"without any\. Start some with `dask worker tcp://"):
            send(address)
        with worker(address, tmp_path / "worker", code):
            options = ("--workspace", tmp_path / "workspace", "--engine", "dask")
            answer = called("classify-batch", pictures, *options, "--address", address)
            assert answer.returncode == 1
            words = (
                r"makes rows otherwise: version of artemis-mri sources: (\w{12}) in the run, "
                r"(\w{12}) he"
            )
            found = re.search(words, " ".join(answer.stderr.split()))
            assert found is not None, answer.stderr
            assert found[1] != found[2]
            with pytest.raises(
                EngineError, match=r"several died at the same one, .* Without --engine dask such a"
            ):
                send(address)
