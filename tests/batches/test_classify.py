from __future__ import annotations

import io
import shutil
from base64 import b64encode
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artemis.answers.studies import write_studies
from artemis.labels import CATEGORY_NAMES, PROBABILITY_COLUMNS
from artemis.predictions import read_studies, read_table
from artemis.report.run.build import build_report, report_page
from artemis.report.run.data import load_run
from artemis.settings import Runtime
from tests.classified import classify
from tests.ingest.builders import head, mr, save
from tests.report.parsing import Page, shots


@pytest.fixture
def two_heads(samples: Path, tmp_path: Path) -> Path:
    batch = tmp_path / "batch"
    batch.mkdir()
    for name in ("coronal_no_lesion.png", "sagittal_no_lesion.jpg", "broken_truncated.png"):
        shutil.copy(samples / name, batch)
    return batch


def test_models_without_maps_leave_thumbnails_without_overlays(
    two_heads: Path, tmp_path: Path
) -> None:
    run, record = classify(two_heads, tmp_path / "workspace", ["baseline"])
    assert [model.evidence_maps for model in record.models] == [False]
    thumbnails = read_table(run.root, "thumbnails")
    assert len(thumbnails) == 2
    assert thumbnails["overlay"].isna().all()
    assert not list(run.tensors.iterdir())


def test_a_picture_that_a_model_was_trained_on_is_told_from_a_new_one(
    two_heads: Path, brain_mri: Path, tmp_path: Path
) -> None:
    known = next(path for path in sorted(brain_mri.rglob("*.jpg")) if "glioma" in path.parent.name)
    shutil.copy(known, two_heads / "known.jpg")
    run, _ = classify(two_heads, tmp_path / "workspace", ["mobilenet_v2", "baseline"])
    table = read_table(run.root, "predictions")
    seen = table[table["trained_on"]]
    assert seen["path"].tolist() == ["known.jpg"] * 2
    assert set(seen["out_of_fold_category"]) <= set(CATEGORY_NAMES)
    others = table[~table["trained_on"]]
    assert len(others) == 4
    assert others["out_of_fold_category"].isna().all()


@pytest.mark.parametrize("runtime", ["openvino", "auto"])
def test_another_runtime_gives_the_same_rows_and_is_named(
    runtime: Runtime, two_heads: Path, tmp_path: Path
) -> None:
    run, record = classify(two_heads, tmp_path / "one", ["baseline"])
    other, named = classify(two_heads, tmp_path / "other", ["baseline"], runtime)
    assert (record.settings.runtime, record.runtime) == ("litert", "litert in f32")
    assert "openvino" not in record.versions
    assert named.settings.runtime in ("openvino", "litert")  # resolved: every task uses that one
    assert named.runtime.startswith(f"{named.settings.runtime} in ")
    assert ("chosen by a probe" in named.runtime) is (runtime == "auto")
    assert ("openvino" in named.versions) is (named.settings.runtime == "openvino")
    one, two = read_table(run.root, "predictions"), read_table(other.root, "predictions")
    assert one["category"].tolist() == two["category"].tolist()
    columns = list(PROBABILITY_COLUMNS)
    assert np.abs(one[columns].to_numpy() - two[columns].to_numpy()).max() < 1e-2
    page = report_page(load_run(other.root))
    assert named.runtime in page


def test_the_samples_hold_a_series_and_a_volume(samples: Path, tmp_path: Path) -> None:
    run, record = classify(samples, tmp_path / "workspace", ["baseline"])
    assert write_studies(run, record) == 3
    table = read_studies(run.root)
    assert table["slices"].tolist() == [11, 6, 6]
    assert table["study_key"].notna().tolist() == [False, True, True]
    assert table["series_key"].notna().tolist() == [True, False, True]
    assert [list(planes) for planes in table["planes"]] == [
        ["sagittal"],
        ["transverse"],
        ["transverse"],
    ]
    assert table["series_key"][0].startswith("file-")
    data = load_run(run.root)
    assert [entry.slices for entry in data.studies] == [11, 6]  # a study of one series is it
    page = report_page(data)
    assert page.count('class="study"') == 2
    assert "Probability of" in page


def test_files_of_the_same_pixels_and_other_windows_are_each_shown_as_classified(
    tmp_path: Path,
) -> None:
    batch = tmp_path / "batch"
    pixels = head(128)
    for name, centre in {"1_dim": 8000, "2_copy_of_dim": 8000, "3_bright": 1000}.items():
        window = {"WindowCenter": centre, "WindowWidth": 2 * centre}
        save(batch / f"{name}.dcm", mr(pixels, SeriesInstanceUID=None, **window))
    run, _ = classify(batch, tmp_path / "workspace", ["baseline"])
    table = read_table(run.root, "thumbnails")
    assert table["slice_id"].nunique() == 1
    assert table["path"].tolist() == ["1_dim.dcm", "2_copy_of_dim.dcm", "3_bright.dcm"]
    greys = [np.asarray(Image.open(io.BytesIO(one))).mean() for one in table["jpeg"]]
    assert greys[0] == greys[1] < 0.7 * greys[2]

    page = Page(build_report(run.root, tmp_path / "index.html"))
    rows = page.by_id("table-slices").findall("./tbody/tr")
    shown = [[one.get("href") for one in row.iter("use")] for row in rows]
    embedded = [page.by_id(one[0][1:]).get("href") if one else "" for one in shown]
    expected = [b64encode(one).decode() for one in table["jpeg"]]
    assert embedded[0].endswith(expected[0])
    assert embedded[2].endswith(expected[2])
    assert not shots(rows[1])  # the same as the first


def test_every_classified_slice_of_a_model_with_maps_has_its_overlay(
    two_heads: Path, tmp_path: Path
) -> None:
    run, record = classify(two_heads, tmp_path / "workspace", ["mobilenet_v2", "baseline"])
    assert [model.evidence_maps for model in record.models] == [True, False]
    thumbnails = read_table(run.root, "thumbnails")
    assert len(thumbnails) == 2
    for row in thumbnails.itertuples():
        plain = Image.open(io.BytesIO(row.jpeg))
        drawn = Image.open(io.BytesIO(row.overlay))
        assert drawn.size == plain.size
        values = np.asarray(drawn.convert("RGB")).astype(int)
        assert (values.max(axis=2) - values.min(axis=2)).max() > 40
    assert load_run(run.root).mapping_model == "mobilenet_v2"
