from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from artemis.errors import ModelError
from artemis.files import sha256_file
from artemis.labels import PROBABILITY_COLUMNS
from artemis.models.manifest import OUT_OF_FOLD_NAME, Manifest, load_manifest
from artemis.models.out_of_fold import read_out_of_fold
from artemis.models.registry import model_folder


def table(slice_ids: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame({"slice_id": slice_ids, "fold": 0})
    p = np.full((len(slice_ids), 12), 1 / 12, dtype=np.float32)
    return frame.join(pd.DataFrame(p, columns=list(PROBABILITY_COLUMNS)))


def model_with(tmp_path: Path, frame: pd.DataFrame | bytes) -> tuple[Path, Manifest]:
    path = tmp_path / OUT_OF_FOLD_NAME
    path.write_bytes(frame) if isinstance(frame, bytes) else frame.to_parquet(path)
    manifest = load_manifest(model_folder(tmp_path, "baseline"))
    files = manifest.files | {OUT_OF_FOLD_NAME: sha256_file(path)}
    return tmp_path, manifest.model_copy(update={"files": files})


def test_out_of_fold_predictions_are_read_from_the_models_folder(tmp_path: Path) -> None:
    folder, manifest = model_with(tmp_path, table(["a", "b"]))
    found = read_out_of_fold(folder, manifest)
    assert found is not None
    assert found["slice_id"].tolist() == ["a", "b"]
    assert found[list(PROBABILITY_COLUMNS)].to_numpy() == pytest.approx(1 / 12)


def test_file_that_the_manifest_does_not_list_is_not_read(tmp_path: Path) -> None:
    folder, manifest = model_with(tmp_path, b"anything")
    files = {name: value for name, value in manifest.files.items() if name != OUT_OF_FOLD_NAME}
    assert read_out_of_fold(folder, manifest.model_copy(update={"files": files})) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PAR1 no table", "expected a table of out-of-fold predictions. Received: "),
        (table(["a"]).drop(columns="fold"), "Received none of fold. Train the model again."),
        (table(["a", "a"]), "Received a slice twice. Train the model again."),
    ],
)
def test_damaged_out_of_fold_predictions_are_named(
    tmp_path: Path, content: pd.DataFrame | bytes, message: str
) -> None:
    folder, manifest = model_with(tmp_path, content)
    with pytest.raises(ModelError) as raised:
        read_out_of_fold(folder, manifest)
    assert message in str(raised.value)
    assert str(raised.value).startswith(str(tmp_path / OUT_OF_FOLD_NAME))
