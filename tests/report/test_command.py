from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import cli
from artemis.runs import RunStatus
from tests.report.conftest import RUN_ID, typical_tables

MakeRun = Callable[..., Path]


@pytest.fixture
def workspace(make_run: MakeRun) -> Path:
    """A workspace of one run."""
    return make_run(typical_tables(3)).parents[1]


def report(workspace: Path, *arguments: str, code: int = 0) -> str:
    answer = CliRunner().invoke(cli.app, ["report", *arguments, "--workspace", str(workspace)])
    assert answer.exit_code == code, answer.output
    return answer.stdout if code == 0 else " ".join(answer.output.split())


def noted(workspace: Path, *arguments: str) -> str:
    """Return what a report says beside its result, on standard error."""
    answer = CliRunner().invoke(cli.app, ["report", *arguments, "--workspace", str(workspace)])
    return answer.stderr.replace("\n", " ")


def test_drift_prints_its_page_and_says_in_a_sentence_what_moved(workspace: Path) -> None:
    assert report(workspace, "latest", "--drift").strip().endswith("/index.html")
    assert noted(workspace, "latest", "--drift").startswith(
        "Nothing of this batch can be held against the training images."
    )
    assert noted(workspace, "latest", "--drift", "--json") == ""


def test_pages_go_where_the_reports_are_set_to_be_now(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARTEMIS_REPORTS", str(tmp_path / "elsewhere"))
    pages = [report(workspace, "latest", *more).strip() for more in ([], ["--drift"])]
    assert pages[0] == str(tmp_path / "elsewhere" / RUN_ID / "index.html")
    assert pages[1] == str(tmp_path / "elsewhere" / "drift" / RUN_ID / "index.html")
    assert not (workspace / "reports").exists()


def test_data_goes_to_standard_output_and_writes_nothing(workspace: Path) -> None:
    rows = [*csv.DictReader(io.StringIO(report(workspace, "latest", "--format", "csv")))]
    assert len(rows) == 10
    assert json.loads(report(workspace, RUN_ID, "--format", "json"))["run"]["run_id"] == RUN_ID
    assert not (workspace / "reports").exists()


@pytest.mark.parametrize("status", [RunStatus.RUNNING, RunStatus.FAILED])
def test_data_of_a_run_that_is_not_completed_are_said_to_be_perhaps_not_all(
    make_run: MakeRun, status: RunStatus
) -> None:
    workspace = make_run(typical_tables(3), status=status).parents[1]
    assert noted(workspace, "latest", "--format", "csv") == (
        f"{RUN_ID} is {status} and not completed: this may not be all of it. "
    )


def test_data_of_a_completed_run_are_given_without_a_word(workspace: Path) -> None:
    assert noted(workspace, "latest", "--format", "csv") == ""


def test_data_goes_to_a_file_where_one_is_named(workspace: Path, tmp_path: Path) -> None:
    file = tmp_path / "run.csv"
    said = report(workspace, "latest", "--format", "csv", "--output", str(file))
    assert said.strip() == str(file)
    assert file.read_text().startswith("run_id,slice_id,path,frame,format,")


def test_labels_stay_with_the_run_until_they_are_forgotten(workspace: Path, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("path,category\npatient_0/slice_00001.png,no_axial\n", encoding="utf-8")
    pages = []
    for options in (["--labels", str(file)], [], ["--no-labels"], []):
        page = report(workspace, "latest", *options).strip()
        pages.append(Path(page).read_text(encoding="utf-8"))
    assert ["the labels labels.csv" in page for page in pages] == [True, True, False, False]
    assert "true_tumor" in report(workspace, "latest", "--format", "csv").splitlines()[0]


def test_a_comparison_prints_page_and_tables_or_counts(workspace: Path) -> None:
    newer = workspace / "runs" / "20260302T080000Z-ffffff"
    shutil.copytree(workspace / "runs" / RUN_ID, newer)
    paths = report(workspace, "--compare", RUN_ID, newer.name).split()
    assert [Path(path).name for path in paths] == [
        "index.html",
        *["changed.parquet", "changed.csv", "unmatched.parquet", "unmatched.csv"],
    ]
    assert "0 of 3 predictions of mobilenet_v2 changed" in noted(
        workspace, "--compare", RUN_ID, newer.name
    )
    counts = json.loads(report(workspace, "--compare", RUN_ID, newer.name, "--json"))
    assert counts["changed"] == {"mobilenet_v2": 0, "baseline": 0}
    assert counts["became"]["baseline"] == {"right": 0, "wrong": 0, "still_wrong": 0}
    assert counts["right"]["baseline"] == {"known": 0, "a": 0, "b": 0}
    assert (counts["in_both"], counts["only_in_a"], counts["only_in_b"]) == (7, 0, 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "expected one RUN, or --compare RUN_A RUN_B"),
        (["latest", "--compare", "a", "b"], "and not both"),
        (["latest", "--format", "xml"], "expected html, json, csv. Received 'xml'"),
        (["latest", "--format", "csv", "--pdf"], "leave it out"),
        (["--compare", "a", "b", "--pdf"], "expected one RUN"),
        (["latest", "--output", "x"], "expected --format json or csv"),
        (["latest", "--labels", "x", "--no-labels"], "--labels: expected one RUN and its page"),
        (["latest", "--no-labels", "--format", "json"], "--labels: expected one RUN and its page"),
        (["latest", "--no-labels", "--drift"], "--drift: expected one RUN, and --against"),
        (["--compare", "latest", RUN_ID], f"expected two runs. Received {RUN_ID} as both"),
    ],
)
def test_wrong_usage_is_named(workspace: Path, arguments: list[str], words: str) -> None:
    said = report(workspace, *arguments, code=2)
    assert words in said.replace("\u2502 ", "").replace(" \u2502", "")
