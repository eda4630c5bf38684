"""Readers in their own processes: real samples, and a decoder that really ends its process."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from artemis.batches.batch import plan_chunks, start_run, write_plans
from artemis.batches.classify import ingest_chunk, predict_chunk
from artemis.batches.readers import SERVE, Readers
from artemis.errors import ProcessEndedError, RunEndedError, StoreError
from artemis.predictions import part_name, read_table
from artemis.runs import Counts, RunPaths, RunRecord
from artemis.settings import IngestSettings, Settings
from artemis.system.ending import end
from artemis.system.processes import OwnProcess

SIDES = [150, 192]
CRASHES = """
import os, signal
from artemis.ingest import read
real = read._read_frame
def crash_at(row, scan, entry, *others):
    if entry.path.endswith({ending!r}.encode()) and {frames}:
        os.kill(os.getpid(), signal.SIGSEGV)
    return real(row, scan, entry, *others)
read._read_frame = crash_at
"""


def crashing(ending: str, frames: str = "True") -> str:
    """Return the code of a reader whose decoder crashes at some frames of a file."""
    return CRASHES.format(ending=ending, frames=frames) + SERVE


def hanging(ending: str) -> str:
    """Return the code of a reader whose decoder never comes back from a file."""
    return crashing(ending).replace("os.kill(os.getpid(), signal.SIGSEGV)", "while True: pass")


def begin(folder: Path, batch: Path, **options: Any) -> tuple[RunPaths, RunRecord]:
    settings = Settings(workspace=folder, **options)
    run, record = start_run(batch, settings, ["baseline"], "a test")
    write_plans(run, plan_chunks(batch, settings))
    return run, record


@pytest.fixture(scope="module")
def pictures(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for name in ("coronal_no_lesion.png", "sagittal_no_lesion.jpg", "coronal_simulated_glioma.bmp"):
        shutil.copy(samples / name, folder)
    return folder


@pytest.fixture
def begun(pictures: Path, tmp_path: Path) -> tuple[RunPaths, RunRecord]:
    return begin(tmp_path, pictures)


def test_a_reader_leaves_what_the_step_itself_leaves(samples: Path, tmp_path: Path) -> None:
    run, record = begin(tmp_path, samples)
    counts = ingest_chunk(run, record, 0, SIDES)
    files = {path: path.read_bytes() for path in run.tensors.rglob("*.npy")}
    table = read_table(run.root, "slices")
    (run.slices / part_name(0)).unlink()
    with Readers(1) as readers:
        assert readers.ingest(run, 0, SIDES) == counts
    pd.testing.assert_frame_equal(read_table(run.root, "slices"), table)
    assert {path: path.read_bytes() for path in run.tensors.rglob("*.npy")} == files


def given_up(run: RunPaths, code: str) -> pd.Series:
    """Return the row of the one file that such a reader does not read, with all others read."""
    with Readers(1, code) as readers:
        counts = readers.ingest(run, 0, SIDES)
    table = read_table(run.root, "slices").set_index("path")
    assert counts == Counts(files=len(table), slices=len(table), ok=len(table) - 1, failed=1)
    failed = table[table["status"] == "failed"]
    assert failed.index.tolist() == ["coronal_no_lesion.png"]
    assert (table.drop(index=failed.index)["status"] == "ok").all()
    return failed.iloc[0]


def test_a_file_that_crashes_its_decoder_becomes_a_failed_row_and_costs_no_other(begun) -> None:
    crashed = given_up(begun[0], crashing("coronal_no_lesion.png"))
    assert crashed["reason_code"] == "decoder_crashed"
    assert crashed["reason"] == (
        "coronal_no_lesion.png: expected a file that its decoder reads or refuses. Received one "
        "that ended the process of the decoder, twice. Convert it with another program, or remove "
        "it; more memory helps if the system ended it for want of that."
    )


def test_a_file_that_its_decoder_never_comes_back_from_becomes_a_failed_row(
    pictures: Path, tmp_path: Path
) -> None:
    run, _ = begin(tmp_path, pictures, ingest=IngestSettings(max_read_seconds=1))
    hung = given_up(run, hanging("coronal_no_lesion.png"))
    assert hung["reason_code"] == "decoder_too_slow"
    assert hung["reason"] == (
        "coronal_no_lesion.png: expected a file or frame that is read within 1 second of a core. "
        "Received one that was not, and was given up. Convert it with another program, or remove "
        "it; if it is merely large, raise ARTEMIS_INGEST__MAX_READ_SECONDS."
    )


def test_time_that_files_take_together_is_none_of_a_single_one(
    pictures: Path, tmp_path: Path
) -> None:
    """The limit is of a frame, and what waits for a disk takes none of it."""
    run, _ = begin(tmp_path, pictures, ingest=IngestSettings(max_read_seconds=2))
    slow = (
        "import time\nfrom artemis.batches import reader_process as r\n"
        "from artemis.ingest import read\nframe = read._read_frame\n"
        "def slowly(*given):\n"
        "    until = time.process_time() + 0.9\n"
        "    while time.process_time() < until: pass\n"
        "    time.sleep(0.5)\n"
        "    return frame(*given)\n"
        "read._read_frame = slowly\nr.serve()"
    )
    with Readers(1, slow) as readers:
        counts = readers.ingest(run, 0, SIDES)
    assert (counts.slices, counts.ok) == (3, 3)


def test_a_reader_that_was_ended_once_costs_no_file(begun, tmp_path: Path) -> None:
    run, _ = begun
    once = tmp_path / "once"
    code = crashing(
        "coronal_no_lesion.png", f"not (os.path.exists({str(once)!r}) or os.mkdir({str(once)!r}))"
    )
    with Readers(1, code) as readers:
        counts = readers.ingest(run, 0, SIDES)
    assert once.is_dir()
    assert (counts.ok, counts.failed) == (counts.slices, 0)


def test_a_reader_that_was_ended_while_it_was_idle_ends_no_run(begun) -> None:
    run, _ = begun
    with Readers(1) as readers:
        counts = readers.ingest(run, 0, SIDES)
        idle = readers._idle.get()
        assert idle is not None
        idle._process.kill()
        idle._process.wait()
        readers._idle.put(idle)
        assert readers.ingest(run, 0, SIDES) == counts


def test_a_reader_that_was_ended_while_it_concluded_ends_no_run(begun, tmp_path: Path) -> None:
    run, record = begun
    ingest_chunk(run, record, 0, SIDES)
    predict_chunk(run, record, 0, "baseline", record.models[0].folder)
    once = tmp_path / "once"
    code = (
        "import os\nfrom artemis.batches import reader_process as r\nreal = r.conclude_chunk\n"
        "def die_once(*given):\n"
        f"    os.path.exists({str(once)!r}) or os.mkdir({str(once)!r}) or os._exit(9)\n"
        "    return real(*given)\nr.conclude_chunk = die_once\nr.serve()"
    )
    with Readers(1, code) as readers:
        readers.conclude(run, 0)
    assert once.is_dir()
    assert len(read_table(run.root, "predictions")) == 3


def test_one_frame_that_crashes_leaves_the_others_of_its_file(
    samples: Path, tmp_path: Path
) -> None:
    counts, rows = crash_in_volume(samples, tmp_path, "row['frame'] == 1")
    assert rows.loc[rows["status"] == "failed", "frame"].tolist() == [1]
    assert counts.failed == 1
    assert len(rows) > 4


def test_a_file_whose_every_frame_crashes_is_given_up_after_three(
    samples: Path, tmp_path: Path
) -> None:
    counts, rows = crash_in_volume(samples, tmp_path, "row['frame'] < 3 or os._exit(9)")
    assert (rows["reason_code"] == "decoder_crashed").all()
    assert counts == Counts(files=1, slices=len(rows), failed=len(rows))
    assert rows["frame"].tolist() == list(range(len(rows)))


def crash_in_volume(samples: Path, folder: Path, frames: str) -> tuple[Counts, pd.DataFrame]:
    """Read a batch that is one file of several frames, some of which crash the reader."""
    batch = folder / "batch"
    batch.mkdir()
    (volume,) = samples.rglob("*.nii.gz")
    shutil.copy(volume, batch / "volume.nii.gz")
    run, _ = begin(folder, batch)
    with Readers(1, crashing("volume.nii.gz", frames)) as readers:
        counts = readers.ingest(run, 0, SIDES)
    return counts, read_table(run.root, "slices")


def test_a_reader_that_cannot_start_says_its_last_words(begun) -> None:
    run, _ = begun
    code = "import sys; sys.exit('no such module')"
    with (
        Readers(1, code) as readers,
        pytest.raises(
            ProcessEndedError,
            match=rf"^{run.run_id}: expected a process that reads its files\. Received the end of "
            r"its process \(1\): no such module\. Start the batch again, with ARTEMIS_READERS=0",
        ),
    ):
        readers.ingest(run, 0, SIDES)


def test_a_reader_that_the_system_could_not_start_is_started_at_the_next_step(
    begun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = begun
    with Readers(1) as readers:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", "/no/such/interpreter")
            with pytest.raises(FileNotFoundError, match="/no/such/interpreter"):
                readers.ingest(run, 0, SIDES)
        assert readers._idle.qsize() == 1
        assert readers.ingest(run, 0, SIDES).failed == 0


def test_errors_of_a_step_are_raised_as_the_step_raises_them(begun) -> None:
    run, _ = begun
    with Readers(1) as readers:
        with pytest.raises(FileNotFoundError, match="No such file"):
            readers.conclude(run, 0)  # which was never read
        assert readers.ingest(run, 0, SIDES).failed == 0  # and the reader goes on
    code = (
        "from artemis.batches import reader_process as r\n"
        "from artemis.errors import StoreError\n"
        "def refuse(*_): raise StoreError('s3://x: expected it. Received nothing.')\n"
        "r.conclude_chunk = refuse\nr.serve()"
    )
    with Readers(1, code) as readers, pytest.raises(StoreError, match=r"^s3://x: expected it\."):
        readers.conclude(run, 0)


def test_an_error_of_the_disk_names_the_file_as_the_step_does(begun) -> None:
    run, _ = begun
    run.slices.write_text("in the way")
    with Readers(1) as readers, pytest.raises(FileExistsError) as caught:
        readers.ingest(run, 0, SIDES)
    assert caught.value.filename == str(run.slices)


def test_an_error_without_a_number_keeps_its_words(begun) -> None:
    run, _ = begun
    code = (
        "from artemis.batches import reader_process as r\n"
        "def refuse(*_): raise OSError('Couldn\\'t deserialize thrift')\n"
        "r.conclude_chunk = refuse\nr.serve()"
    )
    with Readers(1, code) as readers, pytest.raises(OSError, match=r"^Couldn't deserialize thr"):
        readers.conclude(run, 0)


def test_a_run_that_is_ended_ends_its_readers_in_mid_chunk(begun) -> None:
    run, _ = begun
    slow = (
        "import time\nfrom artemis.ingest import read\nreal = read._read_frame\n"
        "def wait(*given):\n    time.sleep(1.5)\n    return real(*given)\n"
        "read._read_frame = wait\n" + SERVE
    )
    with Readers(1, slow) as readers:
        threading.Timer(0.1, end, [run.run_id]).start()
        with pytest.raises(RunEndedError, match="Received one that was ended"):
            readers.ingest(run, 0, SIDES)
    assert not (run.slices / part_name(0)).exists()


def test_steps_that_wait_for_a_reader_wait_no_longer_once_there_will_be_none(begun) -> None:
    run, _ = begun
    slow = (
        "import time\nfrom artemis.ingest import read\nreal = read._read_frame\n"
        "def wait(*given):\n    time.sleep(1)\n    return real(*given)\n"
        "read._read_frame = wait\n" + SERVE
    )
    with ThreadPoolExecutor(3) as steps:
        with Readers(1, slow) as readers:
            waiting = [steps.submit(readers.ingest, run, 0, SIDES) for _ in range(3)]
            while readers._idle.qsize():
                time.sleep(0.01)
        # It is left with two that wait, as when another step of a run fails.
        errors = [step.exception(timeout=60) for step in waiting]
    assert [type(error) for error in errors if error] == [RunEndedError, RunEndedError]


def test_a_reader_whose_command_is_gone_ends_by_itself(begun) -> None:
    run, _ = begun
    process = OwnProcess(SERVE)
    question = {"step": "ingest", "run": str(run.root), "chunk": 0, "sides": SIDES, "spoilt": []}
    assert process.ask(question) == {"at": [0, -1]}
    process.end()
    assert process._process.returncode == 0


def test_a_reader_at_a_long_read_is_gone_soon_after_its_command(begun) -> None:
    run, _ = begun
    stuck = (
        "import time\nfrom artemis.ingest import read\n"
        "read._read_frame = lambda *_: time.sleep(600)\n"
    )
    process = OwnProcess(stuck + SERVE)
    question = {"step": "ingest", "run": str(run.root), "chunk": 0, "sides": SIDES, "spoilt": []}
    assert process.ask(question) == {"at": [0, -1]}
    assert process.answer() == {"at": [0, 0]}
    process.end(patience=60)
    assert process._process.returncode == 1


def test_readers_are_started_when_there_is_work_and_work_side_by_side(
    samples: Path, tmp_path: Path
) -> None:
    run, _ = begin(tmp_path, samples, chunk_slices=8)
    chunks = len(list(run.plan.iterdir()))
    assert chunks > 3
    with Readers(2) as readers:
        assert readers._idle.qsize() == 2
        found: dict[int, Counts] = {}
        threads = [
            threading.Thread(target=lambda k=k: found.update({k: readers.ingest(run, k, SIDES)}))
            for k in range(chunks)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    alone = begin(tmp_path, samples, chunk_slices=8)
    assert found == {k: ingest_chunk(*alone, k, SIDES) for k in range(chunks)}
