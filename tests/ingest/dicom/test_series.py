from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.ingest.builders import (
    ENHANCED_MR,
    LEGACY_ENHANCED_MR,
    TRANSVERSE,
    head,
    ingest,
    item,
    mr,
    save,
)


def test_a_series_is_ordered_by_position_and_not_by_instance_number(tmp_path: Path) -> None:
    for name, number, z in (("a", 1, 30), ("b", 2, -10), ("c", 3, 10)):
        save(tmp_path / name, mr(InstanceNumber=number, ImagePositionPatient=[0, 0, z]))
    read = ingest(tmp_path)
    assert [one.row["path"] for one in read] == ["b", "c", "a"]
    assert [one.row["series_index"] for one in read] == [0, 1, 2]
    assert [one.row["slice_position"] for one in read] == [-10.0, 10.0, 30.0]


def test_two_series_of_a_folder_are_not_mixed(tmp_path: Path) -> None:
    for name, series, z in (("a", "1.1", 9), ("b", "1.2", 1), ("c", "1.1", 3)):
        save(tmp_path / name, mr(SeriesInstanceUID=series, ImagePositionPatient=[0, 0, z]))
    read = ingest(tmp_path)
    assert [(one.row["path"], one.row["series_index"]) for one in read] == [
        ("c", 0),
        ("a", 1),
        ("b", 0),
    ]


@pytest.mark.parametrize("sop_class", [ENHANCED_MR, LEGACY_ENHANCED_MR])
def test_enhanced_files_of_a_series_are_ordered_by_position_too(
    tmp_path: Path, sop_class: str
) -> None:
    for name, number, z in (("a", 1, 30), ("b", 2, -10), ("c", 3, 10)):
        groups = item(PlanePositionSequence=[item(ImagePositionPatient=[0, 0, z])])
        image = mr(
            sop_class=sop_class,
            InstanceNumber=number,
            NumberOfFrames=1,
            ImageOrientationPatient=None,
            ImagePositionPatient=None,
            SharedFunctionalGroupsSequence=[
                item(PlaneOrientationSequence=[item(ImageOrientationPatient=TRANSVERSE)])
            ],
            PerFrameFunctionalGroupsSequence=[groups],
        )
        save(tmp_path / name, image)
    read = ingest(tmp_path)
    assert [one.row["slice_position"] for one in read] == [-10.0, 10.0, 30.0]
    assert [(one.row["path"], one.row["series_index"]) for one in read] == [
        ("b", 0),
        ("c", 1),
        ("a", 2),
    ]


def test_a_series_that_lies_in_several_folders_is_counted_through(tmp_path: Path) -> None:
    for name, z in (("d1/a", 30), ("d1/b", 0), ("d2/a", 20), ("d2/b", 10), ("d3/a", 40)):
        number = 40 - z
        save(tmp_path / name, mr(InstanceNumber=number, ImagePositionPatient=[0, 0, z]))
    read = ingest(tmp_path)
    assert [(one.row["path"], one.row["series_index"]) for one in read] == [
        ("d1/b", 0),
        ("d1/a", 3),
        ("d2/b", 1),
        ("d2/a", 2),
        ("d3/a", 4),
    ]


def test_frames_of_a_series_in_several_folders_are_counted_through(tmp_path: Path) -> None:
    for name, z in (("d1/a", 10), ("d2/a", 0)):
        frames = np.stack([head(), head()])
        save(tmp_path / name, mr(frames, NumberOfFrames=2, ImagePositionPatient=[0, 0, z]))
    read = ingest(tmp_path)
    assert [one.row["path"] for one in read] == ["d1/a", "d1/a", "d2/a", "d2/a"]
    assert [one.row["series_index"] for one in read] == [2, 3, 0, 1]


def test_a_series_that_is_copied_to_another_folder_is_counted_in_each(tmp_path: Path) -> None:
    for folder in ("here", "backup"):
        for number in range(3):
            image = mr(InstanceNumber=number, ImagePositionPatient=[0, 0, number])
            save(tmp_path / folder / f"{number}", image)
    assert [one.row["series_index"] for one in ingest(tmp_path)] == [0, 1, 2, 0, 1, 2]


def test_files_without_a_series_are_counted_in_their_folder(tmp_path: Path) -> None:
    for name, z in (("d1/a", 1), ("d1/b", 0), ("d2/a", 5), ("d2/b", 4)):
        save(tmp_path / name, mr(SeriesInstanceUID=None, ImagePositionPatient=[0, 0, z]))
    assert [one.row["series_index"] for one in ingest(tmp_path)] == [0, 1, 0, 1]
