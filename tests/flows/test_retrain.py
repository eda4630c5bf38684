"""The flow `retrain`, whole, against a real Prefect server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from artemis.models.decisions import read_decisions
from artemis.models.registry import model_folder
from artemis.retrainings import read_record, retrainings_root
from flows.server import PrefectApi
from tests.training.labelled_pictures import write_labelled, write_policy

pytestmark = pytest.mark.slow(seconds=75)


def run_cli(*arguments: str, workspace: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.flows.small_retrain",
            *arguments,
            "--workspace",
            str(workspace),
        ],
        capture_output=True,
        text=True,
        timeout=900,
    )


def test_retraining_trains_judges_reports_and_is_not_repeated(
    api: PrefectApi, tmp_path: Path
) -> None:
    workspace, data = tmp_path / "workspace", tmp_path / "labelled"
    write_labelled(data, patients=20)
    write_policy(workspace)
    arguments = ["retrain", "--data", str(data), "--model", "baseline", "--epochs", "2", "--json"]
    first = run_cli(*arguments, workspace=workspace)
    assert first.returncode == 0, first.stderr
    result = json.loads(first.stdout)
    record = read_record(retrainings_root(workspace) / result["id"])
    assert record.status == "done"
    assert record.data is not None
    assert (record.data.images, record.data.locked, record.data.calibrated_on) == (240, 48, 48)
    assert [(row.stage, row.number) for row in record.epochs] == [
        ("calibrating", 1),
        ("calibrating", 2),
        ("training", 1),
        ("training", 2),
    ]
    outcome = record.outcomes["baseline"]
    # The shipped champion was trained on real heads: nothing of these pictures.
    assert outcome.champion == model_folder(Path("nowhere"), "baseline").name
    assert result["baseline"] == outcome.decision.verdict
    assert [r.id for r in read_decisions(workspace, "baseline")] == [outcome.decision.id]
    page = Path(result["report"]).read_text(encoding="utf-8")
    assert outcome.version in page
    assert record.audit is not None

    # Killed after training: the stages that are done are found done.
    folder = retrainings_root(workspace) / result["id"]
    killed = record.model_copy(update={"status": "running", "outcomes": {}})
    (folder / "retraining.json").write_text(killed.model_dump_json())
    second = run_cli(*arguments, workspace=workspace)
    assert second.returncode == 0, second.stderr
    again = json.loads(second.stdout)
    assert again["id"] == result["id"]
    resumed = read_record(folder)
    assert resumed.trained == record.trained
    assert len(resumed.epochs) == 4
    assert resumed.outcomes["baseline"].version == outcome.version


def test_retraining_without_data_says_where_to_get_it(api: PrefectApi, tmp_path: Path) -> None:
    answer = run_cli("retrain", "--model", "baseline", workspace=tmp_path / "empty")
    assert answer.returncode == 1
    assert "expected labelled pictures. Received nothing there. Run" in answer.stderr
    assert "artemis-cli data fetch" in answer.stderr
