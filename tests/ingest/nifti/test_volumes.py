"""Files of several volumes: time points, echoes or directions."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.ingest.builders import nifti_bytes
from tests.ingest.nifti.test_nifti import read_volume, volume


def test_four_dimensions_are_numbered_volume_by_volume(tmp_path: Path) -> None:
    first = volume(50, 52, 5)
    data = np.stack([first, first[::-1]], axis=3)
    read = read_volume(tmp_path, nifti_bytes(data, np.diag([1, 1, 5.0, 1])))
    assert [one.row["frame"] for one in read] == list(range(10))
    np.testing.assert_array_equal(read[7].pixels, read[2].pixels[:, ::-1])


def test_a_slice_of_several_volumes_knows_its_volume_and_its_place_in_it(tmp_path: Path) -> None:
    several = np.stack([volume(50, 52, 50) * (1 + t) for t in range(3)], axis=-1)
    read = read_volume(tmp_path / "4d", nifti_bytes(several, np.diag([1, 1, 3.0, 1])))
    places = [(one.row["volume"], one.row["series_index"]) for one in read]
    assert places == [(volume, place) for volume in range(3) for place in range(50)]
    assert [one.row["frame"] for one in read] == list(range(150))
    assert read[7].row["slice_position"] == read[57].row["slice_position"]
    single = read_volume(tmp_path / "3d", nifti_bytes(volume(50, 52, 50)))
    assert {one.row["volume"] for one in single} == {None}
