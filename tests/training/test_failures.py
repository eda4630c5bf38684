from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

pytest.importorskip("sklearn", reason="needs the extra `train`")

from artemis.labels import CATEGORY_NAMES
from artemis.models.card.pictures import read_pictures
from artemis.models.manifest import load_manifest
from artemis.training.failures import keep_failures
from artemis.training.labelled.dataset import TrainingSet
from tests.models.card.records import shipped_folder


def holding(slice_ids: list[str], side: int) -> TrainingSet:
    """A training set of drawn discs."""
    table = pd.DataFrame({"slice_id": slice_ids, "path": [f"{k}.png" for k in slice_ids]})
    y, x = np.mgrid[:side, :side]
    disc = (((x - side / 2) ** 2 + (y - side / 2) ** 2) < (0.4 * side) ** 2) * 120
    picture = (disc + (np.hypot(x - 90, y - 80) < 14) * 100).astype(np.uint8)
    return TrainingSet(table, {side: np.stack([picture] * len(slice_ids))}, corrected=0)


def test_pictures_and_evidence_of_the_mistakes_that_are_at_hand_are_kept(tmp_path: Path) -> None:
    folder = shipped_folder()
    manifest = load_manifest(folder)
    chosen = [one.slice_id for one in manifest.evaluation.mistakes[:2]]
    path = keep_failures(tmp_path, folder, holding(["other", *chosen], manifest.input.side))
    assert path == tmp_path / "failures" / manifest.name / f"{manifest.version}.parquet"
    kept = read_pictures(path)
    assert list(kept) == chosen
    row = kept[chosen[0]]
    assert row["path"] == f"{chosen[0]}.png"
    assert row["answer_now"] in CATEGORY_NAMES
    for name in ("jpeg", "overlay"):
        assert Image.open(io.BytesIO(row[name])).size == (manifest.input.side,) * 2
    assert not list(folder.glob("*.parquet.*"))


def test_without_its_pictures_nothing_is_kept(tmp_path: Path) -> None:
    folder = shipped_folder()
    assert keep_failures(tmp_path, folder, holding(["other"], 192)) is None
    assert not list(tmp_path.iterdir())


def test_of_a_picture_that_may_not_be_shown_none_is_kept(tmp_path: Path) -> None:
    folder = shipped_folder()
    manifest = load_manifest(folder)
    chosen = [one.slice_id for one in manifest.evaluation.mistakes[:2]]
    data = holding(chosen, manifest.input.side)
    data.table["withheld"] = [True, False]
    path = keep_failures(tmp_path, folder, data)
    assert path is not None
    assert list(read_pictures(path)) == chosen[1:]
