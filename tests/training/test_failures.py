from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

pytest.importorskip("sklearn", reason="needs the extra `train`")

from artemis.labels import CATEGORY_NAMES
from artemis.models.card.pictures import read_pictures
from artemis.models.manifest import load_manifest
from artemis.preprocess import model_input
from artemis.training.failures import keep_failures
from artemis.training.labelled.dataset import TrainingSet
from tests.models.card.records import shipped_folder


@pytest.fixture
def head(samples: Path) -> NDArray[np.uint8]:
    """A drawn head with a tumour."""
    with Image.open(samples / "coronal_simulated_meningioma.png") as image:
        return np.asarray(image.convert("L"))


def holding(slice_ids: list[str], head: NDArray[np.uint8], side: int = 192) -> TrainingSet:
    """A training set of one picture many times."""
    table = pd.DataFrame({"slice_id": slice_ids, "path": [f"{k}.png" for k in slice_ids]})
    pictures = np.stack([model_input(head, side)] * len(slice_ids))
    return TrainingSet(table, {side: pictures}, corrected=0)


def test_pictures_and_evidence_of_the_mistakes_that_are_at_hand_are_kept(
    tmp_path: Path, head: NDArray[np.uint8]
) -> None:
    folder = shipped_folder()
    manifest = load_manifest(folder)
    taken = [one for one in manifest.evaluation.mistakes if one.answer.startswith("meningioma")]
    chosen = [one.slice_id for one in taken[:2]]
    path = keep_failures(tmp_path, folder, holding(["other", *chosen], head, manifest.input.side))
    assert path == tmp_path / "failures" / manifest.name / f"{manifest.version}.parquet"
    kept = read_pictures(path)
    assert list(kept) == chosen
    row = kept[chosen[0]]
    assert row["path"] == f"{chosen[0]}.png"
    assert row["answer_now"] in CATEGORY_NAMES
    for name in ("jpeg", "overlay"):
        assert Image.open(io.BytesIO(row[name])).size == (manifest.input.side,) * 2
    assert not list(folder.glob("*.parquet.*"))


def test_without_its_pictures_nothing_is_kept(tmp_path: Path, head: NDArray[np.uint8]) -> None:
    folder = shipped_folder()
    assert keep_failures(tmp_path, folder, holding(["other"], head)) is None
    assert not list(tmp_path.iterdir())


def test_of_a_picture_that_may_not_be_shown_none_is_kept(
    tmp_path: Path, head: NDArray[np.uint8]
) -> None:
    folder = shipped_folder()
    manifest = load_manifest(folder)
    chosen = [one.slice_id for one in manifest.evaluation.mistakes[:2]]
    data = holding(chosen, head, manifest.input.side)
    data.table["withheld"] = [True, False]
    path = keep_failures(tmp_path, folder, data)
    assert path is not None
    assert list(read_pictures(path)) == chosen[1:]
