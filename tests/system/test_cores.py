from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from artemis.system.cores import chunk_threads, chunks_at_a_time, quotas, usable_cores


def limits(folder: Path, own: str, files: dict[str, str]) -> list[float]:
    """Return the quotas of a process's control groups, whose files hold such text."""
    proc, mount = folder / "cgroup", folder / "fs"
    proc.write_text(own, encoding="ascii")
    for name, text in files.items():
        path = mount / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="latin-1")
    return list(quotas(proc, mount))


def test_a_containers_quota_is_read(tmp_path: Path) -> None:
    assert limits(tmp_path, "0::/\n", {"cpu.max": "150000 100000\n"}) == [1.5]


def test_no_quota_is_no_limit(tmp_path: Path) -> None:
    assert limits(tmp_path, "0::/\n", {"cpu.max": "max 100000\n"}) == []
    assert limits(tmp_path, "1:cpu,cpuacct:/\n", {"cpu/cpu.cfs_quota_us": "-1\n"}) == []


def test_every_group_above_the_own_one_limits_too(tmp_path: Path) -> None:
    files = {"job/step/cpu.max": "max 100000", "job/cpu.max": "400000 100000", "cpu.max": "max"}
    assert limits(tmp_path, "0::/job/step\n", files) == [4.0]


def test_quota_of_version_1_is_read(tmp_path: Path) -> None:
    files = {"cpu/pod/cpu.cfs_quota_us": "250000\n", "cpu/pod/cpu.cfs_period_us": "100000\n"}
    own = "9:name=systemd:/pod\n2:cpu,cpuacct:/pod\n1:memory:/pod\n"
    assert limits(tmp_path, own, files) == [2.5]


@pytest.mark.parametrize("text", ["", "0 100000", "100000 0", "-5 7", "a b", "100000", "\xff 1"])
def test_what_makes_no_sense_is_no_limit(tmp_path: Path, text: str) -> None:
    assert limits(tmp_path, "0::/\n", {"cpu.max": text}) == []


def test_without_control_groups_there_is_no_limit(tmp_path: Path) -> None:
    assert list(quotas(tmp_path / "absent", tmp_path)) == []


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="of Linux alone")
def test_a_process_held_to_one_core_uses_one() -> None:
    core = min(os.sched_getaffinity(0))
    code = (
        f"import os; os.sched_setaffinity(0, {{{core}}})\n"
        "from artemis.system.cores import *\n"
        "print(usable_cores(), chunks_at_a_time(), chunk_threads())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1 1 4\n"


def test_a_chunk_is_read_for_every_two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, chunks in ((1, 1), (2, 1), (3, 1), (4, 2), (16, 8)):
        monkeypatch.setattr("artemis.system.cores.usable_cores", lambda cores=cores: cores)
        assert (chunks_at_a_time(), chunk_threads()) == (chunks, 4 * chunks)


def test_there_is_at_least_one_core() -> None:
    assert usable_cores() >= 1
