from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import cli
from artemis.labels import CATEGORY_NAMES
from artemis.models.registry import model_folder
from artemis.said import class_words
from tests.called import called

ROOT = Path(__file__).parent.parent
COMMANDS = (
    ["classify-batch"],
    ["report"],
    ["train"],
    ["explain"],
    ["export"],
    ["doctor"],
    ["settings"],
    ["models"],
    ["models", "list"],
    ["models", "show"],
    ["labels"],
    ["labels", "import"],
    ["data"],
    ["data", "fetch"],
    ["data", "audit"],
    ["merge"],
    ["evaluate"],
    ["retrain"],
    ["serve"],
    ["benchmark"],
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_of_each_command_has_an_example(command: list[str]) -> None:
    answer = CliRunner().invoke(cli.app, [*command, "--help"])
    assert answer.exit_code == 0
    assert "Example: artemis-cli" in answer.output


@pytest.mark.parametrize(
    ("command", "usage"), [(["data", "fetch"], "[DIR]\n"), (["merge"], "{RUN}...\n")]
)
def test_usage_says_once_what_is_optional_or_many(command: list[str], usage: str) -> None:
    answer = CliRunner().invoke(cli.app, [*command, "--help"])
    assert answer.output.split("[OPTIONS] ")[1].startswith(usage)


def test_help_lists_every_command_in_a_line_of_80_columns_the_first_to_be_used_first() -> None:
    answer = CliRunner().invoke(cli.app, ["--help"], env={"COLUMNS": "80"})
    listed = answer.output.split("Commands:\n")[1].split("\n\n")[0].splitlines()
    assert listed[0].split()[0] == "classify-batch"
    assert {line.split()[0] for line in listed} == {command[0] for command in COMMANDS}
    assert all(line.endswith(".") and not line.endswith("...") for line in listed)


@pytest.mark.parametrize("group", ["models", "labels", "data"])
def test_help_of_a_group_cuts_no_line_short(group: str) -> None:
    answer = CliRunner().invoke(cli.app, [group, "--help"], env={"COLUMNS": "80"})
    listed = answer.output.split("Commands:\n")[1].split("\n\n")[0].splitlines()
    assert all(line.endswith(".") and not line.endswith("...") for line in listed), listed


@pytest.mark.parametrize(
    "command", ["classify-batch", "explain", "benchmark", "train", "evaluate", "retrain"]
)
def test_models_are_chosen_by_one_and_the_same_option(command: str) -> None:
    answer = CliRunner().invoke(cli.app, [command, "--help"])
    assert "--models, --model NAMES" in answer.output


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, cli\n"
        "try: cli.app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'pandas', 'pyarrow', 'PIL', 'prefect', 'pydicom', 'tensorflow', 'keras',"
        " 'jinja2', 'pydantic', 'artemis.batches.versions'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr


def test_labels_are_data_on_standard_output() -> None:
    answer = CliRunner().invoke(cli.app, ["labels", "--json"])
    assert [row["name"] for row in json.loads(answer.stdout)] == list(CATEGORY_NAMES)


def test_models_lists_both_with_their_figures(tmp_path: Path) -> None:
    answer = CliRunner().invoke(cli.app, ["models", "list", "--json", "--workspace", str(tmp_path)])
    rows = json.loads(answer.stdout)
    assert [row["name"] for row in rows if row["champion"]] == ["mobilenet_v2", "baseline"]
    assert all(0.5 < row["accuracy"] < 0.98 for row in rows)


def test_models_show_prints_the_card() -> None:
    answer = CliRunner().invoke(cli.app, ["models", "show", "baseline"])
    assert answer.stdout.startswith("# baseline ")
    assert "## Known limits" in answer.stdout


def test_models_card_writes_a_page_to_a_file_and_markdown_to_standard_output(
    tmp_path: Path,
) -> None:
    page = tmp_path / "card.html"
    asked = ["models", "card", "baseline", "--workspace", str(tmp_path)]
    answer = CliRunner().invoke(cli.app, [*asked, "--format", "html", "--output", str(page)])
    assert answer.stdout == f"{page}\n"
    assert "<title>baseline " in page.read_text()
    assert CliRunner().invoke(cli.app, asked).stdout.startswith("# baseline ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "pdf"], "expected md or html. Received 'pdf'"),
        (["--pictures"], "--pictures: expected --format html. Received md"),
    ],
)
def test_models_card_refuses_what_it_cannot_write(options: list[str], message: str) -> None:
    answer = CliRunner().invoke(cli.app, ["models", "card", "baseline", *options])
    assert answer.exit_code == 2
    assert message in " ".join(answer.stderr.replace("\u2502", " ").split())


