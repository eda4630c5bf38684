from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from artemis.errors import TrainingDataError
from artemis.preprocess import model_input
from artemis.settings import IngestSettings
from artemis.training.dataset import load_training_set


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Six pictures of three groups, labelled."""
    folder = tmp_path / "set"
    folder.mkdir()
    rows = []
    for number in range(6):
        random = np.random.default_rng(number)
        picture = np.zeros((120, 100), np.uint8)
        picture[20:100, 20:80] = random.integers(60, 250, (80, 60))
        Image.fromarray(picture).save(folder / f"{number}.png")
        rows.append(
            {
                "path": f"{number}.png",
                "tumor": ["glioma", "no", "pituitary_tumor"][number % 3],
                "plane": ["axial", "coronal"][number % 2],
                "group": f"g{number // 2}",
                "fold": number // 2,
                "source": "here",
                "source_tumor": "meningioma" if number == 2 else None,
            }
        )
    pd.DataFrame(rows).to_csv(folder / "manifest.csv", index=False)
    return folder


def load(root: Path):
    return load_training_set(root, [32, 48], root.parent / "cache", IngestSettings())


def edit(root: Path, row: int, **values: object) -> None:
    table = pd.read_csv(root / "manifest.csv").astype(object)
    for name, value in values.items():
        table.loc[row, name] = value
    table.to_csv(root / "manifest.csv", index=False)


def test_labels_are_read_with_aliases_and_corrected_by_their_source(root: Path) -> None:
    loaded = load(root)
    assert loaded.corrected == 1
    assert loaded.table["category"].tolist() == [2, 9, 5, 0, 11, 6]
    assert loaded.table["group"].tolist() == ["g0", "g0", "g1", "g1", "g2", "g2"]


def test_pictures_are_the_model_inputs_of_serving(root: Path) -> None:
    loaded = load(root)
    picture = np.asarray(Image.open(root / "3.png"))
    np.testing.assert_array_equal(loaded.pictures[48][3], model_input(picture, 48))
    assert loaded.pictures[32].shape == (6, 32, 32)


def test_second_reading_comes_from_the_cache(root: Path) -> None:
    first = load(root)
    cached = list((root.parent / "cache").glob("*.npz"))
    second = load(root)
    assert len(cached) == 1
    np.testing.assert_array_equal(first.pictures[32], second.pictures[32])
    assert first.sha256 == second.sha256


def test_changed_picture_is_read_again(root: Path) -> None:
    first = load(root)
    picture = np.asarray(Image.open(root / "0.png")).copy()
    picture[50, 50] ^= 255
    Image.fromarray(picture).save(root / "0.png")
    assert load(root).sha256 != first.sha256


def test_group_in_two_folds_stops_the_training_and_names_the_files(root: Path) -> None:
    edit(root, 1, fold=2)
    with pytest.raises(TrainingDataError, match=r"'g0' in folds \[0, 2\]: 0\.png, 1\.png"):
        load(root)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tumor": "metastasis"}, "expected a known tumor. Received 'metastasis' for 4.png"),
        ({"plane": "oblique"}, "expected a known plane. Received 'oblique' for 4.png"),
        ({"path": "gone.png"}, "Received 1 that are not there, first gone.png"),
    ],
)
def test_wrong_rows_are_named(root: Path, values: dict, message: str) -> None:
    edit(root, 4, **values)
    with pytest.raises(TrainingDataError, match=message):
        load(root)


def test_picture_that_is_refused_is_named(root: Path) -> None:
    Image.new("L", (120, 120)).save(root / "5.png")
    with pytest.raises(TrainingDataError, match=r"5\.png: expected a picture to train on"):
        load(root)


def test_missing_columns_are_named(root: Path) -> None:
    pd.read_csv(root / "manifest.csv").drop(columns=["fold"]).to_csv(
        root / "manifest.csv", index=False
    )
    with pytest.raises(TrainingDataError, match="6 rows without fold"):
        load(root)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"group": None}, "expected a group in every row. Received none for 4.png"),
        ({"fold": None}, "expected a fold in every row. Received none for 4.png"),
        ({"fold": 1.5}, "expected whole numbers as folds"),
        ({"path": "3.png"}, "expected every picture once. Received 3.png again"),
    ],
)
def test_rows_that_a_split_cannot_place_are_named(root: Path, values: dict, message: str) -> None:
    edit(root, 4, **values)
    with pytest.raises(TrainingDataError, match=message):
        load(root)
