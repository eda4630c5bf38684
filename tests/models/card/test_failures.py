from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from artemis.errors import ModelError
from artemis.labels import CATEGORY_NAMES, PROBABILITY_COLUMNS
from artemis.models.card.failures import failure_record
from artemis.models.card.pictures import pictures_path, read_pictures, write_pictures
from artemis.models.manifest import Manifest, load_manifest


def test_mistakes_are_those_of_the_evaluation(full: Manifest, shipped: Path) -> None:
    found = failure_record(shipped, full)
    assert found is not None
    assert list(found.mistakes) == full.evaluation.mistakes
    assert found.words.startswith("Of the 240 slices that the figures above are of")


def test_an_older_model_shows_those_of_its_out_of_fold_predictions(shipped: Path) -> None:
    found = failure_record(shipped, load_manifest(shipped))
    assert found is not None
    table = pd.read_parquet(shipped / "out_of_fold.parquet").dropna().set_index("slice_id")
    surest = found.mistakes[0]
    row = table.loc[surest.slice_id]
    answers = row[list(PROBABILITY_COLUMNS)].astype(float)
    assert surest.truth == CATEGORY_NAMES[int(row["category"])] != surest.answer
    assert surest.answer == answers.idxmax().removeprefix("p_")
    assert surest.confidence == pytest.approx(answers.max())
    assert surest.group is None
    assert "nor the patient group and source" in found.words


def test_a_model_that_kept_nothing_has_no_record_of_mistakes(shipped: Path) -> None:
    bare = load_manifest(shipped).model_copy(update={"files": {}})
    assert failure_record(shipped, bare) is None


def test_pictures_are_read_as_written_and_none_are_no_error(tmp_path: Path) -> None:
    path = pictures_path(tmp_path, "baseline", "1")
    assert path == tmp_path / "failures" / "baseline" / "1.parquet"
    assert read_pictures(path) == {}
    row = {
        "slice_id": "a",
        "path": "x.png",
        "answer_now": "none_coronal",
        "jpeg": b"j",
        "overlay": None,
    }
    write_pictures(path, [row])
    assert read_pictures(path) == {"a": row}


def test_damaged_pictures_are_named(tmp_path: Path) -> None:
    path = pictures_path(tmp_path, "baseline", "1")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no table")
    with pytest.raises(ModelError, match=r"1\.parquet: expected pictures of a model's mistakes"):
        read_pictures(path)
