"""The flow `retrain`, whole, against a real Prefect server."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from artemis.models.decisions import read_decisions
from artemis.models.registry import model_folder
from artemis.models.retrainings import RECORD_NAME, RetrainingRecord, read_record, retrainings_root
from flows.server import PrefectApi
from tests.training.labelled_pictures import write_labelled, write_policy

pytestmark = pytest.mark.slow(seconds=75)


ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "tests.flows.small_retrain"]


def run_cli(*arguments: str, workspace: Path) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *arguments, "--workspace", str(workspace)]
    return subprocess.run(command, capture_output=True, text=True, timeout=900)


def test_retraining_trains_judges_reports_and_is_not_repeated(
    api: PrefectApi, tmp_path: Path
) -> None:
    workspace, data = tmp_path / "workspace", tmp_path / "labelled"
    write_labelled(data, patients=5)
    write_policy(workspace)
    arguments = ["retrain", "--data", str(data), "--model", "baseline", "--epochs", "2", "--json"]
    first = run_cli(*arguments, workspace=workspace)
    assert first.returncode == 0, first.stderr
    result = json.loads(first.stdout)
    record = read_record(retrainings_root(workspace) / result["id"])
    assert record.status == "done"
    assert record.data is not None
    assert (record.data.images, record.data.locked, record.data.calibrated_on) == (60, 12, 12)
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


def test_retraining_whose_model_diverges_is_done_and_keeps_the_champion(
    api: PrefectApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RATE", "1e30")
    workspace, data = tmp_path / "workspace", tmp_path / "labelled"
    write_labelled(data, patients=12)  # of fewer a network has one step
    older = workspace / "retrainings" / "20200101T000000Z-ffffff" / "retraining.json"
    older.parent.mkdir(parents=True)
    older.write_text("{")
    arguments = ["retrain", "--data", str(data), "--model", "baseline", "--epochs", "1"]
    answer = run_cli(*arguments, workspace=workspace)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("baseline was kept out: baseline, calibrating: expected finite")
    assert f"Passed over: {older}: expected the record of a retraining." in answer.stderr
    shutil.rmtree(older.parent)
    (record,) = records(workspace)
    assert (record.status, record.reason, record.outcomes) == ("done", None, {})
    page = Path(answer.stdout.splitlines()[-1].removeprefix("Report  ")).read_text("utf-8")
    assert "the training diverged, and nothing of it is kept." in page
    assert not (workspace / "models" / "baseline").exists()


def test_a_signal_stops_a_retraining_at_its_next_step_and_it_goes_on_from_there(
    api: PrefectApi, tmp_path: Path
) -> None:
    workspace, data = tmp_path / "workspace", tmp_path / "labelled"
    write_labelled(data, patients=5)
    arguments = ["--data", data, "--model", "baseline", "--epochs", "100000"]
    done = 0
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        with subprocess.Popen(
            [*COMMAND, "retrain", *arguments, "--workspace", workspace],
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                while epochs_in(workspace) <= done:
                    assert process.poll() is None, process.communicate()[1]
                    time.sleep(0.2)
                process.send_signal(number)
                _, talk = process.communicate(timeout=300)
            finally:
                process.kill()
        # By itself: what ends it after half a minute otherwise would not say so.
        # (This module has TensorFlow talk before the command can keep it from it.)
        assert talk.splitlines()[-1] == "Interrupted. The same command goes on where it was ended."
        assert "Traceback" not in talk
        assert process.returncode == code
        (record,) = records(workspace)
        assert (record.status, record.reason) == ("failed", "Interrupted by the user.")
        assert [row.number for row in record.epochs] == [*range(1, len(record.epochs) + 1)]
        done = len(record.epochs)


def records(workspace: Path) -> list[RetrainingRecord]:
    """A retraining that is beginning has a folder before it has a record."""
    return [
        read_record(path.parent) for path in retrainings_root(workspace).glob(f"*/{RECORD_NAME}")
    ]


def epochs_in(workspace: Path) -> int:
    return sum(len(record.epochs) for record in records(workspace))


def test_retraining_without_data_says_where_to_get_it(api: PrefectApi, tmp_path: Path) -> None:
    command = [sys.executable, "cli.py", "retrain", "--model", "baseline"]
    answer = subprocess.run(
        [*command, "--workspace", tmp_path / "empty"], cwd=ROOT, capture_output=True, text=True
    )
    assert answer.returncode == 1
    assert "expected labelled pictures. Received nothing there. Run" in answer.stderr
    assert "artemis-cli data fetch" in answer.stderr
