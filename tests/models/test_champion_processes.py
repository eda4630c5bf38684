"""What several processes do to the champion of one workspace at once, and a killed one leaves."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from artemis.errors import BusyError
from artemis.models.champions import promote, rollback
from artemis.models.decisions import read_decisions
from artemis.system.locks import exclusive
from tests.models.versions import SHIPPED, WHO, in_use, make_version

ROOT = Path(__file__).parents[2]


def test_second_process_is_told_who_is_changing_the_champion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_version(tmp_path, "v1")
    monkeypatch.setattr("artemis.models.champions._PATIENCE", 0)
    lock = tmp_path / "models" / "baseline" / "LOCK"
    with (
        exclusive(lock, "a change of the champion of baseline"),
        pytest.raises(BusyError, match=r"a change of the champion of baseline by process \d+ on"),
    ):
        promote(tmp_path, "baseline", "v1", **WHO)
    assert in_use(tmp_path) == SHIPPED.name
    assert promote(tmp_path, "baseline", "v1", **WHO).new_champion == "v1"


_KILLED = """
import os, sys
from pathlib import Path
from artemis.models import champions
champions.write_text_atomic = lambda *_: os._exit(9)  # the power fails before the pointer moves
champions.promote(Path(sys.argv[1]), "baseline", "v2", by="A. Person", reason="Because.")
"""


def test_process_killed_in_the_middle_leaves_the_champion_and_no_lock(tmp_path: Path) -> None:
    for version in ("v1", "v2", "v3"):
        make_version(tmp_path, version)
    promote(tmp_path, "baseline", "v1", **WHO)
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path)], cwd=ROOT)
    assert killed.returncode == 9
    assert in_use(tmp_path) == "v1"
    promote(tmp_path, "baseline", "v3", **WHO)
    assert [r.new_champion for r in read_decisions(tmp_path, "baseline")] == ["v1", "v2", "v3"]
    rollback(tmp_path, "baseline", by="A. Person")
    assert in_use(tmp_path) == "v1"


_PROMOTES = """
import sys
from pathlib import Path
from artemis.models.champions import promote
workspace, versions = Path(sys.argv[1]), sys.argv[2:]
print("ready", flush=True)
sys.stdin.readline()
for k in range(8):
    promote(workspace, "baseline", versions[k % 2], by="A. Person", reason=f"Turn {k}.")
"""


@pytest.mark.slow
def test_promotions_of_two_processes_come_one_after_the_other(tmp_path: Path) -> None:
    processes = []
    for versions in (("v1", "v2"), ("v3", "v4")):
        for version in versions:
            make_version(tmp_path, version)
        command = [sys.executable, "-c", _PROMOTES, str(tmp_path), *versions]
        processes.append(
            subprocess.Popen(
                command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        )
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    seen = set()
    while any(process.poll() is None for process in processes):
        seen.add(in_use(tmp_path))  # whole at every moment, or this raises
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0, 0]
    assert seen <= {SHIPPED.name, "v1", "v2", "v3", "v4"}
    records = read_decisions(tmp_path, "baseline")
    assert len(records) == 16
    assert records[0].previous_champion == SHIPPED.name
    for before, after in pairwise(records):
        assert after.previous_champion == before.new_champion
        assert after.decided > before.decided
    assert in_use(tmp_path) == records[-1].new_champion
    assert not list((tmp_path / "models").rglob("*.tmp"))
