"""What commands say to a workspace that is the address of a store."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from artemis.batches.batch import describe_plan
from artemis.errors import StoreError
from artemis.settings import load_settings
from cli import app
from tests import s3
from tests.system.test_store import MODEL, address, asked, batch, settings_of

__all__ = ["address", "asked", "batch"]  # fixtures


def test_a_dry_run_names_the_store_and_writes_nothing(
    address: str, asked: s3.Requests, batch: Path
) -> None:
    asked.written.clear()
    arguments = ["classify-batch", str(batch), "-w", address, "--dry-run", "--json"]
    answer = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert f'"runs": "{address}/runs"' in answer.stdout
    assert asked.written == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["benchmark", "."],
        ["data", "fetch"],
        ["doctor"],
        ["explain", "scan.dcm"],
        ["export", "latest", "--dicom"],
        ["labels", "conflicts"],
        ["models", "list"],
        ["models", "compare", "baseline", "mobilenet_v2"],
        ["serve"],
    ],
)
def test_commands_that_take_no_store_say_so_and_make_no_folder(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(app, [*arguments, "--workspace", "s3://bucket/of/all"])
    assert isinstance(answer.exception, StoreError)
    assert answer.exception.exit_code == 1
    assert "Received 's3://bucket/of/all'. A store is taken by classify-batch, merge and" in str(
        answer.exception
    )
    assert list(tmp_path.iterdir()) == []


def test_the_variable_names_a_store_as_the_option_does(
    address: str, batch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARTEMIS_WORKSPACE", address)
    answer = CliRunner().invoke(app, ["classify-batch", str(batch), "--dry-run"])
    assert f"Workspace   {address}\n" in answer.stdout
    with pytest.raises(StoreError, match="Workspace: expected a folder"):
        load_settings()


def test_reports_elsewhere_are_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTEMIS_REPORTS", "/srv/reports")
    answer = CliRunner().invoke(app, ["report", "latest", "-w", address])
    assert isinstance(answer.exception, StoreError)
    assert str(answer.exception).startswith("ARTEMIS_REPORTS: expected no such variable")


def test_a_plan_of_a_folder_is_said_as_before(batch: Path, tmp_path: Path) -> None:
    plan = describe_plan(batch, settings_of(tmp_path), [MODEL])
    assert (plan.workspace, plan.runs) == (str(tmp_path), str(tmp_path / "runs"))
