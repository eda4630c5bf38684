from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from artemis.errors import ModelError
from artemis.labels import PROBABILITY_COLUMNS
from artemis.models.manifest import OUT_OF_FOLD_NAME
from artemis.models.out_of_fold import read_out_of_fold, unseen_answers


def table(slice_ids: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame({"slice_id": slice_ids, "fold": 0, "category": 1, "start_unseen": True})
    p = np.full((len(slice_ids), 12), 1 / 12, dtype=np.float32)
    return frame.join(pd.DataFrame(p, columns=list(PROBABILITY_COLUMNS)))


def folder_with(tmp_path: Path, frame: pd.DataFrame | bytes) -> Path:
    path = tmp_path / OUT_OF_FOLD_NAME
    path.write_bytes(frame) if isinstance(frame, bytes) else frame.to_parquet(path)
    return tmp_path


def test_out_of_fold_predictions_are_read_from_the_models_folder(tmp_path: Path) -> None:
    found = read_out_of_fold(folder_with(tmp_path, table(["a", "b"])))
    assert found["slice_id"].tolist() == ["a", "b"]
    assert found[list(PROBABILITY_COLUMNS)].to_numpy() == pytest.approx(1 / 12)


def test_what_was_trained_on_has_the_answer_of_those_that_had_not_seen_it(tmp_path: Path) -> None:
    frame = table(["a", "b", "c"])
    frame.loc[0, PROBABILITY_COLUMNS[7]] = 0.5
    frame.loc[2, list(PROBABILITY_COLUMNS)] = np.nan  # trained on, and never asked of others
    assert unseen_answers(folder_with(tmp_path, frame)) == {"a": 7, "b": 0, "c": None}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PAR1 no table", "expected a table of out-of-fold predictions. Received: "),
        (table(["a"]).drop(columns="fold"), "Received none of fold. Train the model again."),
        (table(["a"]).drop(columns="start_unseen"), "Received none of start_unseen. Train the"),
        (table(["a", "a"]), "Received a slice twice. Train the model again."),
    ],
)
def test_damaged_out_of_fold_predictions_are_named(
    tmp_path: Path, content: pd.DataFrame | bytes, message: str
) -> None:
    folder = folder_with(tmp_path, content)
    with pytest.raises(ModelError) as raised:
        read_out_of_fold(folder)
    assert message in str(raised.value)
    assert str(raised.value).startswith(str(tmp_path / OUT_OF_FOLD_NAME))
