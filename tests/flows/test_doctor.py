from __future__ import annotations

from pathlib import Path

import pytest

from artemis.settings import Settings
from flows.doctor import examine


def test_settings_that_prefect_does_not_start_with_are_a_finding_among_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prefect.toml").write_text("api = 'http://here:4200/api'")
    *others, last = examine(Settings(workspace=tmp_path / "ws"))
    assert {"Model baseline", "Workspace"} <= {check.name for check in others}
    assert (last.name, last.verdict) == ("Prefect server", "fail")
    assert last.finding.startswith(f"{tmp_path / 'prefect.toml'}: expected a table as api.")
