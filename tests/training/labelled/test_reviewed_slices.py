"""Reviewed labels on their way into training: a real run, a real CSV, real files."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from artemis.batches import inbox, waiting
from artemis.batches.batch import plan_chunks, start_run, write_plans
from artemis.batches.classify import ingest_chunk
from artemis.labels import category_of
from artemis.predictions import read_table
from artemis.reviews.reviewed import import_labels
from artemis.reviews.reviewed_file import COLUMNS
from artemis.settings import IngestSettings, Settings
from artemis.training.labelled.dataset import TrainingSet, load_training_set
from artemis.training.labelled.locked import lock_groups
from tests.ingest.builders import mr, nifti_bytes, save
from tests.training.labelled.test_locked import slice_of


class House:
    """A training set of six groups in three folds, a batch, and a workspace with its run."""

    def __init__(self, root: Path) -> None:
        self.set, self.batch, self.workspace = root / "set", root / "batch", root / "data"
        self.set.mkdir()
        self.batch.mkdir()
        rows = []
        for number in range(6):
            Image.fromarray(slice_of(number)).save(self.set / f"{number}.png")
            rows.append((f"{number}.png", "glioma", "coronal", f"P{number}", number % 3))
        columns = ["path", "tumor", "plane", "patient", "fold"]
        pd.DataFrame(rows, columns=columns).to_csv(self.set / "manifest.csv", index=False)

    def run(self) -> None:
        settings = Settings(workspace=self.workspace)
        paths, record = start_run(self.batch, settings, ["baseline"], "test")
        chunks = plan_chunks(self.batch, settings)
        write_plans(paths, chunks)
        for chunk in range(len(chunks)):
            ingest_chunk(paths, record, chunk, [32])
        self.run_id = paths.run_id
        slices = read_table(paths.root, "slices")
        self.slices = {(row.path, row.frame): row.slice_id for row in slices.itertuples()}

    def review(self, *labels: dict[str, Any]) -> None:
        file = self.workspace / "review.csv"
        with file.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, COLUMNS)
            writer.writeheader()
            for label in labels:
                path, frame = label.pop("path"), label.pop("frame", 0)
                writer.writerow(
                    {
                        "run_id": self.run_id,
                        "slice_id": self.slices[path, frame],
                        "verdict": "correct",
                        "tumor": "meningioma",
                        "plane": "sagittal",
                        "reviewer": "AB",
                        "reviewed_at": "2026-03-02T09:00:00Z",
                    }
                    | label
                )
        import_labels(file, self.workspace)

    def load(self) -> TrainingSet:
        cache = self.workspace / "cache"
        return load_training_set(self.set, [32], cache, IngestSettings(), workspace=self.workspace)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


MENINGIOMA = category_of("meningioma", "sagittal").index
GLIOMA = category_of("glioma", "coronal").index


def test_reviewed_label_overrides_the_one_of_the_same_slice(house: House) -> None:
    Image.open(house.set / "2.png").save(house.batch / "scan.tif")
    house.run()
    house.review({"path": "scan.tif"})
    loaded = house.load()
    assert len(loaded.table) == 6
    assert loaded.table["category"].tolist() == [GLIOMA] * 2 + [MENINGIOMA] + [GLIOMA] * 3
    assert np.flatnonzero(loaded.table["reviewed"]).tolist() == [2]


def test_reviewed_slices_of_runs_are_added_while_their_file_is_as_it_was(house: House) -> None:
    for number in range(3):
        Image.fromarray(slice_of(100 + number)).save(house.batch / f"scan {number}.png")
    house.run()
    house.review(*[{"path": f"scan {number}.png"} for number in range(3)])
    (house.batch / "scan 1.png").unlink()
    Image.fromarray(slice_of(200)).save(house.batch / "scan 2.png")
    loaded = house.load()
    assert loaded.unavailable == 2
    added = loaded.table.iloc[6:]
    assert added["path"].tolist() == [f"{house.run_id}/scan 0.png"]
    assert added["slice_id"].tolist() == [house.slices["scan 0.png", 0]]
    assert added["category"].tolist() == [MENINGIOMA]
    assert added["source"].tolist() == ["reviewed"]
    assert added["reviewed"].all()
    assert added["fold"].isin([0, 1, 2]).all()
    assert loaded.pictures[32].shape == (7, 32, 32)


def test_of_copies_in_a_run_any_whose_file_is_there_is_taken(house: House) -> None:
    for name in ("a.png", "b.png", "c.png"):
        Image.fromarray(slice_of(100)).save(house.batch / name)
    house.run()
    house.review({"path": "b.png"})
    for gone in ("a.png", "c.png"):
        (house.batch / gone).unlink()
    loaded = house.load()
    assert loaded.unavailable == 0
    assert loaded.table.iloc[6:]["path"].tolist() == [f"{house.run_id}/b.png"]


def test_of_copies_in_a_run_one_that_names_its_patient_is_taken(house: House) -> None:
    pixels = slice_of(100).astype(np.uint16) * 16
    save(house.batch / "a.dcm", mr(pixels, PatientID="P4"))
    save(house.batch / "z.dcm", mr(pixels, PatientID="", PatientName=""))
    house.run()
    assert house.slices["a.dcm", 0] == house.slices["z.dcm", 0]
    house.review({"path": "z.dcm"})
    table = house.load().table
    assert table.iloc[6:]["path"].tolist() == [f"{house.run_id}/a.dcm"]
    assert table.iloc[6:]["patient_known"].tolist() == [True]
    assert table["group"].iloc[6] == table["group"].iloc[4]


def test_doubtful_labels_change_no_label_and_bad_images_leave(house: House) -> None:
    for number in range(3):
        Image.open(house.set / f"{number}.png").save(house.batch / f"{number}.tif")
    Image.fromarray(slice_of(100)).save(house.batch / "new.png")
    house.run()
    blank = {"tumor": "", "plane": ""}
    house.review(
        {"path": "0.tif"},
        {"path": "0.tif", "reviewer": "CD", "tumor": "pituitary"},
        {"path": "1.tif", "verdict": "unsure", **blank},
        {"path": "2.tif", "verdict": "bad_image", **blank},
        {"path": "new.png", "verdict": "unsure", **blank},
    )
    loaded = house.load()
    assert loaded.table["path"].tolist() == ["0.png", "1.png", "3.png", "4.png", "5.png"]
    assert loaded.table["category"].tolist() == [GLIOMA] * 5
    assert (loaded.bad_images, loaded.unavailable) == (1, 0)
    assert not loaded.table["reviewed"].any()
    assert np.flatnonzero(loaded.table["disputed"]).tolist() == [0]


def test_slice_that_reviewers_disagree_on_is_not_trained_on_until_it_is_settled(
    house: House,
) -> None:
    for number in range(2):
        Image.open(house.set / f"{number}.png").save(house.batch / f"{number}.tif")
    house.run()
    before = house.load()
    lock_groups(
        house.workspace, before.table, before.prints, (before.table["fold"] == 1).to_numpy()
    )
    for number in range(2):  # 1.png is locked
        house.review(
            {"path": f"{number}.tif"},
            {"path": f"{number}.tif", "reviewer": "CD", "tumor": "pituitary"},
        )
    loaded = house.load()
    assert np.flatnonzero(loaded.table["disputed"]).tolist() == [0, 1]
    assert np.flatnonzero(loaded.table["locked"]).tolist() == [1, 4]
    assert loaded.table["category"].tolist() == [GLIOMA] * 6
    locked = loaded.table["locked"].to_numpy(dtype=bool)
    assert np.flatnonzero(loaded.training_mask(locked)).tolist() == [2, 3, 5]
    assert loaded.sha256 != before.sha256  # a retraining that was ended does not go on with it
    settling = {"adjudication": "yes", "reviewer": "EF", "reviewed_at": "2026-03-03T09:00:00Z"}
    house.review({"path": "0.tif"} | settling)
    settled = house.load()
    assert np.flatnonzero(settled.table["disputed"]).tolist() == [1]
    assert np.flatnonzero(settled.training_mask(locked)).tolist() == [0, 2, 3, 5]
    assert settled.table["category"].iloc[0] == MENINGIOMA


def test_frames_of_one_volume_are_one_group(house: House) -> None:
    volume = np.stack([slice_of(100 + k) for k in range(4)], axis=2)
    (house.batch / "head.nii").write_bytes(nifti_bytes(volume))
    house.run()
    frames = sorted(frame for path, frame in house.slices if path == "head.nii")
    assert len(frames) >= 4
    house.review(*[{"path": "head.nii", "frame": frame} for frame in frames[1:3]])
    added = house.load().table.iloc[6:]
    assert added["path"].tolist() == [f"{house.run_id}/head.nii#{frame}" for frame in frames[1:3]]
    assert added["group"].nunique() == 1
    assert added["fold"].nunique() == 1
    assert added["slice_id"].tolist() == [house.slices["head.nii", f] for f in frames[1:3]]


def test_dicom_of_a_patient_of_the_manifest_joins_that_patients_group(house: House) -> None:
    save(house.batch / "a.dcm", mr(slice_of(100).astype(np.uint16) * 16, PatientID="P4"))
    house.run()
    house.review({"path": "a.dcm"})
    table = house.load().table
    assert table["group"].iloc[6] == table["group"].iloc[4]
    assert table["fold"].iloc[6] == 1
    assert not table.astype(str).apply(lambda column: column.str.contains("P4")).any(axis=None)


def test_patient_is_known_only_where_a_header_names_one(house: House) -> None:
    """A study or file holds its slices together; whose other files are that person's is unknown."""
    Image.fromarray(slice_of(100)).save(house.batch / "scan.png")
    pixels = [slice_of(seed).astype(np.uint16) * 16 for seed in (101, 102)]
    save(house.batch / "named.dcm", mr(pixels[0], PatientID="P9"))
    save(house.batch / "nobody.dcm", mr(pixels[1], PatientID="", PatientName=""))
    house.run()
    house.review({"path": "scan.png"}, {"path": "named.dcm"}, {"path": "nobody.dcm"})
    loaded = house.load()
    table = loaded.table.iloc[6:].assign(path=lambda of: of["path"].str.rpartition("/")[2])
    known = table.set_index("path")[["patient_known", "group_known"]]
    assert known.loc["named.dcm"].tolist() == [True, True]
    assert known.loc["scan.png"].tolist() == [False, False]
    assert known.loc["nobody.dcm"].tolist() == [False, False]
    assert loaded.table.iloc[:6][["patient_known", "group_known"]].all(axis=None)
    assert loaded.caveat.startswith(" Of 2 of the 9 pictures neither patient nor group is given:")