def test_unknown_model_is_wrong_usage() -> None:
    answer = called("models", "rollback", "resnet", "--by", "A. Person")
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert "Models: expected one or more of mobilenet_v2, baseline" in answer.stderr


def test_a_rollback_of_two_models_is_wrong_usage_and_changes_neither(tmp_path: Path) -> None:
    options = ["baseline,mobilenet_v2", "--by", "A. Person", "--workspace", str(tmp_path)]
    answer = CliRunner().invoke(cli.app, ["models", "rollback", *options])
    assert answer.exit_code == 2
    said = " ".join(answer.stderr.replace("\u2502", " ").split())
    assert "NAME: expected one model. Received 'baseline,mobilenet_v2'." in said
    assert not (tmp_path / "models").exists()


def test_unknown_version_is_an_error_that_lists_those_there_are() -> None:
    answer = called("models", "show", "resnet")
    assert answer.returncode == 1
    assert "as in name@version; there are mobilenet_v2@" in answer.stderr


def test_a_decision_is_told_in_a_sentence(tmp_path: Path) -> None:
    version = model_folder(tmp_path, "baseline").name
    options = ["--by", "A. Person", "--reason", "as it was", "--workspace", str(tmp_path)]
    answer = CliRunner().invoke(cli.app, ["models", "promote", version, *options])
    assert answer.stdout == (
        f"baseline {version} was promoted by A. Person, a person; the champion is {version}. "
        "Reason: as it was\n"
    )
    answer = CliRunner().invoke(cli.app, ["models", "show", "baseline", "-w", str(tmp_path)])
    assert answer.stdout.endswith(f"the champion is {version}. Reason: as it was\n")


def test_a_folder_under_anothers_name_is_not_promoted_as_that_one(tmp_path: Path) -> None:
    shipped = model_folder(tmp_path, "baseline")
    shutil.copytree(shipped, tmp_path / "models" / "baseline" / "tuned")
    options = ["--by", "A. Person", "--reason", "better", "--workspace", str(tmp_path)]
    answer = CliRunner().invoke(cli.app, ["models", "promote", "tuned", *options])
    assert answer.exit_code == 1
    assert "Give the folder its own name again." in str(answer.exception)
    assert not (tmp_path / "models" / "baseline" / "CHAMPION").exists()


def test_comparison_of_models_shows_both_protocols_and_no_made_up_difference() -> None:
    answer = CliRunner().invoke(cli.app, ["models", "compare", "mobilenet_v2", "baseline"])
    lines = answer.stdout.splitlines()
    assert lines[0].startswith("A  mobilenet_v2 ")
    assert lines[1].startswith("B  baseline ")
    accuracy = next(line for line in lines if line.endswith("Accuracy, twelve categories"))
    assert accuracy.count("(") == 2
    assert any(line.endswith("bins of equal width (lower is better)") for line in lines)
    recalls = lines.index(next(line for line in lines if "Recall of a category" in line))
    assert [line.rpartition("  ")[2] for line in lines[recalls + 1 :]] == [
        class_words(name) for name in CATEGORY_NAMES
    ]


def test_retraining_from_an_unknown_start_is_wrong_usage() -> None:
    answer = called("retrain", "--from", "scratch")
    assert answer.returncode == 2
    assert "expected champion or imagenet. Received 'scratch'" in answer.stderr


def test_unknown_protocol_is_wrong_usage() -> None:
    answer = called("evaluate", "guess")
    assert answer.returncode == 2
    assert "expected patient, official, random. Received 'guess'" in answer.stderr


def test_labels_of_no_run_are_refused_by_line(tmp_path: Path) -> None:
    file = tmp_path / "review.csv"
    file.write_text(
        "run_id,slice_id,verdict,tumor,plane,reviewer,confidence,reviewed_at\n"
        f"20260101T000000Z-abcdef,{'0' * 64},agree,glioma,coronal,AB,4,2026-01-02T10:00:00Z\n"
    )
    answer = called("labels", "import", str(file), "--workspace", str(tmp_path / "w"))
    assert answer.returncode == 1
    assert "line 2" in answer.stderr


def test_damaged_model_is_an_error_of_one_line(tmp_path: Path) -> None:
    pointer = tmp_path / "models" / "baseline" / "CHAMPION"
    pointer.parent.mkdir(parents=True)
    pointer.write_text("gone")
    answer = called("models", "show", "baseline", "--workspace", str(tmp_path))
    assert answer.returncode == 1
    assert "expected the version of a model beside it. Received 'gone'" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [["classify-batch"], ["classify-batch", ".", "--limit", "0"], ["nonsense"], ["merge"]],
)
def test_wrong_usage_exits_with_two(arguments: list[str]) -> None:
    assert CliRunner().invoke(cli.app, arguments).exit_code == 2


