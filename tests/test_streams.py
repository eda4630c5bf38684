from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["/bin/sh", "-c", f"exec {sys.executable} -P cli.py {command}"],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_below_standard_output_is_said() -> None:
    answer = run("settings > /dev/full")
    assert answer.returncode == 1
    assert answer.stderr.decode().startswith("Error: Standard output, or another file that is")
    assert "Received: No space left on device. Free some space" in answer.stderr.decode()


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_a_command_whose_streams_are_closed_does_its_work(tmp_path: Path, closed: str) -> None:
    card = tmp_path / "card.md"
    answer = run(f"models card baseline --output {card} {closed}")
    assert (answer.returncode, answer.stderr) == (0, b"")
    assert card.is_file()
    answer = run(f"report latest --workspace {tmp_path} --format csv {closed}")
    assert answer.returncode == 1
    assert b"Unexpected" not in answer.stderr


def test_what_is_printed_is_utf_8_in_every_locale() -> None:
    plain, other = (
        run("models card mobilenet_v2", **more) for more in ({}, {"PYTHONIOENCODING": "latin-1"})
    )
    assert (other.returncode, other.stderr) == (0, b"")
    assert other.stdout == plain.stdout
    assert "\N{RIGHT SINGLE QUOTATION MARK}" in plain.stdout.decode()
