"""Runs by the command line into a real S3 server: on one machine, and by workers of Dask."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from artemis.batches.mirror import Mirror
from artemis.errors import EngineError
from artemis.models.registry import MODEL_NAMES
from artemis.runs import read_record
from artemis.settings import Settings
from artemis.system.store import Store
from flows.engines import dask_workers
from flows.server import PrefectApi
from tests import s3
from tests.batches.test_merge import classify as by_step
from tests.called import called
from tests.flows.test_classify import classify
from tests.flows.test_dask_workers import batch_on_dask, start_scheduler, wait_until, worker
from tests.runs_alike import assert_same_rows

pytestmark = pytest.mark.slow(seconds=55)
needs_dask = pytest.mark.skipif(find_spec("prefect_dask") is None, reason="needs the extra `dask`")

BUCKET = "artemis"
CHUNKS = {"ARTEMIS_CHUNK_SLICES": "4"}


@pytest.fixture(scope="module")
def asked() -> Iterator[s3.Requests]:
    with s3.s3_server() as asked:
        yield asked


@pytest.fixture(scope="module")
def address(asked: s3.Requests) -> str:
    return s3.make_bucket(BUCKET)


@pytest.fixture(scope="module")
def into_the_store(
    api: PrefectApi, asked: s3.Requests, address: str, samples: Path
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """A run of the samples into the store, and the objects in the order it wrote them."""
    asked.written.clear()
    answer = classify(samples, address, "--json", "--verbose", **CHUNKS)
    assert answer.returncode == 0, answer.stderr
    return answer, [*asked.written]


@pytest.fixture(scope="module")
def in_a_folder(
    into_the_store, address: str, samples: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run of the same batch into a folder by step, with the store's key of identities."""
    workspace = tmp_path_factory.mktemp("folder")
    Store(address).pull("identity.key", workspace / "identity.key")
    return by_step(samples, Settings(workspace=workspace, chunk_slices=4), list(MODEL_NAMES))


def layout(run: Path) -> set[str]:
    return {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}


def test_a_run_into_the_store_has_the_rows_of_one_into_a_folder(
    into_the_store, in_a_folder: Path, address: str, tmp_path: Path
) -> None:
    record = json.loads(into_the_store[0].stdout)
    stored = Mirror(Store(address), tmp_path).find_run(record["run_id"])
    assert_same_rows(stored, in_a_folder)
    assert layout(stored) == layout(in_a_folder)
    assert record["store"] == address
    assert record["tasks"] == 9 * 5 + 2
    assert "47 of 47 task runs recorded" in into_the_store[0].stderr


def test_the_record_that_says_completed_is_written_last(into_the_store, address: str) -> None:
    answer, written = into_the_store
    record = json.loads(answer.stdout)
    run = f"{address.removeprefix('s3://')}/runs/{record['run_id']}"
    assert written[-1] == f"{run}/run.json"
    stored = {f"{address.removeprefix('s3://')}/{key}" for key in Store(address).sizes("")}
    assert set(written) >= {key for key in stored if key.startswith(run)}
    pages = [f"reports/{record['run_id']}/index.html", "reports/index.html"]
    assert [key for key in written if "/reports/" in key] == [
        f"{address.removeprefix('s3://')}/{page}" for page in pages
    ]


def test_no_object_and_no_line_holds_a_credential(into_the_store) -> None:
    answer, _ = into_the_store
    said = {"stdout": answer.stdout.encode(), "stderr": answer.stderr.encode()}
    for key, data in (s3.objects(BUCKET) | said).items():
        for secret in (s3.ACCESS_KEY, s3.SECRET_KEY):
            assert secret.encode() not in data, key


def test_nothing_of_it_stays_on_the_machine(into_the_store, address: str, tmp_path: Path) -> None:
    record = json.loads(into_the_store[0].stdout)
    stored = Mirror(Store(address), tmp_path).find_run(record["run_id"])
    assert not read_record(stored).settings.workspace.exists()


def test_a_wrong_key_ends_the_command_with_a_named_error(
    asked: s3.Requests, address: str, samples: Path
) -> None:
    with s3.knowing_nobody():
        answer = called("classify-batch", samples, "--workspace", address)
    assert answer.returncode == 1
    assert re.fullmatch(
        rf"Error: {address}/: expected a store where this can be listed\. Received "
        r"INVALID_ACCESS_KEY_ID from ListObjectsV2: .*\. Check AWS_ACCESS_KEY_ID and .*\.",
        answer.stderr.strip(),
    )


@pytest.fixture(scope="module")
def cluster(asked: s3.Requests, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A scheduler's address, with a worker that knows the way to the store."""
    folder = tmp_path_factory.mktemp("dask")
    with start_scheduler(folder / "scheduler") as cluster, worker(cluster, folder / "one"):
        yield cluster


@needs_dask
def test_workers_that_share_only_the_store_give_the_same_rows_though_one_is_killed(
    cluster: str, in_a_folder: Path, address: str, samples: Path, tmp_path: Path
) -> None:
    from distributed import Client

    with (
        worker(cluster, tmp_path / "victim") as victim,
        Client(cluster) as looking,
    ):
        log = (tmp_path / "victim" / "log").read_text()
        at = re.search(r"Start worker at: +(tcp://\S+)", log)
        assert at is not None
        with batch_on_dask(samples, address, "--address", cluster, **CHUNKS) as process:
            wait_until(lambda: bool(looking.processing()[at[1]]), process)
            victim.kill()
            _, talk = process.communicate(timeout=240)
        assert process.returncode == 0, talk
    stored = Mirror(Store(address), tmp_path / "reader").find_run("latest")
    record = read_record(stored)
    assert record.run_id in talk
    assert record.engine == "dask, workers: 2"
    assert_same_rows(stored, in_a_folder)
    assert layout(stored) == layout(in_a_folder)
    assert not record.settings.workspace.exists()


@needs_dask
def test_a_worker_that_does_not_reach_the_store_is_named(
    api: PrefectApi, cluster: str, address: str, tmp_path: Path
) -> None:
    words = rf"tcp://\S+: .* Received: one that does not reach the store: {address}/: "
    with (
        s3.knowing_nobody(),
        pytest.raises(EngineError, match=words),
        dask_workers(cluster, [tmp_path], address),
    ):
        pass
