"""Which file of which run a reviewed slice is read from."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from artemis.predictions import part_name, write_part
from artemis.runs import RunPaths, write_record
from artemis.schemas import SLICES_SCHEMA
from artemis.system.files import sha256_file
from artemis.training.labelled.manifest_file import BOX_COLUMNS
from artemis.training.labelled.reviewed_slices import ReviewedSlices, find_slices
from tests.test_predictions import slice_row
from tests.test_runs import record

SLICE = "5" * 64
OLD, NEW = "20260301T000000Z-aaaaaa", "20260302T000000Z-000000"


def add_run(workspace: Path, run_id: str, batch: Path, **changes: Any) -> None:
    """Write a run of one slice, and its file."""
    batch.mkdir(exist_ok=True)
    (batch / "a.png").write_bytes(b"a picture")
    paths = RunPaths(workspace, run_id)
    write_record(paths, record(run_id).model_copy(update={"batch": str(batch)}))
    known = {"slice_id": SLICE, "file_sha256": sha256_file(batch / "a.png")}
    rows = [slice_row("a.png") | known | {"patient_key": "p1"} | changes]
    write_part(paths.slices / part_name(0), rows, SLICES_SCHEMA)


def found_in(workspace: Path, known: tuple[str, ...] = ()) -> ReviewedSlices:
    said = {"slice_id": SLICE, "state": "single", "tumor": "glioma", "plane": "coronal"}
    return find_slices(workspace, pd.DataFrame([said | {"run_ids": [OLD, NEW]}]), known)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A slice that two runs hold, each of a batch of its own."""
    add_run(tmp_path, OLD, tmp_path / "old")
    add_run(tmp_path, NEW, tmp_path / "new")
    return tmp_path


def test_the_newest_run_whose_file_is_there_is_taken(workspace: Path) -> None:
    found = found_in(workspace)
    assert [(one.root, one.path, one.frame) for one in found.sources] == [
        (workspace / "new", "a.png", 0)
    ]
    assert found.labels["path"].tolist() == [f"{NEW}/a.png"]
    (workspace / "new" / "a.png").write_bytes(b"another picture")
    assert [one.root for one in found_in(workspace).sources] == [workspace / "old"]
    (workspace / "old" / "a.png").unlink()
    gone = found_in(workspace)
    assert (gone.sources, gone.unavailable, len(gone.labels)) == ([], 1, 0)


def test_a_run_that_is_gone_or_holds_the_slice_no_longer_is_passed_over(workspace: Path) -> None:
    add_run(workspace, NEW, workspace / "new", slice_id="6" * 64)
    assert [one.root for one in found_in(workspace).sources] == [workspace / "old"]
    shutil.rmtree(workspace / "runs" / NEW)
    assert [one.root for one in found_in(workspace).sources] == [workspace / "old"]


@pytest.mark.parametrize("path", ["../old/a.png", "/etc/hostname"])
def test_a_path_that_leads_out_of_its_batch_is_not_followed(workspace: Path, path: str) -> None:
    sha256 = sha256_file(workspace / "new" / path)
    add_run(workspace, NEW, workspace / "new", path=path, file_sha256=sha256)
    assert [one.root for one in found_in(workspace).sources] == [workspace / "old"]


def test_a_slice_that_the_training_set_holds_is_not_looked_for(workspace: Path) -> None:
    found = found_in(workspace, (SLICE,))
    assert (found.sources, found.unavailable, len(found.labels)) == ([], 0, 0)


def test_labels_that_are_added_have_no_box_no_fold_and_a_source_of_their_own(
    workspace: Path,
) -> None:
    labels = found_in(workspace).labels
    assert labels[list(BOX_COLUMNS)].isna().all(axis=None)
    assert set(labels[list(BOX_COLUMNS)].dtypes.astype(str)) == {"float64"}
    assert labels["fold"].isna().all()
    assert str(labels["fold"].dtype) == "Int64"
    assert labels["source"].tolist() == ["reviewed"]
    assert labels["patient"].tolist() == ["p1"]
    assert labels["patient_known"].tolist() == [True]
