"""Workspaces in an object store, against a real S3 server; runs by step, without Prefect."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import artemis.batches.mirror
import artemis.system.store
from artemis.answers.studies import write_studies
from artemis.batches.batch import (
    conclude_run,
    plan_chunks,
    plan_shard,
    recording_failure,
    start_run,
    write_plans,
)
from artemis.batches.chunk import classify_stored_chunk
from artemis.batches.mirror import Mirror, mirrored
from artemis.errors import RunEndedError, RunRecordError, StoreError
from artemis.ingest.shards import Shard
from artemis.models.registry import PRETRAINED
from artemis.report.run.publish import write_report
from artemis.runs import Counts, RunPaths, RunRecord, RunStatus, read_record, write_record
from artemis.settings import Settings
from artemis.system.store import Store
from cli import app
from tests import s3
from tests.batches.test_merge import classify
from tests.runs_alike import assert_same_rows

MODEL = "baseline"


@pytest.fixture(scope="module")
def asked() -> Iterator[s3.Requests]:
    with s3.s3_server() as asked:
        yield asked


@pytest.fixture
def address(asked: s3.Requests, request: pytest.FixtureRequest) -> str:
    return s3.make_bucket("of-" + request.node.name.partition("[")[0].replace("_", "-")[-50:])


@pytest.fixture(autouse=True)
def _no_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artemis.batches.mirror, "_SETTLE", 0.0)


@pytest.fixture(scope="module")
def batch(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study in DICOM, four pictures, and one that is broken."""
    folder = tmp_path_factory.mktemp("batch")
    shutil.copytree(samples / "dicom_series_simulated_meningioma", folder / "series")
    pictures = sorted(samples.glob("*_no_lesion*"))[:4]
    for path in (*pictures, samples / "broken_truncated.png"):
        shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="module")