def test_a_shard_beyond_their_number_is_wrong_usage(samples: Path) -> None:
    answer = called("classify-batch", str(samples), "--shard", "5/4")
    assert answer.returncode == 2
    assert "expected a shard such as 2/4, from 1/4 to 4/4. Received '5/4'" in answer.stderr


def test_missing_run_is_named(tmp_path: Path) -> None:
    answer = called("report", "latest", "--workspace", str(tmp_path))
    assert answer.returncode == 1
    assert "expected the run 'latest'" in answer.stderr


def test_missing_batch_exits_with_four_before_any_run_is_made(tmp_path: Path) -> None:
    answer = called("classify-batch", str(tmp_path / "gone"), "--workspace", str(tmp_path / "ws"))
    assert answer.returncode == 4
    assert "expected a folder of scans. Received nothing of that name" in answer.stderr
    assert not (tmp_path / "ws").exists()


def test_batch_folder_whose_name_is_no_text_is_refused_by_name(tmp_path: Path) -> None:
    batch = tmp_path / os.fsdecode(b"scan\xff")
    batch.mkdir()
    answer = called("classify-batch", str(batch), "--workspace", str(tmp_path / "ws"))
    assert answer.returncode == 4
    assert "scan\\xff: expected a folder whose path is valid text" in answer.stderr


def test_workspace_that_cannot_be_written_is_named_at_once(samples: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    answer = called("classify-batch", str(samples), "--workspace", str(tmp_path / "file" / "ws"))
    assert answer.returncode == 1
    assert "ws: expected a folder that can be written" in answer.stderr


def test_dry_run_says_what_would_be_done_and_writes_nothing(samples: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "ws"
    answer = called(
        "classify-batch", str(samples), "--workspace", str(workspace), "--dry-run", "--json"
    )
    plan = json.loads(answer.stdout)
    assert plan["slices"] == 33
    assert plan["by_format"]["dicom"] == 7
    assert set(plan["models"]) == {"mobilenet_v2", "baseline"}
    assert not workspace.exists()


def test_explain_of_what_cannot_be_classified_exits_with_four(
    samples: Path, tmp_path: Path
) -> None:
    answer = called("explain", str(samples / "refused_ct.dcm"), "--workspace", str(tmp_path))
    assert answer.returncode == 4
    assert answer.stdout == ""
    assert "refused_ct.dcm: expected Modality MR. Received CT" in answer.stderr


def test_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTEMIS_CHUNK_SLICES", "0")
    answer = called("models", "list")
    assert answer.returncode == 1
    assert "ARTEMIS_CHUNK_SLICES: expected another value" in answer.stderr


@pytest.mark.slow
def test_training_without_labels_is_named(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow", reason="needs the extra `train`")
    answer = called("train", "--data", str(tmp_path), "--workspace", str(tmp_path / "ws"))
    assert answer.returncode == 1
    assert "expected a manifest.csv, or folders named by category" in answer.stderr
    assert "Received no labelled picture" in answer.stderr


def test_conflicts_of_which_there_are_none_are_said_to_be_none(tmp_path: Path) -> None:
    answer = CliRunner().invoke(cli.app, ["labels", "conflicts", "--workspace", str(tmp_path)])
    assert answer.exit_code == 0
    assert answer.stderr == "No reviewers disagree.\n"
    assert answer.stdout == f"{tmp_path / 'reports' / 'conflicts' / 'index.html'}\n"


def test_unexpected_error_is_one_message_without_a_trace(tmp_path: Path) -> None:
    code = "import cli, artemis.runs; artemis.runs.find_run = None; cli.main()"
    answer = subprocess.run(
        [sys.executable, "-c", code, "report", "latest"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ,
    )
    assert answer.returncode == 1
    assert answer.stderr.startswith("Error: Unexpected TypeError")
    assert "Traceback" not in answer.stderr


@pytest.mark.slow
def test_doctor_finds_everything_in_order(tmp_path: Path) -> None:
    answer = called("doctor", "--json", "--workspace", str(tmp_path))
    checks = {check["name"]: check for check in json.loads(answer.stdout)}
    assert answer.returncode == 0, answer.stdout
    assert {check["verdict"] for check in checks.values()} <= {"ok", "warn"}
    assert {"Model mobilenet_v2", "Model baseline", "Prefect server", "Workspace"} <= set(checks)
    assert checks["prefect"]["finding"] == "3.8.8"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--address", "tcp://127.0.0.1:1"], "--address: expected --engine dask with it. Received"),
        (["--engine", "dask", "--address", "here"], "expected that of a Dask scheduler, such as"),
    ],
)
def test_an_address_that_no_engine_takes_is_wrong_usage(
    samples: Path, options: list[str], message: str
) -> None:
    answer = called("classify-batch", str(samples), *options)
    assert answer.returncode == 2
    assert message in answer.stderr