def test_added_pictures_come_to_the_same_folds_in_every_workspace(tmp_path: Path) -> None:
    folds = []
    for name in "abc":
        (tmp_path / name).mkdir()
        house = House(tmp_path / name)
        for number in range(5):
            pixels = slice_of(100 + number).astype(np.uint16) * 16
            save(house.batch / f"{number}.dcm", mr(pixels, PatientID=f"N{number}"))
        house.run()
        house.review(*[{"path": f"{number}.dcm"} for number in range(5)])
        loaded = house.load()
        folds.append((loaded.sha256, *loaded.table.set_index("slice_id")["fold"].sort_index()))
    assert len(set(folds)) == 1


def test_added_pictures_come_to_folds_that_are_given(house: House) -> None:
    """Of folds 1 to 3 a fourth, 0, was made, of added pictures alone."""
    table = pd.read_csv(house.set / "manifest.csv")
    table.assign(fold=table["fold"] + 1).to_csv(house.set / "manifest.csv", index=False)
    for number in range(12):
        Image.fromarray(slice_of(100 + number)).save(house.batch / f"{number}.png")
    house.run()
    house.review(*[{"path": f"{number}.png"} for number in range(12)])
    assert set(house.load().table["fold"].iloc[6:]) == {1, 2, 3}


def test_patient_whose_near_copy_lies_in_another_fold_keeps_the_own_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("artemis.training.labelled.split.MAX_CROSSING", 1.0)
    brighter = np.clip(slice_of(0) * 1.15 + 2, 0, 255).astype(np.uint8)
    Image.fromarray(brighter).save(house.set / "4.png")  # of P4, fold 1; P0 is in fold 0
    save(house.batch / "a.dcm", mr(slice_of(100).astype(np.uint16) * 16, PatientID="P4"))
    house.run()
    house.review({"path": "a.dcm"})
    table = house.load().table
    assert table["group"].iloc[[0, 4, 6]].nunique() == 1
    assert table["fold"].iloc[[0, 4, 6]].tolist() == [0, 1, 1]


