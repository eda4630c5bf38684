from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import cli
from artemis.errors import SettingsError
from artemis.runs import reports_root
from artemis.settings import Settings, load_settings, read_settings, variables


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


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("ARTEMIS_RUNTME", "ARTEMIS_RUNTIME"),
        ("artemis_workspce", "ARTEMIS_WORKSPACE"),
        ("ARTEMIS_REVIEW_MIN_CONFIDENCE", "ARTEMIS_REVIEW__MIN_CONFIDENCE"),
        ("ARTEMIS_INGEST__MIN_SIDES", "ARTEMIS_INGEST__MIN_SIDE"),
    ],
)
def test_misspelt_variable_is_refused_with_the_one_that_was_meant(
    monkeypatch: pytest.MonkeyPatch, given: str, meant: str
) -> None:
    monkeypatch.setenv(given, "7")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert str(refused.value) == (
        f"{given}: expected the name of a setting. Received one that sets nothing. Did you mean "
        f"{meant}? `artemis-cli settings` lists all; correct or unset the variable."
    )


def test_unknown_variable_of_a_group_is_refused_whatever_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ARTEMIS_SCHEDULE__XYZ", "7")
    with pytest.raises(SettingsError, match=r"ARTEMIS_SCHEDULE__XYZ: .* sets nothing\. `artemis"):
        load_settings()


def test_unknown_name_within_the_json_of_a_group_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ARTEMIS_REVIEW", '{"min_confidense": 0.9}')
    with pytest.raises(SettingsError, match="ARTEMIS_REVIEW__MIN_CONFIDENSE: expected"):
        load_settings()


def test_variables_of_other_programs_are_none_of_our_business(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Kubernetes' of services, ActiveMQ's, an empty one, and the command's own.
    others = ("PORT", "SCHEDULE_SERVICE_PORT", "READERS_PORT_80_TCP", "HOME", "TRACEBACK")
    for name in others:
        monkeypatch.setenv(f"ARTEMIS_{name}", "tcp://10.0.0.1:8161")
    monkeypatch.setenv("ARTEMIS_RUNTME", "")
    assert load_settings() == Settings()


def test_each_variable_sets_its_setting_and_says_what_it_means(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listed = variables()
    assert len({one.name for one in listed}) == len(listed)
    assert all(one.meaning.endswith(".") for one in listed)
    others = {"litert": "auto", "UTC": "Asia/Tokyo", "0 2 * * 6": "1 3 * * 0", "data": "other"}
    for one in listed:
        number = {int: "77", float: "0.125", bool: "true"}.get(type(one.default), "7")
        monkeypatch.setenv(one.name, others.get(str(one.default), number))
    changed = variables(load_settings())
    assert [one.name for one in changed if one.value == one.default] == []
    assert [(one.name, one.default) for one in changed] == [
        (one.name, one.default) for one in listed
    ]


def test_settings_lists_what_holds_as_lines_that_an_environment_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ARTEMIS_REVIEW__MIN_CONFIDENCE", "0.8")
    monkeypatch.setenv("ARTEMIS_WORKSPACE", "s3://bucket/elsewhere")  # which some commands refuse
    monkeypatch.setenv("ARTEMIS_REPORTS", "elsewhere")
    answer = CliRunner().invoke(cli.app, ["settings"])
    assert answer.stdout.startswith(
        "ARTEMIS_WORKSPACE=s3://bucket/elsewhere  (default: data)\n"
        "    Everything Artemis writes is in it.\n"
    )
    assert "\nARTEMIS_REVIEW__MIN_CONFIDENCE=0.8  (default: 0.6)\n" in answer.stdout
    assert "\nARTEMIS_READERS=\n" in answer.stdout
    assert "\nARTEMIS_REPORTS=elsewhere  (default: not set)\n" in answer.stdout
    for name in [one for one in os.environ if one.startswith("ARTEMIS_")]:
        monkeypatch.delenv(name)
    for name, value in re.findall(r"^(ARTEMIS_\w+)=(.*?)(?:  \(default.*)?$", answer.stdout, re.M):
        monkeypatch.setenv(name, value)
    assert read_settings().review.min_confidence == 0.8
    assert read_settings().readers is None


def test_settings_keeps_credentials_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTEMIS_WORKSPACE", "s3://key:secret@bucket/elsewhere")
    for options in ([], ["--json"]):
        answer = CliRunner().invoke(cli.app, ["settings", *options])
        assert "an address with more in it" in answer.stdout
        assert "secret" not in answer.output


def test_settings_lists_only_what_was_changed_if_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [one for one in os.environ if one.startswith("ARTEMIS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ARTEMIS_THREADS", "3")
    answer = CliRunner().invoke(cli.app, ["settings", "--changed", "--json"])
    assert json.loads(answer.stdout) == [
        {
            "variable": "ARTEMIS_THREADS",
            "value": 3,
            "default": 0,
            "meaning": "Inference threads per model; 0: one for each core.",
        }
    ]
