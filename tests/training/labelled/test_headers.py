"""Patients of DICOM headers hold labelled pictures together where the labels name none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from artemis.datasets.findings import read_table
from artemis.errors import TrainingDataError
from artemis.settings import IngestSettings, Settings
from artemis.training.jobs import audit_labelled
from artemis.training.labelled.dataset import load_training_set
from artemis.training.labelled.headers import Belonging, belonging
from artemis.training.labelled.sources import read_labels
from tests.ingest.builders import mr, save
from tests.training.labelled.test_locked import slice_of

PATIENTS = ["P1", "P1", "P2", "", "", None]


def scan(path: Path, seed: int, **header: str | None) -> None:
    save(path, mr(slice_of(seed).astype(np.uint16) * 16, PatientName="", **header))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two slices of P1, one of P2, two of a study of nobody, one of no study, and a PNG."""
    root = tmp_path / "set"
    for number, patient in enumerate(PATIENTS):
        study = {"StudyInstanceUID": f"1.2.{max(number, 4)}", "SeriesInstanceUID": None}
        if patient is None:
            study["StudyInstanceUID"] = None
        category = ["glioma_coronal", "no_axial"][number % 2]
        scan(root / category / f"{number}.dcm", number, PatientID=patient, **study)
    Image.fromarray(slice_of(9)).save(root / "glioma_coronal" / "6.png")
    return root


@pytest.mark.parametrize("keyed", [False, True])
def test_slices_of_one_dicom_patient_or_study_are_one_group(tree: Path, keyed: bool) -> None:
    (tree / "manifest.csv").write_text(
        "path,tumor,plane,fold\n"
        + "".join(
            f"{path.relative_to(tree).as_posix()},no,axial,{int(path.stem in '234')}\n"
            for path in sorted(tree.rglob("*.*"))
        )
    )
    workspace = tree.parent / "workspace"
    loaded = load_training_set(
        tree,
        [32],
        tree.parent / "cache",
        IngestSettings(),
        workspace=workspace if keyed else None,
    )
    table = loaded.table.assign(name=loaded.table["path"].str[-5]).set_index("name").sort_index()
    group = table["group"]
    assert group["0"] == group["1"]
    assert group["3"] == group["4"]
    assert group.nunique() == 5
    assert table["patient_known"].tolist() == [True] * 3 + [False] * 4
    assert loaded.caveat.startswith(" Of 4 of the 7 pictures neither patient nor group is given:")
    assert not table.astype(str).apply(lambda column: column.str.contains("P1")).any(axis=None)


def test_folds_that_divide_a_dicom_patient_stop_the_training(tree: Path) -> None:
    (tree / "manifest.csv").write_text(
        "path,tumor,plane,fold\nglioma_coronal/0.dcm,glioma,coronal,0\nno_axial/1.dcm,no,axial,1\n"
    )
    with pytest.raises(TrainingDataError, match="every group of patients in one fold"):
        load_training_set(tree, [32], tree.parent / "cache", IngestSettings())


def test_patient_of_the_labels_comes_before_the_headers(tree: Path) -> None:
    (tree / "manifest.csv").write_text(
        "path,tumor,plane,patient\nglioma_coronal/0.dcm,glioma,coronal,P2\n"
        "no_axial/1.dcm,no,axial,\nglioma_coronal/2.dcm,glioma,coronal,\n"
    )
    labels = read_labels(tree)
    assert labels["patient"].tolist() == ["P2", "P1", "P2"]
    assert labels["study"].isna().all()


def test_an_audit_groups_by_the_headers_and_writes_none_of_them(tree: Path) -> None:
    found = audit_labelled(tree, Settings(workspace=tree.parent / "workspace"))
    pictures = read_table(found.folder, "pictures")
    group = pictures.assign(name=pictures["path"].str[-5]).set_index("name")["group"]
    assert (group["0"], group["3"]) == (group["1"], group["4"])
    assert found.record.groups == 5
    conflict = found.findings[found.findings["kind"] == "conflicting_group"]
    assert conflict.empty
    for name in ("findings", "pictures", "counts"):
        text = read_table(found.folder, name).astype(str)
        assert not text.apply(lambda column: column.str.fullmatch("P1|P2")).any(axis=None)


def test_a_file_that_names_nobody_or_cannot_be_read_is_nobodys(tmp_path: Path) -> None:
    (tmp_path / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    Image.fromarray(slice_of(0)).save(tmp_path / "a.png")
    scan(tmp_path / "series.dcm", 1, PatientID=None, StudyInstanceUID=None)
    settings = IngestSettings()
    assert belonging(tmp_path / "broken.dcm", settings) == Belonging(None, None)
    assert belonging(tmp_path / "a.png", settings) == Belonging(None, None)
    assert belonging(tmp_path / "gone.dcm", settings) == Belonging(None, None)
    assert belonging(tmp_path / "series.dcm", settings) == Belonging(None, "1.2.3.4.5")


def test_manifests_do_not_give_studies(tmp_path: Path) -> None:
    Image.fromarray(slice_of(0)).save(tmp_path / "a.png")
    pd.DataFrame({"path": ["a.png"], "tumor": ["no"], "plane": ["axial"], "study": ["1"]}).to_csv(
        tmp_path / "manifest.csv", index=False
    )
    assert read_labels(tmp_path)["study"].isna().all()
