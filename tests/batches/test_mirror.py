"""What a mirror makes of objects that are lost, damaged or somebody else's; a real S3 server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import artemis.system.store
from artemis.batches.batch import recording_failure
from artemis.batches.chunk import classify_stored_chunk
from artemis.batches.mirror import mirrored
from artemis.errors import RunRecordError, WorkspaceError
from artemis.predictions import chunk_parts
from artemis.runs import RunPaths, read_record
from tests import s3
from tests.conftest import ROOT
from tests.system.test_store import _no_settling, address, asked, batch, begun, mirror_at

__all__ = ["_no_settling", "address", "asked", "batch"]  # fixtures


def test_a_chunk_of_which_an_object_was_lost_is_done_again(
    address: str, asked: s3.Requests, batch: Path, tmp_path: Path
) -> None:
    mirror = mirror_at(address, tmp_path / "command")
    run, record = begun(mirror, batch)
    counts = classify_stored_chunk(address, tmp_path / "one", run.run_id, 0)
    lost = mirror.key(chunk_parts(run, record, 0)[0])
    artemis.system.store._client_of(address).delete_file(f"{address[5:]}/{lost}")
    asked.written.clear()
    assert classify_stored_chunk(address, tmp_path / "one", run.run_id, 0) == counts
    assert len(asked.written) == 3


def test_a_prefix_may_be_longer_than_the_name_of_a_file(
    address: str, batch: Path, tmp_path: Path
) -> None:
    deep = f"{address}/{'a' * 255}"
    mirror = mirror_at(deep, tmp_path / "command")
    run, _ = begun(mirror, batch)
    assert classify_stored_chunk(deep, tmp_path / "one", run.run_id, 0).slices > 0


def test_a_run_whose_id_the_store_has_is_not_begun(
    address: str, asked: s3.Requests, batch: Path, tmp_path: Path
) -> None:
    run, _ = begun(mirror_at(address, tmp_path / "one"), batch)
    other = mirror_at(address, tmp_path / "two")
    asked.written.clear()
    with pytest.raises(WorkspaceError, match=rf"^{address}/runs/{run.run_id}: expected a new run"):
        other.begin(RunPaths(other.folder, run.run_id))
    assert asked.written == []


def test_a_damaged_object_is_named_by_its_address_and_not_by_the_mirrors(
    address: str, batch: Path, tmp_path: Path
) -> None:
    mirror = mirror_at(address, tmp_path / "command")
    run, _ = begun(mirror, batch)
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    s3.put(bucket, f"{prefix}/runs/{run.run_id}/run.json", b"{")
    named = rf"^{address}/runs/{run.run_id}/run\.json: expected the record of a run"
    with pytest.raises(RunRecordError, match=named), mirrored(address) as reader:
        read_record(reader.find_run("latest"))
    with pytest.raises(RunRecordError, match=named):
        classify_stored_chunk(address, tmp_path / "one", run.run_id, 0)


def test_the_record_of_a_failed_run_names_the_store_and_not_the_mirror(
    address: str, batch: Path, tmp_path: Path
) -> None:
    mirror = mirror_at(address, tmp_path / "command")
    run, _ = begun(mirror, batch)
    with pytest.raises(RunRecordError), recording_failure(run):
        raise RunRecordError(f"{run.slices}: expected it.")
    there = mirror_at(address, tmp_path / "reader").record_of(run.run_id)
    assert there.error == f"RunRecordError: {address}/runs/{run.run_id}/slices: expected it."


def test_a_command_that_a_signal_ends_leaves_no_mirror_behind(address: str) -> None:
    code = (
        "import os, signal, sys; import cli; from artemis.commands.options import workspace_of\n"
        "def app():\n"
        f"    with workspace_of({address!r}) as (_, mirror):\n"
        "        print(mirror.folder, flush=True); os.kill(os.getpid(), signal.SIGTERM)\n"
        "cli.app = app; cli.main()"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert answer.returncode == 143, answer.stderr
    assert Path(answer.stdout.strip()).name.startswith("artemis-")
    assert not Path(answer.stdout.strip()).exists()


def test_what_the_store_has_of_a_run_is_not_pushed_again_nor_what_is_unfinished(
    address: str, asked: s3.Requests, batch: Path, tmp_path: Path
) -> None:
    mirror = mirror_at(address, tmp_path / "command")
    run, _ = begun(mirror, batch)
    run.slices.mkdir()
    (run.slices / ".part-00001.parquet.12345678.tmp").write_bytes(b"unfinished")
    part = run.slices / "part-00000.parquet"
    for content in (b"made", b"made at greater length"):
        part.write_bytes(content)
        asked.written.clear()
        mirror.push_run(run)
        pushed = [key.partition(run.run_id)[2] for key in asked.written]
        assert pushed == ["/slices/part-00000.parquet", "/run.json"]
    asked.written.clear()
    mirror.push_run(run)
    assert [key.partition(run.run_id)[2] for key in asked.written] == ["/run.json"]
