from __future__ import annotations

import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artemis.errors import TrainingDataError
from artemis.training.labelled.sources import read_labels
from tests.training.labelled.test_sources import picture

MANIFEST = "path,tumor,plane,patient\nglioma_coronal/a.png,meningioma,coronal,P1\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    picture(tmp_path / "glioma_coronal" / "a.png")
    picture(tmp_path / "Training" / "none_sagittal" / "b.png")
    return tmp_path


@pytest.mark.parametrize("name", ["labels.csv", "Training/labels.CSV", "Manifest.csv.tsv"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_manifest_of_another_name_beside_the_folders_is_named_with_what_to_do(
    tree: Path, name: str, separator: str
) -> None:
    text = "\ufeff" + MANIFEST.replace("path", ' "Path" ').replace(",", separator)
    (tree / name).write_text(text, encoding="utf-8")
    with pytest.raises(TrainingDataError) as raised:
        read_labels(tree)
    assert str(raised.value) == (
        f"{tree}: expected no table of labels or patients beside folders named by category, of "
        f"which the names alone are read. Received {name} (with path, tumor, plane, "
        "patient). Give that file itself in place of the folder, or move it away."
    )


def test_parquet_manifest_beside_the_folders_is_named(tree: Path) -> None:
    table = pa.table({"path": ["glioma_coronal/a.png"], "tumor": ["glioma"], "plane": ["coronal"]})
    pq.write_table(table, tree / "labels.parquet")
    with pytest.raises(TrainingDataError, match=r"Received labels\.parquet \(with path, tumor"):
        read_labels(tree)


@pytest.mark.parametrize("column", ["patient", "Patient ID", "subject_id"])
def test_table_of_patients_beside_the_folders_is_named(tree: Path, column: str) -> None:
    (tree / "people.csv").write_text(f"file,{column}\na.png,P1\n", encoding="utf-8")
    message = rf"Received people\.csv \(with {column.lower()}\)\. Give"
    with pytest.raises(TrainingDataError, match=message):
        read_labels(tree)


@pytest.mark.parametrize("name", ["labels.xlsx", "Training/Patients.ODS", "old.xls"])
def test_spreadsheet_beside_the_folders_is_named_with_what_to_do(tree: Path, name: str) -> None:
    with zipfile.ZipFile(tree / name, "w") as sheet:
        sheet.writestr("content.xml", "")
    with pytest.raises(TrainingDataError) as raised:
        read_labels(tree)
    assert str(raised.value) == (
        f"{tree}: expected no table of labels or patients beside folders named by category, of "
        f"which the names alone are read. Received {name} (a spreadsheet, which may be one). Save "
        "it as CSV and give that in place of the folder, or move it away."
    )


def test_spreadsheets_and_tables_are_named_together(tree: Path) -> None:
    (tree / "labels.csv").write_text(MANIFEST, encoding="utf-8")
    (tree / "labels.xlsx").write_bytes(b"")
    with pytest.raises(TrainingDataError) as raised:
        read_labels(tree)
    assert "labels.csv (with path, tumor, plane, patient)" in str(raised.value)
    assert "labels.xlsx (a spreadsheet, which may be one). Save it as CSV" in str(raised.value)


def test_what_an_open_spreadsheet_leaves_beside_it_is_passed_over(tree: Path) -> None:
    for name in ("~$labels.xlsx", ".~lock.labels.ods#"):
        (tree / name).write_bytes(b"A. Person")
    assert len(read_labels(tree)) == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("sums.csv", b"path,sha256\nglioma_coronal/a.png,00\n"),
        ("README.md", b"path,tumor,plane\n"),
        ("counts.csv", b"tumor,pictures\nglioma,1\n"),
        ("empty.csv", b""),
        ("bytes.csv", b"\xff\xfe\x00path"),
        ("broken.parquet", b"no table"),
    ],
)
def test_other_files_beside_the_folders_are_passed_over(
    tree: Path, name: str, content: bytes
) -> None:
    (tree / name).write_bytes(content)
    assert len(read_labels(tree)) == 2


def test_a_folder_with_a_manifest_may_hold_other_tables(tree: Path) -> None:
    for name in ("manifest.csv", "labels.csv", "labels.xlsx"):
        (tree / name).write_text(MANIFEST, encoding="utf-8")
    assert read_labels(tree)["tumor"].tolist() == ["meningioma"]
