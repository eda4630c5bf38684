from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WAITING = """
import sys
import threading
import time

import cli
from artemis.system.leaving import leave_at_once

threading.Thread(target=time.sleep, args=(60,)).start()
leave_at_once()
cli.main()
"""


@pytest.mark.parametrize(("command", "code"), [("--version", 0), ("models list -w s3://a", 1)])
def test_a_command_leaves_with_its_words_and_code_whatever_waits(command: str, code: int) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", WAITING, *command.split()],
        cwd=ROOT,
        capture_output=True,
        timeout=50,
    )
    assert answer.returncode == code
    assert (answer.stdout or answer.stderr).startswith((b"artemis-mri ", b"Error: Workspace: "))
