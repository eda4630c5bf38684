"""The whole path as a process of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from artemis.benchmark.path import WholePath
from artemis.runs import read_record


@pytest.mark.slow(seconds=10)
def test_reports_of_what_is_timed_stay_out_of_those_that_the_user_set(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, workspace, reports = (tmp_path / name for name in ("batch", "workspace", "reports"))
    for folder in (batch, workspace, reports):
        folder.mkdir()
    shutil.copy(samples / "coronal_no_lesion.png", batch)
    (reports / "index.html").write_text("the user's own", encoding="utf-8")
    monkeypatch.setenv("ARTEMIS_REPORTS", str(reports))
    whole = WholePath(batch, workspace, ["baseline"])
    assert whole() > 0
    page = Path(read_record(whole.runs[0]).report or "")
    assert page.is_file()
    assert page.is_relative_to(workspace)
    assert [*reports.iterdir()] == [reports / "index.html"]
    assert (reports / "index.html").read_text(encoding="utf-8") == "the user's own"
