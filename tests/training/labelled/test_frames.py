"""A manifest that names frames of files, from the labels to groups, training and audit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from artemis.datasets.findings import read_table
from artemis.errors import TrainingDataError
from artemis.preprocess import model_input
from artemis.report.audit.page import build_audit_page
from artemis.settings import IngestSettings, Settings
from artemis.training.jobs import audit_labelled
from artemis.training.labelled.dataset import TrainingSet, load_training_set
from artemis.training.labelled.sources import read_labels
from tests.ingest.builders import ENHANCED_MR, ingest, mr, nifti_bytes, save
from tests.report.parsing import Page, text
from tests.training.labelled.test_locked import slice_of
from tests.training.labelled.test_reviewed_slices import House

FRAMES = [slice_of(number) for number in range(4)]


def tiff(path: Path) -> None:
    first, *others = map(Image.fromarray, FRAMES)
    first.save(path, "TIFF", save_all=True, append_images=others)


def nifti(path: Path) -> None:
    path.write_bytes(nifti_bytes(np.stack(FRAMES, axis=2)))


def dicom(path: Path) -> None:
    stored = np.stack(FRAMES).astype(np.uint16)
    save(path, mr(stored, ENHANCED_MR, NumberOfFrames=4, PatientID=None))


def manifest(root: Path, rows: str, columns: str = "path,frame,tumor,plane") -> Path:
    (root / "manifest.csv").write_text(f"{columns}\n{rows}", encoding="utf-8")
    return root


def load(root: Path) -> TrainingSet:
    return load_training_set(root, [32], root / "cache", IngestSettings())


def test_frames_are_numbers_from_0_and_missing_where_a_file_holds_one_picture(
    tmp_path: Path,
) -> None:
    tiff(tmp_path / "a.tif")
    Image.fromarray(slice_of(9)).save(tmp_path / "b.png")
    rows = "a.tif,2,glioma,axial\na.tif,0.0,no,axial\nb.png,,no,axial\n"
    labels = read_labels(manifest(tmp_path, rows))
    assert labels["path"].tolist() == ["a.tif", "a.tif", "b.png"]
    assert labels["frame"].dtype == "Int64"
    assert labels["frame"].tolist() == [2, 0, pd.NA]
    labels.assign(frame=[2.0, 0.0, None]).to_parquet(tmp_path / "labels.parquet")
    again = read_labels(tmp_path / "labels.parquet")
    pd.testing.assert_series_equal(again["frame"], labels["frame"])


@pytest.mark.parametrize("write", [tiff, nifti, dicom])
def test_each_named_frame_is_the_picture_that_is_trained_on(tmp_path: Path, write: object) -> None:
    write(tmp_path / "a")  # type: ignore[operator]
    rows = "a,3,glioma,axial,0\na,1,meningioma,coronal,0\n"
    loaded = load(manifest(tmp_path, rows, "path,frame,tumor,plane,fold"))
    assert loaded.table["path"].tolist() == ["a#3", "a#1"]
    classified = [one.pixels for one in ingest(tmp_path) if one.pixels is not None]
    for shown, frame in zip(loaded.pictures[32], (3, 1), strict=True):
        np.testing.assert_array_equal(shown, model_input(classified[frame], 32))


def test_a_plane_is_predicted_of_the_frame(tmp_path: Path) -> None:
    tiff(tmp_path / "a.tif")
    labels = read_labels(manifest(tmp_path, "a.tif,3,glioma,\na.tif,1,no,axial\n"))
    assert labels["plane_predicted"].tolist() == [True, False]
    assert labels["plane"].notna().all()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a.tif,-1,no,axial\n", r"whole numbers from 0 as frames\. Received '-1' for a\.tif"),
        ("a.tif,1.5,no,axial\n", r"whole numbers from 0 as frames\. Received '1\.5' for a\.tif"),
        ("a.tif,one,no,axial\n", r"whole numbers from 0 as frames\. Received 'one' for a\.tif"),
        ("a.tif,1,no,axial\na.tif,1,no,axial\n", r"every picture once\. Received a\.tif#1 again"),
        ("a.tif,0,no,axial\na.tif,,no,axial\n", r"every picture once\. Received a\.tif again"),
        ("a.tif,4,no,axial\n", r"a\.tif: expected a frame from 0 to 3\. Received 4\. Correct the"),
        ("a.tif,,no,axial\n", r"4 frames\. Name the frame of each label in a column `frame`"),
    ],
)
def test_wrong_frame_is_named(tmp_path: Path, rows: str, message: str) -> None:
    tiff(tmp_path / "a.tif")
    with pytest.raises(TrainingDataError, match=message):
        load(manifest(tmp_path, rows))


@pytest.mark.parametrize(
    ("given", "groups"), [("", 1), (",patient", 2), (",group", 2)], ids=["none", "patient", "group"]
)
def test_frames_of_one_file_are_of_one_person_unless_the_labels_say_otherwise(
    tmp_path: Path, given: str, groups: int
) -> None:
    tiff(tmp_path / "a.tif")
    said = [f",P{frame // 2}" if given else "" for frame in range(4)]
    rows = [f"a.tif,{frame},no,axial,{frame // 2}{said[frame]}" for frame in range(4)]
    if not given:
        rows = [row.replace("axial,1", "axial,0") for row in rows]
    root = manifest(tmp_path, "\n".join(rows), f"path,frame,tumor,plane,fold{given}")
    table = load(root).table
    assert table["group"].nunique() == groups
    assert table["group_known"].all() == bool(given)
    pictures = read_table(audit_labelled(root, Settings(workspace=tmp_path)).folder, "pictures")
    assert pictures["group"].nunique() == groups


def test_reviewed_frames_of_a_labelled_file_are_of_the_same_person(tmp_path: Path) -> None:
    house = House(tmp_path)
    tiff(house.batch / "a.tif")
    tiff(house.set / "b.tif")
    rows = "b.tif,0,no,axial,0\n4.png,,no,axial,1\n5.png,,no,axial,1\n"
    manifest(house.set, rows, "path,frame,tumor,plane,fold")
    house.run()
    house.review({"path": "a.tif", "frame": 2})
    table = house.load().table.set_index("path")
    assert len(table) == 4
    assert table["group"][f"{house.run_id}/a.tif#2"] == table["group"]["b.tif#0"]


@pytest.mark.parametrize("write", [tiff, nifti, dicom])
def test_an_audit_names_frames_and_lists_those_that_are_not_there(
    tmp_path: Path, write: object
) -> None:
    write(tmp_path / "a")  # type: ignore[operator]
    rows = "a,0,glioma,axial\na,1,no,axial\na,7,no,axial\na,2,no,axial\n"
    audited = audit_labelled(manifest(tmp_path, rows), Settings(workspace=tmp_path / "workspace"))
    pictures = read_table(audited.folder, "pictures").set_index("path")
    assert pictures.index.tolist() == ["a#0", "a#1", "a#7", "a#2"]
    assert pictures["status"].tolist() == ["ok", "ok", "failed", "ok"]
    assert pictures["slice_id"].dropna().nunique() == 3
    [refused] = audited.findings.query("kind == 'refused_picture'").itertuples()
    assert refused.path == "a#7"
    assert "expected a frame from 0 to 3. Received 7." in refused.sentence
    assert "a#7" in text(Page(build_audit_page(audited.folder)).root)
