from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from artemis.datasets.copies import Fingerprints, fingerprint
from artemis.errors import TrainingDataError
from artemis.preprocess import model_input
from artemis.training.labelled.locked import is_locked, lock_groups, read_locked


def slice_of(seed: int) -> np.ndarray:
    """A head with blobs of its own."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:120, :120]
    picture = 60.0 * (np.hypot(y - 60, x - 60) < 50)
    for _ in range(12):
        row, column = random.uniform(25, 95, 2)
        size = random.uniform(4, 12)
        bright = random.uniform(-60, 150)
        picture += bright * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * size**2))
    return np.where(np.hypot(y - 60, x - 60) < 50, np.clip(picture, 20, 255), 0).astype(np.uint8)


def prints_of(pictures: list[np.ndarray]) -> Fingerprints:
    return fingerprint(np.stack([model_input(picture, 160) for picture in pictures]))


def table_of(names: str, groups: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "path": [f"{name}.png" for name in names],
            "slice_id": [f"{ord(name):064x}" for name in names],
            "group": list(groups),
        }
    )


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Slices a and b of group P are locked; c of group Q is not."""
    table = table_of("abc", "PPQ")
    prints = prints_of([slice_of(1), slice_of(2), slice_of(3)])
    lock_groups(tmp_path, table, prints, np.array([True, True, False]))
    return tmp_path


def locked_of(workspace: Path, names: str, groups: str, seeds: list[int]) -> list[bool]:
    locked = read_locked(workspace)
    assert locked is not None
    pictures = [slice_of(seed) for seed in seeds]
    return is_locked(locked, table_of(names, groups), prints_of(pictures)).tolist()


def test_nothing_is_locked_before_the_first_retraining(tmp_path: Path) -> None:
    assert read_locked(tmp_path) is None


def test_locked_slices_are_known_by_content_whatever_their_group(workspace: Path) -> None:
    assert locked_of(workspace, "ac", "XY", [11, 3]) == [True, False]


def test_locked_groups_are_known_by_name(workspace: Path) -> None:
    assert locked_of(workspace, "de", "PY", [11, 12]) == [True, False]


def test_near_copy_of_a_locked_slice_locks_its_whole_group(workspace: Path) -> None:
    brighter = np.clip(slice_of(1) * 1.15 + 3, 0, 255).astype(np.uint8)
    locked = read_locked(workspace)
    assert locked is not None
    prints = prints_of([brighter, slice_of(21), slice_of(22)])
    assert is_locked(locked, table_of("def", "XXY"), prints).tolist() == [True, True, False]


def test_copies_on_one_side_lock_nothing(tmp_path: Path) -> None:
    brighter = np.clip(slice_of(1) * 1.15 + 3, 0, 255).astype(np.uint8)
    pictures = [slice_of(1), brighter]
    lock_groups(tmp_path, table_of("ab", "PP"), prints_of(pictures), np.array([True, True]))
    mine = np.clip(slice_of(7) * 1.15 + 3, 0, 255).astype(np.uint8)
    locked = read_locked(tmp_path)
    assert locked is not None
    prints = prints_of([slice_of(7), mine])
    assert is_locked(locked, table_of("de", "XX"), prints).tolist() == [False, False]


def test_a_locked_set_that_is_out_of_reach_is_not_taken_for_none(tmp_path: Path) -> None:
    (tmp_path / "models").symlink_to("/mnt/not mounted/models")
    with pytest.raises(TrainingDataError, match="expected the locked evaluation set"):
        read_locked(tmp_path)


def test_locked_set_is_fixed_once(workspace: Path) -> None:
    table = table_of("c", "Q")
    with pytest.raises(TrainingDataError, match=r"expected no locked evaluation set yet"):
        lock_groups(workspace, table, prints_of([slice_of(3)]), np.array([True]))


@pytest.mark.parametrize(
    ("test", "message"),
    [([True, False, False], "parts of groups, without b.png"), ([False] * 3, "Received none")],
)
def test_group_is_locked_whole_or_not_at_all(
    tmp_path: Path, test: list[bool], message: str
) -> None:
    prints = prints_of([slice_of(seed) for seed in (1, 2, 3)])
    with pytest.raises(TrainingDataError, match=message):
        lock_groups(tmp_path, table_of("abc", "PPQ"), prints, np.array(test))
    assert read_locked(tmp_path) is None


@pytest.mark.parametrize("damage", ["cut", "another table"])
def test_damaged_locked_set_stops_instead_of_unlocking(workspace: Path, damage: str) -> None:
    path = workspace / "models" / "locked.parquet"
    if damage == "cut":
        path.write_bytes(b"PAR1")
    else:
        pd.read_parquet(path).drop(columns="group").to_parquet(path)
    with pytest.raises(TrainingDataError, match=r"locked\.parquet: expected the locked evaluation"):
        read_locked(workspace)
