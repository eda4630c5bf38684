"""`artemis-cli explain`: what the terminal says of one image."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
from PIL import Image
from typer.testing import CliRunner

import cli


def test_explain_prints_answers_and_writes_a_page(samples: Path, tmp_path: Path) -> None:
    image = str(samples / "dicom_series_simulated_meningioma" / "image_1.dcm")
    workspace = str(tmp_path / "ws")
    answer = CliRunner().invoke(cli.app, ["explain", image, "--workspace", workspace])
    assert answer.exit_code == 0, answer.output
    lines = answer.stdout.splitlines()
    assert lines[0].split() == ["Slice", "image_1.dcm"]
    assert "Header plane   transverse" in lines
    size = next(line for line in lines if line.startswith("Size"))
    assert re.fullmatch(r"Size           \d+ x \d+ px, dicom", size)
    assert sum(line.endswith("%") or line.endswith("% ") for line in lines) == 6
    assert "\u2588" not in answer.stdout  # bars are for a terminal
    page = Path(next(line for line in lines if line.startswith("Page")).split(maxsplit=1)[1])
    assert page.parents[2] == tmp_path / "ws" / "reports"
    assert "image_1.dcm" in page.read_text()
    assert not (tmp_path / "ws" / "runs").exists()


def test_explain_writes_a_large_measure_in_full(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (128, 128), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    where = ["--workspace", str(tmp_path / "ws"), "--model", "baseline"]
    answer = CliRunner().invoke(cli.app, ["explain", str(tmp_path / "noise.png"), *where])
    quality = next(line for line in answer.stdout.splitlines() if line.startswith("Quality"))
    assert re.search(r"sharpness, Laplacian variance: \d\d\d?,\d\d\d$", quality)  # not 1.1e+05


def test_explain_says_what_stands_in_the_place_of_a_confidence(
    samples: Path, tmp_path: Path
) -> None:
    image = str(samples / "coronal_simulated_meningioma.png")
    answer = CliRunner().invoke(cli.app, ["explain", image, "--workspace", str(tmp_path / "ws")])
    first, second = answer.stdout.split("\nbaseline ")
    sets = "meningioma, coronal; meningioma, sagittal (over all slices, nine such sets in ten hold"
    assert f"  Plausible    {sets} the truth)" in first
    assert "  Evidence     for meningioma, drawn on the page" in first
    assert "  Confidence   unlike the training images, so it means nothing here" in second
    assert "farther than its limit of 2.12" in second
    assert "%" not in second


def test_explain_of_a_file_of_several_frames_says_how_to_choose_another(
    samples: Path, tmp_path: Path
) -> None:
    image = str(samples / "transverse_simulated_glioma_3_pages.tif")
    where = ["--workspace", str(tmp_path / "ws"), "--model", "baseline"]
    answer = CliRunner().invoke(cli.app, ["explain", image, *where])
    assert "Frame          0 of 0 to 2; choose another with --frame" in answer.stdout
    assert "; sharpness, Laplacian variance: " in answer.stdout


def test_explain_as_json_names_its_page(samples: Path, tmp_path: Path) -> None:
    image = str(samples / "transverse_simulated_glioma_3_pages.tif")
    where = ["--workspace", str(tmp_path / "ws"), "--output", str(tmp_path / "page")]
    answer = CliRunner().invoke(
        cli.app, ["explain", image, "--frame", "1", "--model", "baseline", "--json", *where]
    )
    said = json.loads(answer.stdout)
    assert (said["frame"], said["frames"]) == (1, 3)
    assert [one["model"] for one in said["answers"]] == ["baseline"]
    assert said["report"] == str(tmp_path / "page" / "index.html")
    assert Path(said["report"]).is_file()
