"""The flow `retrain`, whole, against a real Prefect server."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from artemis.models.decisions import read_decisions
from artemis.models.registry import model_folder
from artemis.models.retrainings import RECORD_NAME, RetrainingRecord, read_record, retrainings_root
from artemis.training.network.recipes import RECIPES
from flows.server import PrefectApi
from tests.called import called
from tests.training.labelled_pictures import write_labelled, write_policy
from tests.training.small import eagerly, small

pytestmark = pytest.mark.slow(seconds=85)


COMMAND = [sys.executable, "-m", "tests.flows.small_retrain"]


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Let the baseline of this process train for a moment, as that of `COMMAND` does."""

    def change(**changes: object) -> None:
        monkeypatch.setitem(RECIPES, "baseline", small(augmentation=None, **changes))

    change()
    with eagerly():
        yield change


@pytest.mark.usefixtures("api", "recipe")
def test_retraining_trains_judges_reports_and_is_not_repeated(tmp_path: Path) -> None:
    workspace, data = tmp_path / "workspace", tmp_path / "labelled"
    write_labelled(data, patients=5)
    write_policy(workspace)
    options = ["--data", data, "--model", "baseline", "--epochs", "2", "--json"]
    arguments = ["retrain", *options, "--workspace", workspace]
    first = called(*arguments)
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

    # Killed after training: the stages that are done are found done, by another process.
    folder = retrainings_root(workspace) / result["id"]
    killed = record.model_copy(update={"status": "running", "outcomes": {}})
    (folder / "retraining.json").write_text(killed.model_dump_json())
    second = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=900)
    assert second.returncode == 0, second.stderr
    again = json.loads(second.stdout)
    assert again["id"] == result["id"]
    resumed = read_record(folder)
    assert resumed.trained == record.trained
    assert len(resumed.epochs) == 4
    assert resumed.outcomes["baseline"].version == outcome.version


@pytest.mark.usefixtures("api")
def test_retraining_whose_model_diverges_is_done_and_keeps_the_champion(
    tmp_path: Path, recipe: Callable[..., None]
) -> None:
    recipe(learning_rate=1e30)
    workspace, data = tmp_path / "workspace", tmp_path / "labelled"
    write_labelled(data, patients=12)  # of fewer a network has one step
    older = workspace / "retrainings" / "20200101T000000Z-ffffff" / "retraining.json"
    older.parent.mkdir(parents=True)
    older.write_text("{")
    options = ["--data", data, "--model", "baseline", "--epochs", "1"]
    answer = called("retrain", *options, "--workspace", workspace)
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


@pytest.mark.usefixtures("api")
def test_retraining_without_data_says_where_to_get_it(tmp_path: Path) -> None:
    answer = called("retrain", "--model", "baseline", "--workspace", tmp_path / "empty")
    assert answer.returncode == 1
    assert "expected labelled pictures. Received nothing there. Run" in answer.stderr
    assert "artemis-cli data fetch" in answer.stderr
