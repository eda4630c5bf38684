from __future__ import annotations

from pathlib import Path

import pytest

from artemis.errors import SettingsError
from artemis.runs import reports_root
from artemis.settings import Settings, load_settings


def test_variables_set_nested_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTEMIS_INGEST__MIN_SIDE", "64")
    monkeypatch.setenv("ARTEMIS_WORKSPACE", "elsewhere")
    settings = load_settings()
    assert settings.ingest.min_side == 64
    assert settings.workspace == Path("elsewhere")


def test_wrong_value_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTEMIS_CHUNK_SLICES", "many")
    with pytest.raises(SettingsError, match=r"ARTEMIS_CHUNK_SLICES: expected .* Received 'many'"):
        load_settings()


def test_unreadable_value_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTEMIS_INGEST", "{not json")
    with pytest.raises(SettingsError, match="expected values that can be read"):
        load_settings()


def test_empty_variable_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTEMIS_WORKSPACE", "")
    monkeypatch.setenv("ARTEMIS_REPORTS", "")
    assert load_settings().workspace == Path("data")
    assert load_settings().reports is None


def test_reports_lie_beside_the_default_workspace_and_inside_another(tmp_path: Path) -> None:
    assert reports_root(Settings()) == Path("reports")
    assert reports_root(Settings(workspace=tmp_path)) == tmp_path / "reports"
    assert reports_root(Settings(workspace=tmp_path, reports=Path("r"))) == Path("r")
