"""A batch that a person or a scheduler ends: what it says, and what it leaves behind."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import nibabel
import numpy as np
import pytest

from artemis.runs import read_record

pytestmark = pytest.mark.slow(seconds=35)

ROOT = Path(__file__).parents[2]


@contextmanager
def classifying(
    batch: Path, workspace: Path, home: Path, **changes: str
) -> Iterator[subprocess.Popen[str]]:
    """A command that classifies, with a Prefect server of its own."""
    environment = {k: v for k, v in os.environ.items() if k != "PREFECT_API_URL"}
    with subprocess.Popen(
        [sys.executable, "cli.py", "classify-batch", batch, "--workspace", workspace],
        cwd=ROOT,
        env=environment | {"PREFECT_HOME": str(home)} | changes,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process: subprocess.Popen[str], ready: Callable[[], object]) -> None:
    """Wait for something that comes of a process while it runs."""
    while not ready():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)


def endless_scan(path: Path) -> None:
    """Write a sparse NIfTI file of 1,024 slices and 69 GB, which takes minutes to read."""
    image = nibabel.Nifti1Image(np.zeros((1, 1, 1), np.float64), np.eye(4))
    header = image.header
    header.set_data_shape((4096, 2048, 1024))
    header["vox_offset"] = 352
    path.write_bytes(header.binaryblock + bytes(4))
    os.truncate(path, 352 + 4096 * 2048 * 1024 * 8)


def is_open_in(process: int | str, file: Path) -> bool:
    with suppress(OSError):
        for link in Path(f"/proc/{process}/fd").iterdir():
            with suppress(OSError):  # closed just now
                if link.readlink() == file:
                    return True
    return False


def processes_of(home: Path) -> list[str]:
    """Return the command, its server and its readers, whose Prefect database is in `home`."""
    wanted = f"PREFECT_HOME={home}".encode()
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if wanted in environ.read_bytes().split(b"\0"):
                found.append(environ.parent.name)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize(
    ("number", "code", "error"),
    [(signal.SIGINT, 130, "Interrupted by the user."), (signal.SIGTERM, 143, "Ended by a signal.")],
    ids=["SIGINT", "SIGTERM"],
)
def test_one_signal_ends_the_command_in_the_middle_of_a_long_read_and_is_recorded_everywhere(
    samples: Path,
    new_home: Callable[[], Path],
    tmp_path: Path,
    number: signal.Signals,
    code: int,
    error: str,
) -> None:
    scan, home = tmp_path / "batch" / "z.nii", new_home()
    scan.parent.mkdir()
    for name in "abcdefgh":  # a chunk that is read
        shutil.copy(samples / "coronal_no_lesion.png", scan.with_name(f"{name}.png"))
    endless_scan(scan)
    workspace = tmp_path / "data"
    with classifying(scan.parent, workspace, home, ARTEMIS_CHUNK_SLICES="8") as process:
        wait_for(
            process,
            lambda: (
                list(workspace.glob("runs/*/slices/*.parquet"))
                and any(is_open_in(one, scan) for one in processes_of(home))
            ),
        )
        process.send_signal(number)
        _, talk = process.communicate(timeout=120)
    assert process.returncode == code
    assert talk.strip() == (
        f"Interrupted. `artemis-cli report latest --workspace {workspace}` shows what was finished."
    )
    record = read_record(next((workspace / "runs").iterdir()))
    assert (record.status, record.error) == ("failed", error)
    deadline = time.monotonic() + 60
    while processes_of(home) and time.monotonic() < deadline:  # a reader has some seconds to go
        time.sleep(0.1)
    assert processes_of(home) == []
    with sqlite3.connect(home / "prefect.db") as database:
        assert database.execute("select state_type from flow_run").fetchall() == [("CRASHED",)]


def test_interrupt_before_a_run_is_begun_speaks_of_no_run(
    new_home: Callable[[], Path], tmp_path: Path
) -> None:
    home, workspace = new_home(), tmp_path / "data"
    (tmp_path / "batch").mkdir()
    with classifying(tmp_path / "batch", workspace, home) as process:
        # The command, and the server that it waits for.
        wait_for(process, lambda: len(processes_of(home)) >= 2)
        process.send_signal(signal.SIGINT)
        _, talk = process.communicate(timeout=120)
    assert process.returncode == 130
    assert talk.strip() == "Interrupted before anything was classified. No run was begun."
    assert not (workspace / "runs").exists()
