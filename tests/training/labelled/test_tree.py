from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from artemis.errors import TrainingDataError
from artemis.training.labelled.sources import read_labels
from tests.training.labelled.drawn import picture


def test_folders_named_by_category_are_labels(tmp_path: Path) -> None:
    for name in ("Training/no_coronal", "Testing/glioma_transverse", "pituitary_axial"):
        picture(tmp_path / name / "image(2).png")
    (tmp_path / "Training" / "no_coronal" / ".DS_Store").write_bytes(b"\0")
    (tmp_path / "Training" / "no_coronal" / "Thumbs.db").write_bytes(b"\0")
    (tmp_path / "README.md").write_text("about the set")
    labels = read_labels(tmp_path).set_index("path")
    assert labels["tumor"].to_dict() == {
        "Testing/glioma_transverse/image(2).png": "glioma",
        "Training/no_coronal/image(2).png": "none",
        "pituitary_axial/image(2).png": "pituitary",
    }
    assert sorted(labels["plane"]) == ["coronal", "transverse", "transverse"]
    assert labels["official_split"].fillna("").to_dict() == {
        "Testing/glioma_transverse/image(2).png": "testing",
        "Training/no_coronal/image(2).png": "training",
        "pituitary_axial/image(2).png": "",
    }
    assert not labels["plane_predicted"].any()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["metastasis_coronal/a.png", "no_coronal/b.png"], r"1 other folders: metastasis_coronal"),
        (["Training/metastasis/a.png"], r"other folders: Training/metastasis \(1 files\)"),
        (["no_coronal/patient 1/a.png"], r"other folders: no_coronal/patient 1 \(1 files\)"),
        (["a.png", "no_coronal/b.png"], r"1 outside of one: a\.png"),
        (["Training/a.png"], r"1 outside of one: Training/a\.png"),
    ],
)
def test_what_is_in_no_category_is_reported(tmp_path: Path, files: list[str], message: str) -> None:
    for name in files:
        picture(tmp_path / name)
    with pytest.raises(TrainingDataError, match=message):
        read_labels(tmp_path)


def test_linked_folder_is_reported(tmp_path: Path) -> None:
    picture(tmp_path / "elsewhere" / "a.png")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "no_coronal").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TrainingDataError, match=r"no_coronal .*symbolic link to a folder"):
        read_labels(tmp_path / "set")


@pytest.mark.shared
def test_real_tree_says_the_same_as_its_manifest(brain_mri: Path, tmp_path: Path) -> None:
    for half in ("Training", "Testing"):
        shutil.copytree(brain_mri / half, tmp_path / half)
    tree = read_labels(tmp_path).set_index("path").sort_index()
    manifest = read_labels(brain_mri).set_index("path").sort_index()
    for column in ("tumor", "plane", "official_split"):
        assert tree[column].tolist() == manifest[column].tolist()
