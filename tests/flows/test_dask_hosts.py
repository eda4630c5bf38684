"""Dask workers on hosts of their own: network namespaces, where the machine lets them be made."""

from __future__ import annotations

import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from artemis.runs import read_record
from flows.server import PrefectApi
from tests.flows.test_dask_workers import (
    CHUNKS,
    batch_on_dask,
    dask,
    local_run,
    new_run,
    pictures,
    wait_until,
    workspace,
)
from tests.runs_alike import assert_same_rows

__all__ = ["local_run", "pictures", "workspace"]  # fixtures

pytestmark = [
    pytest.mark.slow(seconds=45),
    pytest.mark.skipif(find_spec("prefect_dask") is None, reason="needs the extra `dask`"),
    pytest.mark.skipif(shutil.which("ip") is None, reason="needs iproute2"),
]

NETWORK = "198.18.73"  # of a range that is kept for measurements, RFC 2544


def ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True, capture_output=True, text=True)


@contextmanager
def host(number: int, name: str, bridge: str) -> Iterator[str]:
    """Make a host that shares nothing of the network but a bridge; yield its name."""
    with ExitStack() as stack:
        ip(f"netns add {name}")
        stack.callback(ip, f"netns del {name}")
        ip(f"link add {name} type veth peer name eth0 netns {name}")
        ip(f"link set {name} master {bridge} up")
        ip(f"-n {name} addr add {NETWORK}.{number}/24 dev eth0")
        ip(f"-n {name} link set eth0 up")
        ip(f"-n {name} link set lo up")
        yield name


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[str, str]]:
    """Two hosts beside this one, which is number 1 of their network."""
    bridge = f"art{secrets.token_hex(4)}"
    with ExitStack() as stack:
        try:
            ip(f"link add {bridge} type bridge")
            stack.callback(ip, f"link del {bridge}")
            ip(f"addr add {NETWORK}.1/24 dev {bridge}")
            ip(f"link set {bridge} up")
            made = [stack.enter_context(host(k, f"{bridge}{k}", bridge)) for k in (2, 3)]
        except subprocess.CalledProcessError as error:
            pytest.skip(f"needs the right to make network namespaces: {error.stderr.strip()}")
        yield made[0], made[1]


@contextmanager
def worker_on(name: str, address: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker of one thread on a host, in a working directory of its own."""
    inside = ("ip", "netns", "exec", name)
    options = ["--nthreads=1", "--no-nanny", "--no-dashboard"]
    with dask("worker", folder, address, *options, inside=inside) as process:
        wait_until(lambda: b"Registered to" in (folder / "log").read_bytes(), process)
        yield process


def test_two_hosts_one_of_which_dies_give_the_rows_of_one_machine(
    hosts: tuple[str, str],
    api: PrefectApi,
    local_run: Path,
    pictures: Path,
    workspace: Path,
    new_home: Callable[[], Path],
    tmp_path: Path,
) -> None:
    from distributed import Client

    before = set(workspace.glob("runs/*"))
    address = f"tcp://{NETWORK}.1:8786"
    options = [f"--host={NETWORK}.1", "--port=8786", "--no-dashboard"]
    with ExitStack() as stack:
        stack.enter_context(dask("scheduler", tmp_path / "scheduler", *options))
        stack.enter_context(worker_on(hosts[0], address, tmp_path / "stays"))
        dies = stack.enter_context(worker_on(hosts[1], address, tmp_path / "dies"))
        looking = stack.enter_context(Client(address))
        process = stack.enter_context(
            batch_on_dask(
                pictures,
                workspace,
                "--address",
                address,
                PREFECT_API_URL="",  # a server of its own, since theirs is on loopback
                PREFECT_HOME=str(new_home()),
                **CHUNKS,
            )
        )

        worked: set[str] = set()

        def both_have_worked_and_one_does() -> bool:
            now = {where.split(":")[1] for where, keys in looking.processing().items() if keys}
            worked.update(now)
            return len(worked) == 2 and f"//{NETWORK}.3" in now

        wait_until(both_have_worked_and_one_does, process)
        dies.kill()
        _, talk = process.communicate(timeout=240)
    assert process.returncode == 0, talk
    assert worked == {f"//{NETWORK}.2", f"//{NETWORK}.3"}
    run_dir = new_run(workspace, before)
    assert read_record(run_dir).engine == "dask, workers: 2"
    assert "9 of 9 task runs recorded" in talk
    assert_same_rows(run_dir, local_run)
    assert {path.name for path in (tmp_path / "stays").iterdir()} >= {"log"}
    assert not list((tmp_path / "stays").rglob("*.parquet"))
