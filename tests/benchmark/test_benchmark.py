"""The benchmark itself, on a few pictures: what it measures, and that answers agree."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from artemis.benchmark.benchmark import PATH, Extent, run_benchmark
from artemis.benchmark.peer_process import LOOP, PIPELINE
from artemis.benchmark.stages import DECODE, PARQUET, PREPROCESS, READ, REPORT
from artemis.errors import NothingUsableError
from artemis.settings import Settings

PICTURES = ("coronal_no_lesion.png", "sagittal_no_lesion.jpg")
TRUNCATED = "broken_truncated.png"
STAGES = [READ, DECODE, PREPROCESS, "baseline", "baseline on openvino", PARQUET, REPORT]


@pytest.fixture
def batch(samples: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "batch"
    folder.mkdir()
    for name in (*PICTURES, "refused_ct.dcm", "coronal_simulated_glioma.bmp"):
        shutil.copy(samples / name, folder)
    return folder


def test_folder_without_pictures_is_refused(samples: Path, tmp_path: Path) -> None:
    shutil.copy(samples / "refused_ct.dcm", tmp_path)
    with pytest.raises(NothingUsableError, match=r"expected JPEG or PNG .* among 1 scans"):
        run_benchmark(tmp_path, Settings(workspace=tmp_path / "w"), ["baseline"], Extent())


@pytest.mark.slow
def test_peers_answer_what_a_batch_classifies_and_keras_says_what_litert_says(
    samples: Path, tmp_path: Path
) -> None:
    pytest.importorskip("tensorflow", reason="needs the extra `train`")
    for name in (*PICTURES, TRUNCATED, "refused_colour_drawing.png"):
        shutil.copy(samples / name, tmp_path)
    extent, loaded = Extent(images=4, rounds=1, peers=True), set(sys.modules)
    record = run_benchmark(tmp_path, Settings(workspace=tmp_path / "w"), ["baseline"], extent)
    assert (record.images, record.unusable) == (2, 2)
    assert {one.name: one.images for one in record.timings if one.kind != "stage"} == {
        PATH: 2,
        LOOP: 2,
        PIPELINE: 2,
    }
    assert [one.name for one in record.timings if one.kind == "peer"] == [LOOP, PIPELINE]
    assert all(one.seconds[0] > 0 for one in record.timings)
    assert record.checks[0].name == "baseline: Keras and LiteRT"
    assert all(check.passed for check in record.checks)
    assert "tensorflow" not in set(sys.modules) - loaded


@pytest.mark.slow
def test_a_folder_of_which_nothing_is_classified_is_refused(samples: Path, tmp_path: Path) -> None:
    shutil.copy(samples / TRUNCATED, tmp_path)
    with pytest.raises(NothingUsableError, match="expected pictures that can be classified"):
        run_benchmark(tmp_path, Settings(workspace=tmp_path / "w"), ["baseline"], Extent())


@pytest.mark.slow
def test_command_measures_path_and_stages_and_finds_the_same_answers(
    batch: Path, tmp_path: Path
) -> None:
    arguments = [batch, "--models", "baseline", "--rounds", "1", "--no-peers", "--json"]
    done = subprocess.run(
        [sys.executable, "cli.py", "benchmark", *arguments, "--workspace", tmp_path / "data"],
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    assert [(one["name"], one["kind"]) for one in told["timings"]] == [
        (PATH, "path"),
        *((name, "stage") for name in STAGES),
    ]
    assert all(len(one["seconds"]) == 1 and one["seconds"][0] > 0 for one in told["timings"])
    assert (told["images"], told["unusable"]) == (2, 0)
    assert told["left_out"] == "`--no-peers` was given."
    assert told["start"] > 0
    assert told["of_roofline"] > 0
    *own, other = [check["name"] for check in told["checks"]]
    assert own == [f"{PATH}: one run and another", f"baseline: its stage and {PATH}"]
    assert re.fullmatch(
        r"baseline: openvino in (f32|bf16) and litert; categories of 0 of 2 pictures changed", other
    )
    assert told["machine"]["networks run by"] == "litert in f32"
    assert all(check["difference"] <= check["limit"] for check in told["checks"])
    page = Path(told["report"])
    assert page.is_file()
    assert (page.parent / "benchmark.json").is_file()
    assert not (tmp_path / "data" / "runs").exists()
