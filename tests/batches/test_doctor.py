from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from artemis.batches.doctor import examine_models, examine_workspace
from artemis.settings import Settings

ROOT = Path(__file__).parents[2]


def test_doctor_says_how_to_mend_a_damaged_model(tmp_path: Path) -> None:
    pointer = tmp_path / "models" / "baseline" / "CHAMPION"
    pointer.parent.mkdir(parents=True)
    pointer.write_text("gone")
    failed = [c for c in examine_models(Settings(workspace=tmp_path)) if c.verdict == "fail"]
    assert [check.name for check in failed] == ["Model baseline"]
    assert "Delete the file to use the shipped model" in failed[0].finding


def test_doctor_names_a_workspace_that_no_path_can_lead_to(tmp_path: Path) -> None:
    settings = Settings(workspace=tmp_path / ("w" * 300))
    checks = [*examine_models(settings), *examine_workspace(settings)]
    assert [(check.name, check.verdict) for check in checks] == [
        ("Model mobilenet_v2", "fail"),
        ("Model baseline", "fail"),
        ("Workspace", "fail"),
    ]
    for check in checks:
        assert check.finding.startswith(f"{settings.workspace}")
        assert "Received: file name too long" in check.finding


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are POSIX's")
def test_doctor_finds_out_that_a_workspace_takes_no_more(tmp_path: Path) -> None:
    assert examine_workspace(Settings(workspace=tmp_path))[0].verdict != "fail"
    told = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "from artemis.batches.doctor import examine_workspace\n"
        "from artemis.settings import Settings\n"
        f"for check in examine_workspace(Settings(workspace={str(tmp_path)!r})): print(check)\n"
    )
    answer = subprocess.run([sys.executable, "-c", told], cwd=ROOT, capture_output=True, text=True)
    assert "verdict='fail'" in answer.stdout
    assert f"{tmp_path}: expected that files can be written there. Received: File too large." in (
        answer.stdout
    )
    assert not [*tmp_path.iterdir()]
    assert "remedy='Raise the limit on the size of files (`ulimit -f`), or " in answer.stdout


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "Free some space, or choose another with --workspace or ARTEMIS_WORKSPACE."),
        (errno.EDQUOT, "Free some space, or choose another with --workspace or ARTEMIS_WORKSPACE."),
        (errno.EIO, "Choose another with --workspace or ARTEMIS_WORKSPACE."),
    ],
)
def test_doctor_advises_to_free_space_only_where_space_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, remedy: str
) -> None:
    def refused(**_: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("artemis.batches.doctor.tempfile.TemporaryFile", refused)
    (check,) = examine_workspace(Settings(workspace=tmp_path))
    assert (check.verdict, check.remedy) == ("fail", remedy)


@pytest.mark.skipif(
    not (Path("/proc/self").exists() and os.access("/proc", os.W_OK)),
    reason="a system folder that says it can be written, and cannot",
)
def test_doctor_sends_a_workspace_below_a_system_folder_elsewhere() -> None:
    (check,) = examine_workspace(Settings(workspace=Path("/proc/artemis")))
    assert check.verdict == "fail"
    assert check.finding.startswith("/proc: expected that files can be written there.")
    assert check.remedy == "Choose another with --workspace or ARTEMIS_WORKSPACE."
