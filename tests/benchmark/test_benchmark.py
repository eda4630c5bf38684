"""The benchmark itself, on a few pictures: what it measures, and that answers agree."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from artemis.benchmark.benchmark import PATH, Extent, _peers, run_benchmark
from artemis.benchmark.peer_process import LOOP, PIPELINE
from artemis.benchmark.stages import DECODE, PARQUET, PREPROCESS, READ, REPORT
from artemis.errors import NothingUsableError
from artemis.settings import Settings
from tests.benchmark.records import benchmark_record
from tests.called import called

PICTURES = ("coronal_no_lesion.png", "sagittal_no_lesion.jpg")
TRUNCATED = "broken_truncated.png"
UNUSABLE = (TRUNCATED, "refused_colour_drawing.png")
STAGES = [READ, DECODE, PREPROCESS, "baseline", "baseline on openvino", PARQUET, REPORT]


COMMAND = (
    "import sys, cli\ntry: cli.main()\nfinally: print('tensorflow' in sys.modules, file=sys.stderr)"
)

needs_peers = pytest.mark.skipif(find_spec("tensorflow") is None, reason="needs the extra `train`")


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the user has set reports to go."""
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="module")
def done(
    samples: Path, reports: Path, workspace: Path, tmp_path_factory: pytest.TempPathFactory
) -> subprocess.CompletedProcess[str]:
    """The command on two pictures, two of which a batch classifies none, and others."""
    batch = tmp_path_factory.mktemp("batch")
    for name in (*PICTURES, *UNUSABLE, "refused_ct.dcm", "coronal_simulated_glioma.bmp"):
        shutil.copy(samples / name, batch)
    options = ["--models", "baseline", "--rounds", "1", "--json", "--workspace", workspace]
    return subprocess.run(
        [sys.executable, "-c", COMMAND, "benchmark", batch, *options],
        env=os.environ | {"ARTEMIS_REPORTS": str(reports)},
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.fixture(scope="module")
def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    return dict(json.loads(done.stdout))


def test_folder_without_pictures_is_refused(samples: Path, tmp_path: Path) -> None:
    shutil.copy(samples / "refused_ct.dcm", tmp_path)
    with pytest.raises(NothingUsableError, match=r"expected JPEG or PNG .* among 1 scans"):
        run_benchmark(tmp_path, Settings(workspace=tmp_path / "w"), ["baseline"], Extent())


@pytest.mark.slow
def test_a_folder_of_which_nothing_is_classified_is_refused(samples: Path, tmp_path: Path) -> None:
    shutil.copy(samples / TRUNCATED, tmp_path)
    with pytest.raises(NothingUsableError, match="expected pictures that can be classified"):
        run_benchmark(tmp_path, Settings(workspace=tmp_path / "w"), ["baseline"], Extent())


@pytest.mark.slow(seconds=40)
def test_command_measures_path_stages_and_peers_on_what_a_batch_classifies(
    told: dict[str, Any],
) -> None:
    peers = [LOOP, PIPELINE] if find_spec("tensorflow") else []
    assert [(one["name"], one["kind"]) for one in told["timings"]] == [
        (PATH, "path"),
        *((name, "stage") for name in STAGES),
        *((name, "peer") for name in peers),
    ]
    assert all(len(one["seconds"]) == 1 and one["seconds"][0] > 0 for one in told["timings"])
    assert (told["images"], told["unusable"]) == (2, 2)
    assert {one["images"] for one in told["timings"]} == {2}
    assert told["start"] > 0
    assert told["of_roofline"] > 0
    assert told["machine"]["networks run by"] == "litert in f32"


@pytest.mark.slow
def test_command_finds_the_same_answers(told: dict[str, Any]) -> None:
    *own, other = [check["name"] for check in told["checks"]][-3:]
    assert own == [f"{PATH}: one run and another", f"baseline: its stage and {PATH}"]
    assert re.fullmatch(
        r"baseline: openvino in (f32|bf16) and litert; categories of 0 of 2 pictures changed", other
    )
    assert all(check["difference"] <= check["limit"] for check in told["checks"])


@pytest.mark.slow
@needs_peers
def test_peers_answer_and_keras_says_what_litert_says_in_a_process_of_their_own(
    told: dict[str, Any], done: subprocess.CompletedProcess[str]
) -> None:
    assert told["left_out"] is None
    assert told["ratios"].keys() == {LOOP, PIPELINE}
    assert [check["name"] for check in told["checks"]][:-3] == ["baseline: Keras and LiteRT"]
    assert done.stderr.splitlines()[-1] == "False", "the command imported TensorFlow"


@pytest.mark.slow
def test_command_leaves_a_page_and_a_record_and_no_run(
    told: dict[str, Any], workspace: Path
) -> None:
    page = Path(told["report"])
    assert page.is_file()
    assert (page.parent / "benchmark.json").is_file()
    assert not (workspace / "runs").exists()


@pytest.mark.slow
def test_reports_of_what_is_timed_stay_out_of_those_that_the_user_set(
    told: dict[str, Any], reports: Path
) -> None:
    assert Path(told["report"]) == reports / "benchmark" / "index.html"
    assert {path.name for path in reports.iterdir()} == {"benchmark", "index.html"}


def test_peers_that_are_not_wanted_are_left_out_and_the_record_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Extent] = []

    def measure(*given: Any) -> Any:
        asked.append(given[3])
        return benchmark_record()

    monkeypatch.setattr("artemis.benchmark.benchmark.run_benchmark", measure)
    for option in ("--peers", "--no-peers"):
        called("benchmark", tmp_path, option, "--workspace", tmp_path)
    assert [extent.peers for extent in asked] == [True, False]
    assert _peers(ExitStack(), tmp_path, [], 0) == ([], [], "`--no-peers` was given.")