def test_reviewed_near_copy_of_a_locked_picture_is_never_trained_on(house: House) -> None:
    brighter = np.clip(slice_of(1) * 1.15 + 2, 0, 255).astype(np.uint8)
    Image.fromarray(brighter).save(house.batch / "copy.png")
    Image.fromarray(slice_of(100)).save(house.batch / "new.png")
    house.run()
    first = house.load()
    test = (first.table["fold"] == 1).to_numpy()
    lock_groups(house.workspace, first.table, first.prints, test)
    house.review({"path": "copy.png"}, {"path": "new.png"})
    # The evaluation pictures themselves may go from the training set: the lock remembers them.
    manifest = pd.read_csv(house.set / "manifest.csv")
    manifest[manifest["path"] != "1.png"].to_csv(house.set / "manifest.csv", index=False)
    loaded = house.load()
    locked = set(loaded.table["path"][loaded.table["locked"]])
    assert locked == {"4.png", f"{house.run_id}/copy.png"}
    nothing = np.zeros(len(loaded.table), dtype=bool)
    trained = set(loaded.table["path"][loaded.training_mask(nothing)])
    assert trained == {"0.png", "2.png", "3.png", "5.png", f"{house.run_id}/new.png"}


def test_reviewed_copy_of_a_test_picture_goes_to_its_fold(house: House) -> None:
    brighter = np.clip(slice_of(2) * 1.15 + 2, 0, 255).astype(np.uint8)
    Image.fromarray(brighter).save(house.batch / "copy.png")
    house.run()
    house.review({"path": "copy.png"})
    loaded = house.load()
    assert loaded.table["fold"].iloc[6] == 2
    assert loaded.table["group"].iloc[6] == loaded.table["group"].iloc[2]


def test_reviewed_slice_of_a_file_whose_name_is_no_text_is_found(house: House) -> None:
    name = os.fsdecode(b"scan\xff.png")
    Image.fromarray(slice_of(100)).save(house.batch / name)
    house.run()
    house.review({"path": "scan\\xff.png"})
    assert house.load().table["path"].tolist()[6:] == [f"{house.run_id}/scan\\xff.png"]


def test_slices_of_an_inbox_are_found_where_their_batch_was_put(house: House) -> None:
    inbox.prepare(house.workspace)
    dropped = house.workspace / "inbox" / "batch"
    dropped.mkdir()
    Image.fromarray(slice_of(100)).save(dropped / "scan.png")
    (candidate,) = waiting.candidates(house.workspace)
    claim = inbox.claim(house.workspace, candidate)
    assert claim is not None
    house.batch = claim.folder
    house.run()
    inbox.finish(claim)
    house.review({"path": "scan.png"})
    loaded = house.load()
    assert loaded.unavailable == 0
    assert loaded.table.iloc[6:]["path"].tolist() == [f"{house.run_id}/scan.png"]
