from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from artemis.report.run.publish import write_report

MakeRun = Callable[..., Path]


def test_page_and_list_lie_in_the_workspace_that_holds_the_run(
    make_run: MakeRun, tmp_path: Path
) -> None:
    made = make_run()
    moved = tmp_path / "moved" / "runs" / made.name
    shutil.copytree(made, moved)
    page = write_report(moved)
    assert page.parents[1] == tmp_path / "moved" / "reports"
    assert "Artemis" in page.read_text(encoding="utf-8")
    assert page.parent.name in (page.parents[1] / "index.html").read_text(encoding="utf-8")


def test_run_of_the_default_workspace_is_reported_beside_it(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_run()
    monkeypatch.chdir(tmp_path)
    moved = tmp_path / "data" / "runs" / made.name
    shutil.copytree(made, moved)
    assert write_report(moved).parents[1] == tmp_path / "reports"