def in_a_folder(batch: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the same batch into a folder."""
    return classify(batch, settings_of(tmp_path_factory.mktemp("folder")), [MODEL])


def settings_of(workspace: Path) -> Settings:
    return Settings(workspace=workspace, chunk_slices=2)


def take_key_of(run_dir: Path, address: str) -> None:
    """Give a store the key of identities of a run's workspace, so that keys are comparable."""
    Store(address).push(run_dir.parents[1] / "identity.key", "identity.key")


def mirror_at(address: str, folder: Path) -> Mirror:
    folder.mkdir(exist_ok=True)
    return Mirror(Store(address), folder)


def begun(mirror: Mirror, batch: Path, shard: str | None = None) -> tuple[RunPaths, RunRecord]:
    """Begin a run in a store, whose chunks others can then work on."""
    settings = settings_of(mirror.folder)
    run, record = start_run(batch, settings, [MODEL], "a test", store=mirror.store.address)
    mirror.establish_identity()
    if shard is None:
        chunks = plan_chunks(batch, settings)
    else:
        chunks, share = plan_shard(batch, settings, Shard.parse(shard))
        record = record.model_copy(update={"shard": share})
    write_record(run, record)
    write_plans(run, chunks)
    mirror.push_plan(run)
    return run, record


def finished(mirror: Mirror, run: RunPaths, record: RunRecord, workers: list[Path]) -> None:
    """Do all chunks of a run, each in the folder of the next worker, and end the run."""
    counts = Counts()
    for chunk in range(len(list(run.plan.glob("*")))):
        folder = workers[chunk % len(workers)]
        counts += classify_stored_chunk(record.store or "", folder, run.run_id, chunk)
    mirror.pull_run(run.run_id)
    write_studies(run, record)
    conclude_run(run, record, counts, {})
    write_report(run.root, mirror)
    mirror.push_run(run)


@pytest.mark.parametrize(
    "address",
    [
        "s3://AKIDOFSOMEBODY:verysecret@bucket/prefix",
        "s3://AKIDOFSOMEBODY:verysecret/bucket",
        "s3:/AKIDOFSOMEBODY:verysecret@bucket",
        "s3://bucket/prefix?access_key=verysecret",
        "s3://bucket/a/../b",
        "s3://bucket//a",
        "s3://",
        "s3:/bucket",
        "gs://bucket/prefix",
        "https://bucket.example/prefix",
    ],
)
def test_what_is_no_address_of_a_store_is_refused_and_no_secret_repeated(address: str) -> None:
    with pytest.raises(StoreError, match="a store such as s3://bucket/prefix") as caught:
        Store(address)
    assert "secret" not in str(caught.value)
    assert "AKID" not in str(caught.value)


def test_an_object_comes_back_as_it_was_pushed(address: str, tmp_path: Path) -> None:
    store, key = Store(address + "/"), "runs/a/predictions/model=x/pärt 0.parquet"
    (tmp_path / "one").write_bytes(bytes(range(256)) * 50_000)  # beyond one part of an upload
    store.push(tmp_path / "one", key)
    (tmp_path / "none").touch()
    store.push(tmp_path / "none", "empty")
    assert store.pull(key, tmp_path / "new" / "two")
    assert (tmp_path / "new" / "two").read_bytes() == (tmp_path / "one").read_bytes()
    assert store.read("empty") == b""
    assert store.sizes("") == {key: 12_800_000, "empty": 0}
    assert store.names("") == ["empty", "runs"]
    assert store.read("runs/a/run.json") is None
    assert not store.pull("runs/a/run.json", tmp_path / "run.json")
    assert store.names("models") == []
    assert store.address_of("empty") == f"{address}/empty"


def test_an_object_that_did_not_arrive_whole_is_named(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = artemis.system.store._client_of(address)

    class Losing:
        """The real client, which loses the last byte."""

        def open_output_stream(self, path: str, metadata: Any) -> Any:
            stream = client.open_output_stream(path, metadata=metadata)

            class Stream:
                def __enter__(self) -> Any:
                    return self

                def write(self, data: bytes) -> None:
                    stream.write(data[:-1])

                def __exit__(self, *error: object) -> None:
                    stream.close()

            return Stream()

        def get_file_info(self, path: str) -> Any:
            return client.get_file_info(path)

    monkeypatch.setattr(artemis.system.store, "_client_of", lambda address: Losing())
    (tmp_path / "part").write_bytes(b"12345")
    with pytest.raises(StoreError, match=rf"{address}/part: expected .* of 5 bytes .* 4 bytes\."):
        Store(address).push(tmp_path / "part", "part")


def test_a_bucket_that_is_not_there_is_named(asked: s3.Requests) -> None:
    with pytest.raises(StoreError, match=r"s3://gone/x/: .*NO_SUCH_BUCKET.* Make the bucket, or"):
        Store("s3://gone/x").check()


def test_keys_that_the_store_does_not_know_are_refused_and_not_repeated(address: str) -> None:
    with (
        s3.knowing_nobody(),
        pytest.raises(StoreError, match=r"INVALID_ACCESS_KEY_ID .*Check AWS_ACCESS_KEY") as caught,
    ):
        Store(address).check()
    assert s3.ACCESS_KEY not in str(caught.value)
    assert s3.SECRET_KEY not in str(caught.value)


def test_a_name_that_leads_out_of_the_mirror_is_refused(address: str, tmp_path: Path) -> None:
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    s3.put(bucket, f"{prefix}/runs/a/slices/../../../../stolen", b"")
    with pytest.raises(StoreError, match=r"/runs/a: expected names .* Received one with `\.\.` in"):
        mirror_at(address, tmp_path / "mirror").pull_run("a")
    assert not (tmp_path / "stolen").exists()


@pytest.mark.slow  # AWS's client tries three times, over six seconds
def test_a_server_that_is_not_there_is_named(
    asked: s3.Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StoreError, match=r"NETWORK_CONNECTION .*Check AWS_ENDPOINT_URL, and"):
        Store("s3://nobody/there").check()


@pytest.mark.slow
def test_two_workers_that_share_only_the_store_give_the_rows_of_a_folder(
    address: str, asked: s3.Requests, batch: Path, in_a_folder: Path, tmp_path: Path
) -> None:
    asked.written.clear()
    take_key_of(in_a_folder, address)
    mirror = mirror_at(address, tmp_path / "command")
    run, record = begun(mirror, batch)
    finished(mirror, run, record, [tmp_path / "one", tmp_path / "two"])
    assert len(list(run.plan.glob("*"))) > 1
    assert_same_rows(run.root, in_a_folder)
    whole = mirror_at(address, tmp_path / "reader").find_run("latest")
    assert_same_rows(whole, in_a_folder)
    assert read_record(whole).report == f"{address}/reports/{run.run_id}/index.html"
    assert read_record(whole).mean_doubt == read_record(in_a_folder).mean_doubt is not None
    bucket = address.removeprefix("s3://")
    assert asked.written[-1] == f"{bucket}/runs/{run.run_id}/run.json"
    assert set(asked.written) == {f"{bucket}/{key}" for key in Store(address).sizes("")}


def test_parts_are_written_in_an_order_whose_last_says_that_all_are_there(
    address: str, asked: s3.Requests, batch: Path, tmp_path: Path
) -> None:
    mirror = mirror_at(address, tmp_path / "command")
    run, _ = begun(mirror, batch)
    asked.written.clear()
    counts = classify_stored_chunk(address, tmp_path / "one", run.run_id, 0)
    part = "part-00000.parquet"
    assert [key.partition(run.run_id)[2] for key in asked.written] == [
        f"/slices/{part}",
        f"/thumbnails/{part}",
        f"/predictions/model={MODEL}/{part}",
    ]
    (mirrored_there,) = (tmp_path / "one").iterdir()
    assert mirrored_there.stat().st_mode & 0o777 == 0o700
    assert not list(mirrored_there.rglob("*.parquet"))
    asked.written.clear()
    assert classify_stored_chunk(address, tmp_path / "two", run.run_id, 0) == counts
    assert asked.written == []  # another's work is counted, and not done again


def test_a_worker_takes_the_model_that_is_the_workspaces_own(
    address: str, batch: Path, tmp_path: Path
) -> None:
    (shipped,) = (PRETRAINED / MODEL).iterdir()
    store, mirror = Store(address), mirror_at(address, tmp_path / "command")
    for path in shipped.iterdir():
        text = path.read_bytes().replace(shipped.name.encode(), b"20991231-abcdef")
        (tmp_path / path.name).write_bytes(text if path.suffix == ".json" else path.read_bytes())
        store.push(tmp_path / path.name, f"models/{MODEL}/20991231-abcdef/{path.name}")
    (tmp_path / "CHAMPION").write_text("20991231-abcdef\n")
    store.push(tmp_path / "CHAMPION", f"models/{MODEL}/CHAMPION")
    mirror.pull_champions([MODEL, "mobilenet_v2"])
    run, record = begun(mirror, batch)
    assert record.models[0].version == "20991231-abcdef"
    assert classify_stored_chunk(address, tmp_path / "one", run.run_id, 0).slices > 0


def test_a_run_that_failed_is_said_to_have_and_its_chunks_are_not_done(
    address: str, batch: Path, tmp_path: Path
) -> None:
    mirror = mirror_at(address, tmp_path / "command")
    run, _ = begun(mirror, batch)
    with pytest.raises(KeyboardInterrupt), recording_failure(run):
        raise KeyboardInterrupt
    there = mirror_at(address, tmp_path / "reader").record_of(run.run_id)
    assert (there.status, there.error) == (RunStatus.FAILED, "Interrupted by the user.")
    with pytest.raises(RunEndedError, match=run.run_id):
        classify_stored_chunk(address, tmp_path / "one", run.run_id, 0)


@pytest.mark.slow
def test_shards_are_merged_through_the_store(
    address: str, batch: Path, in_a_folder: Path, tmp_path: Path
) -> None:
    take_key_of(in_a_folder, address)
    runs = []
    for number in (1, 2):
        mirror = mirror_at(address, tmp_path / f"shard-{number}")
        run, record = begun(mirror, batch, f"{number}/2")
        finished(mirror, run, record, [tmp_path / "one"])
        runs.append(run.run_id)
    answer = CliRunner().invoke(app, ["merge", *runs, "-w", address], catch_exceptions=False)
    assert answer.exit_code == 0
    assert f"{address}/reports/" in answer.output
    reader = mirror_at(address, tmp_path / "reader")
    merged = reader.find_run("latest")
    assert read_record(merged).merged == runs
    assert_same_rows(merged, in_a_folder)
    page = reader.store.read("reports/index.html")
    assert page is not None
    assert all(f'href="{run}/index.html"'.encode() in page for run in [*runs, merged.name])
    names = ["report", runs[0], "--workspace", address]
    again = CliRunner().invoke(app, names, catch_exceptions=False)
    assert again.stdout == f"{address}/reports/{runs[0]}/index.html\n"
    both = ["report", "--compare", runs[0], merged.name, "-w", address]
    assert CliRunner().invoke(app, both, catch_exceptions=False).stdout.splitlines() == [
        f"{address}/reports/comparisons/{runs[0]}--{merged.name}/{name}"
        for name in (
            "index.html",
            *(f"{kind}.{form}" for kind in ("changed", "unmatched") for form in ("parquet", "csv")),
        )
    ]
    page = reader.store.read("reports/index.html")
    assert page is not None
    assert f"comparisons/{runs[0]}--{merged.name}/index.html".encode() in page


def test_a_run_that_the_store_does_not_have_is_named(address: str) -> None:
    with pytest.raises(RunRecordError, match=rf"{address}/runs: expected the run 'latest'\. Rec"):
        CliRunner().invoke(
            app, ["report", "latest", "-w", address], catch_exceptions=False, standalone_mode=False
        )


def test_the_second_of_two_keys_of_identities_ends_the_run_that_used_the_first(
    address: str, batch: Path, tmp_path: Path
) -> None:
    one = mirror_at(address, tmp_path / "one")
    run, _ = begun(one, batch)
    (tmp_path / "identity.key").write_bytes(b"k" * 32)
    one.store.push(tmp_path / "identity.key", "identity.key")  # by who saw none a moment ago
    with pytest.raises(StoreError, match=r"identity\.key: .* two commands began in an empty stor"):
        one.push_run(run)
    two = mirror_at(address, tmp_path / "two")
    two.establish_identity()
    assert (two.folder / "identity.key").read_bytes() == b"k" * 32
    assert (two.folder / "identity.key").stat().st_mode & 0o777 == 0o600


def test_a_worker_makes_no_key_of_identities(address: str, batch: Path, tmp_path: Path) -> None:
    mirror = mirror_at(address, tmp_path / "command")
    run, _ = begun(mirror, batch)
    artemis.system.store._client_of(address).delete_file(f"{address[5:]}/identity.key")
    with pytest.raises(StoreError, match=r"identity\.key: expected the key of identities\. Rece"):
        classify_stored_chunk(address, tmp_path / "one", run.run_id, 0)
    assert mirror.store.read("identity.key") is None


def test_what_could_not_be_pushed_is_kept_and_named_and_else_nothing_stays(
    address: str, batch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with mirrored(address) as mirror:
        begun(mirror, batch)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreError) as caught, mirrored(address) as mirror:  # noqa: PT012
        run, _ = begun(mirror, batch)
        s3.remove_bucket(address.split("/")[2])
        mirror.push_run(run)
    (kept,) = tmp_path.iterdir()
    assert str(caught.value).endswith(f" What this command had of it is kept in {kept}.")
    assert read_record(kept / "runs" / run.run_id).run_id == run.run_id
