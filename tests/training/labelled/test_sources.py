from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artemis.errors import TrainingDataError
from artemis.report.audit.page import build_audit_page
from artemis.settings import IngestSettings, Settings
from artemis.training.jobs import audit_labelled
from artemis.training.labelled.dataset import load_training_set
from artemis.training.labelled.manifest_file import LABEL_COLUMNS, read_manifest
from artemis.training.labelled.sources import labels_root, read_labels
from tests.training.labelled.drawn import picture


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of four pictures, `a.png` to `d.png`."""
    for seed, name in enumerate("abcd"):
        picture(tmp_path / "set" / f"{name}.png", seed)
    return tmp_path / "set"


def write(root: Path, text: str, name: str = "manifest.csv") -> Path:
    (root / name).write_text(text, encoding="utf-8")
    return root / name


def test_manifest_gives_every_column(root: Path) -> None:
    write(
        root,
        "\ufeffpath,tumor,plane,patient,source,source_tumor,official_split,group,fold,"
        "box_x0,box_y0,box_x1,box_y1\n"
        "./a.png,no_tumor,axial,P1,cheng,,Training,g,0,,,,\n"
        " b.png ,None,Coronal,,,glioma_tumor,test,h,1,0.1,0.2,0.3,0.4\n",
    )
    labels = read_labels(root)
    assert tuple(labels.columns) == LABEL_COLUMNS
    assert labels["path"].tolist() == ["a.png", "b.png"]
    assert labels["tumor"].tolist() == ["none", "none"]
    assert labels["plane"].tolist() == ["transverse", "coronal"]
    assert labels["plane_predicted"].tolist() == [False, False]
    assert labels["patient"].isna().tolist() == [False, True]
    assert labels["source"].tolist() == ["cheng", "unknown"]
    assert labels["source_tumor"].fillna("").tolist() == ["", "glioma"]
    assert labels["official_split"].tolist() == ["training", "testing"]
    assert labels["group"].tolist() == ["g", "h"]
    assert labels["fold"].tolist() == [0, 1]
    assert labels.loc[1, ["box_x0", "box_y0", "box_x1", "box_y1"]].tolist() == [0.1, 0.2, 0.3, 0.4]
    assert np.isnan(labels.loc[0, "box_x0"])


def test_manifest_may_be_a_csv_of_any_name_beside_the_pictures(root: Path) -> None:
    file = write(root, "path,tumor,plane,box\na.png,glioma,sagittal,0 0 0.5 1\n", "mine.txt")
    labels = read_labels(file)
    assert labels_root(file) == root
    assert labels.loc[0, ["box_x0", "box_y0", "box_x1", "box_y1"]].tolist() == [0, 0, 0.5, 1]
    assert labels[["group", "fold", "patient", "official_split"]].isna().all(axis=None)


def test_parquet_manifest_says_the_same_as_csv(root: Path) -> None:
    table = pd.DataFrame(
        {
            "path": ["a.png", "b.png"],
            "tumor": pd.Categorical(["glioma", "no"]),
            "plane": ["axial", "coronal"],
            "group": [7, 9],
            "fold": np.array([0, 1], np.int8),
            "box_x0": [0.25, np.nan],
            "box_y0": [0.25, np.nan],
            "box_x1": [0.5, np.nan],
            "box_y1": [0.75, np.nan],
            "ignored": [[1, 2], [3]],
        }
    )
    table.to_parquet(root / "m.parquet")
    table.to_csv(root / "manifest.csv", index=False)
    pd.testing.assert_frame_equal(read_labels(root / "m.parquet"), read_labels(root))


@pytest.mark.slow
def test_kaggles_four_folders_get_a_predicted_plane(samples: Path, tmp_path: Path) -> None:
    kept = {
        "meningioma_tumor": ["coronal_simulated_meningioma.png"],
        "pituitary_tumor": ["sagittal_simulated_pituitary_tumour.png"],
        "no_tumor": ["coronal_no_lesion.png"],
    }
    for folder, names in kept.items():
        (tmp_path / "Training" / folder).mkdir(parents=True)
        for name in names:
            shutil.copy(samples / name, tmp_path / "Training" / folder / name)
    picture(tmp_path / "Training" / "glioma_sagittal" / "known.png")
    told: list[tuple[int, int]] = []
    cache = tmp_path.with_name("cache of planes")
    labels = read_labels(tmp_path, cache=cache, on_read=lambda *counts: told.append(counts))
    predicted = labels[labels["plane_predicted"]]
    assert [Path(p).name.split("_")[0] for p in predicted["path"]] == predicted["plane"].tolist()
    assert len(predicted) == 3
    assert told == [(3, 3)]
    assert labels[~labels["plane_predicted"]]["plane"].tolist() == ["sagittal"]
    assert set(labels["tumor"]) == {"glioma", "meningioma", "pituitary", "none"}
    again = read_labels(tmp_path, cache=cache, on_read=lambda *counts: told.append(counts))
    pd.testing.assert_frame_equal(labels, again)
    assert told == [(3, 3)]


def test_picture_that_no_plane_can_be_predicted_from_is_audited_and_named_by_a_training(
    samples: Path, tmp_path: Path
) -> None:
    """An audit that ends at the first broken picture could not say which others there are."""
    for target, origin in {
        "glioma_tumor/a.png": "coronal_simulated_glioma.bmp",
        "no_tumor/b.png": "broken_truncated.png",
        "no_tumor/c.png": "coronal_no_lesion.png",
        "no_tumor/notes.txt": "LICENSE.md",
    }.items():
        (tmp_path / "set" / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(samples / origin, tmp_path / "set" / target)
    labels = read_labels(tmp_path / "set")
    assert labels["plane_predicted"].all()
    unknown = labels.loc[labels["plane"].isna(), "path"]
    assert sorted(unknown) == ["no_tumor/b.png", "no_tumor/notes.txt"]
    found = audit_labelled(tmp_path / "set", Settings(workspace=tmp_path / "workspace"))
    refused = found.findings[found.findings["kind"] == "refused_picture"]
    assert refused["path"].tolist() == ["no_tumor/b.png", "no_tumor/notes.txt"]
    assert refused["plane"].isna().all()
    page = build_audit_page(found.folder, tmp_path / "page" / "index.html")
    assert "notes.txt" in page.read_text(encoding="utf-8")
    with pytest.raises(TrainingDataError, match="Received 2 that cannot be"):
        load_training_set(tmp_path / "set", [32], tmp_path / "cache", IngestSettings())


def test_folder_without_labels_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match=r"expected a manifest\.csv, or folders named by"):
        read_labels(tmp_path)
    with pytest.raises(TrainingDataError, match="Received nothing of that name"):
        read_labels(tmp_path / "gone")


@pytest.mark.parametrize("missing", ["NA", "nan", "None", "<NA>", "n/a", "NULL"])
def test_what_r_and_pandas_write_for_nothing_is_no_patient_of_that_name(
    root: Path, missing: str
) -> None:
    write(
        root,
        f"path,tumor,plane,patient,source,fold,box_x0,box_y0,box_x1,box_y1\n"
        f"a.png,None,axial,{missing},{missing},0,{missing},{missing},{missing},{missing}\n"
        "b.png,none,axial,P1,here,1,,,,\n",
    )
    labels = read_labels(root)
    assert labels["patient"].isna().tolist() == [True, False]
    assert labels["source"].tolist() == ["unknown", "here"]
    assert labels["tumor"].tolist() == ["none", "none"]
    assert labels[["box_x0", "box_y1"]].isna().all(axis=None)


def test_numbers_that_are_none_are_missing_in_a_parquet_manifest(root: Path) -> None:
    """Not pandas, which writes nulls; but Arrow, DuckDB and Polars keep what is not a number."""
    columns = {
        "path": ["a.png", "b.png"],
        "tumor": ["glioma", "no"],
        "plane": ["axial", "coronal"],
        "patient": [float("nan"), 12.0],
        **{
            name: [float("nan"), value]
            for name, value in zip(
                ("box_x0", "box_y0", "box_x1", "box_y1"), (0.1, 0.2, 0.3, 0.4), strict=True
            )
        },
    }
    pq.write_table(pa.table(columns), root / "m.parquet")
    labels = read_labels(root / "m.parquet")
    assert labels["patient"].fillna("").tolist() == ["", "12"]
    assert labels["box_x0"].isna().tolist() == [True, False]


def test_patient_whom_pandas_made_a_broken_number_is_the_same_patient(root: Path) -> None:
    write(
        root,
        "path,tumor,plane,patient\na.png,no,axial,815.0\nb.png,no,axial,815\n"
        "c.png,no,axial,0815\nd.png,no,axial,1.5\n",
    )
    assert read_labels(root)["patient"].tolist() == ["815", "815", "0815", "1.5"]


def test_names_of_rows_that_r_writes_are_passed_over(root: Path) -> None:
    write(root, '"path","tumor","plane"\n"1","a.png","no","axial"\n"2","b.png","no","axial"\n')
    labels = read_labels(root)
    assert labels["path"].tolist() == ["a.png", "b.png"]
    assert labels.index.tolist() == [0, 1]


def test_names_of_columns_may_have_capitals_and_spaces_around_them(root: Path) -> None:
    write(root, "Path, Tumor, Plane, Patient\na.png, glioma, axial, P1\n")
    assert read_labels(root)["patient"].tolist() == ["P1"]
    table = pa.table({"PATH": ["a.png"], "Tumor": ["no"], "plane ": ["axial"], "Patient": [7]})
    pq.write_table(table, root / "m.parquet")
    assert read_labels(root / "m.parquet")["patient"].tolist() == ["7"]


@pytest.mark.parametrize("name", ["patient_id", "PatientID", "Subject", "case_no", "participants"])
def test_patients_in_a_column_that_is_not_read_stop_the_reading(root: Path, name: str) -> None:
    """Else their slices would be on both sides of every split, and a reader none the wiser."""
    message = f"expected patients in a column `patient`.* a column '{name}'"
    write(root, f"path,tumor,plane,{name}\na.png,no,axial,P1\n")
    with pytest.raises(TrainingDataError, match=message):
        read_labels(root)
    table = {"path": ["a.png"], "tumor": ["no"], "plane": ["axial"], name: [1]}
    pq.write_table(pa.table(table), root / "m.parquet")
    with pytest.raises(TrainingDataError, match=message):
        read_labels(root / "m.parquet")
    write(root, f"path,tumor,plane,{name},group\na.png,no,axial,P1,g\n")
    assert read_labels(root)["group"].tolist() == ["g"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected CSV in UTF-8. Received: No columns to parse from file"),
        ("path,tumor,plane,Patient,patient\na.png,no,axial,1,2\n", "Received 'patient' 2 times"),
        ("path,tumor,plane\npics\\a.png,no,axial\n", "with forward slashes"),
        ("path,tumor,plane\nC:/pics/a.png,no,axial\n", "relative to .* with forward slashes"),
        ("path;tumor;plane\na.png;glioma;coronal\n", "without path, tumor, plane, with the"),
        ("path;tumor;plane\na.png;no;axial\n", "Save it with commas instead of semicolons: "),
        (
            "path,tumor,plane,patient\na.png,no,axial,P1\nb.png,no,axial,2.02311E+11\n",
            "whole patients. Received, for b.png, a long number that a spreadsheet has cut to its ",
        ),
        (
            'path,tumor,plane,group\na.png,no,axial,g\nb.png,no,axial,"2,02311E+11"\n',
            "whole groups. Received, for b.png, a long number that a spreadsheet has cut to its ",
        ),
        ("path,tumor,plane\n", "0 rows without any picture"),
        ("path,tumor\na.png,glioma\n", "1 rows without plane"),
        ("path,tumor,plane\na.png,cyst,coronal\n", "known tumor. Received 'cyst' for a.png"),
        ("path,tumor,plane\na.png,,axial\n", "known tumor. Received none for a.png"),
        ("path,tumor,plane\na.png,no,axial,\n", "Remove the comma at the end of the rows"),
        ("path,tumor,plane\na.png,x,axial\nb.png,y,axial\n", "'x' for a.png, and so in 1 rows"),
        ("path,tumor,plane\n,glioma,coronal\n", "Received none in row 1 after the header"),
        ("path,tumor,plane\n../a.png,glioma,coronal\n", r"Received '\.\./a\.png'"),
        ("path,tumor,plane\n/etc/passwd,glioma,coronal\n", "Received '/etc/passwd'"),
        ("path,tumor,plane\ne.png,glioma,coronal\n", "1 that are not there, first e.png"),
        ("path,tumor,plane\na.png,no,axial\n./a.png,no,axial\n", "Received a.png again"),
        ("path,tumor,plane,fold\na.png,no,axial,-1\n", "whole numbers from 0 .* '-1' for a.png"),
        ("path,tumor,plane,fold\na.png,no,axial,x\n", "whole numbers from 0 .* 'x' for a.png"),
        ("path,tumor,plane,group\na.png,no,axial,g\nb.png,no,axial,\n", "none for b.png"),
        ("path,tumor,plane,official_split\na.png,no,axial,val\n", "Known are training, testing"),
        ("path,tumor,plane,source_tumor\na.png,no,axial,cyst\n", "known source_tumor"),
        ("path,tumor,plane,plane_predicted\na.png,no,axial,perhaps\n", "known plane_predicted"),
        ("path,tumor,plane,box\na.png,no,axial,10 10 50 50\n", "Divide pixels by the picture"),
        ("path,tumor,plane,box\na.png,no,axial,0.1 0.2 0.3\n", r"Received '0\.1 0\.2 0\.3 '"),
        ("path,tumor,plane,box\na.png,no,axial,0 0 1 1 1\n", "Received '0 0 1 1 1'"),
        ("path,tumor,plane,box\na.png,no,axial,0.5 0 0.4 1\n", "x0 < x1"),
        ("path,tumor,plane,box_x0\na.png,no,axial,0.5\n", "expected a box as fractions"),
    ],
)
def test_wrong_manifest_is_named_with_its_remedy(root: Path, text: str, message: str) -> None:
    write(root, text)
    with pytest.raises(TrainingDataError, match=message) as caught:
        read_labels(root)
    assert "manifest.csv" in str(caught.value)
    assert "expected" in str(caught.value)
    assert "02311" not in str(caught.value)  # of a patient's number


def test_damaged_parquet_manifest_is_named(root: Path) -> None:
    (root / "m.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(TrainingDataError, match=r"m\.parquet: expected a Parquet table"):
        read_labels(root / "m.parquet")


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda t: t.encode("utf-8", "replace")))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_labels_or_a_named_error(content: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for name in ("m.csv", "m.parquet"):
            file = Path(folder) / name
            file.write_bytes(content)
            with pytest.raises(TrainingDataError):
                read_manifest(file)


@given(
    st.lists(
        st.tuples(*[st.text(alphabet='a1.-,"\n\0 é=/', max_size=8)] * 4), min_size=1, max_size=5
    )
)
@settings(max_examples=150, deadline=None)
def test_any_cells_are_labels_or_a_named_error(rows: list[tuple[str, ...]]) -> None:
    import csv
    import io
    import tempfile

    stream = io.StringIO()
    csv.writer(stream).writerows([("path", "tumor", "fold", "box"), *rows])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "m.csv"
        file.write_text("plane," + stream.getvalue().replace("\r\n", "\r\nglioma,"), "utf-8")
        with pytest.raises(TrainingDataError):
            read_manifest(file)


@pytest.mark.shared
@pytest.mark.slow
def test_predicted_planes_of_real_images_are_nearly_all_right(
    brain_mri: Path, tmp_path: Path
) -> None:
    true = {}
    for tumor in ("no", "pituitary"):
        for plane in ("coronal", "sagittal", "transverse"):
            for found in sorted((brain_mri / "Testing" / f"{tumor}_{plane}").iterdir())[:6]:
                name = f"{tumor}_tumor/{plane} {found.name}"
                (tmp_path / name).parent.mkdir(exist_ok=True)
                shutil.copy(found, tmp_path / name)
                true[name] = plane
    labels = read_labels(tmp_path)
    assert labels["plane_predicted"].all()
    right = [true[row.path] == row.plane for row in labels.itertuples()]
    assert len(right) >= 30
    assert sum(right) >= len(right) - 1


@pytest.mark.shared
def test_real_manifest_is_read_whole(brain_mri: Path) -> None:
    labels = read_labels(brain_mri)
    assert len(labels) == 2705
    assert labels["patient"].nunique() == 167
    assert labels["group"].nunique() == 574
    assert set(labels["fold"]) == {0, 1, 2, 3, 4}
    assert labels["box_x0"].notna().sum() == 1943
    assert labels["official_split"].value_counts().to_dict() == {"training": 2373, "testing": 332}
