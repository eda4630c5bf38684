"""What is measured of a fold's network, with weights that were kept of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from artemis.training.figures.localisation import MEASURES, judge_maps
from artemis.training.figures.out_of_fold import read_frame
from artemis.training.fold_files import (
    EVIDENCE_SCHEMA,
    FoldFiles,
    localisation_of,
    measure_fold,
)
from artemis.training.labelled.dataset import TrainingSet
from artemis.training.labelled.manifest_file import BOX_COLUMNS
from artemis.training.network.feeds import Samples
from artemis.training.network.fitted import Fitted, build
from artemis.training.network.weights import save_weights
from tests.training.small import tiny

pytestmark = pytest.mark.slow(seconds=30)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """A network that maps its evidence, of weights that were kept."""
    path = tmp_path_factory.mktemp("kept") / "weights.npz"
    save_weights(build(tiny(seed=3), None).weights(), path)
    return build(tiny(), None, path)


@pytest.fixture(scope="module")
def data(boxed: Samples) -> TrainingSet:
    boxes = np.full((48, 4), np.nan)
    boxes[::2] = (0.25, 0.25, 0.75, 0.75)
    table = pd.DataFrame(
        {
            "slice_id": [f"{k:064x}" for k in range(48)],
            "category": boxed.categories,
            "group": [f"g{k // 4}" for k in range(48)],
            "source": "drawn",
        }
    )
    table[list(BOX_COLUMNS)] = boxes
    return TrainingSet(table, {64: boxed.pictures}, corrected=0)


def test_evidence_is_measured_against_boxes_where_the_tumor_was_named(
    fitted: Fitted, boxed: Samples, data: TrainingSet, tmp_path: Path
) -> None:
    files = FoldFiles(tmp_path, 0, patients=True)
    test = np.arange(48) >= 24
    assert not files.done
    measure_fold(files, fitted, boxed, data, ~test, test)
    assert files.done
    evidence = read_frame(files.evidence, EVIDENCE_SCHEMA)
    assert evidence["slice_id"].tolist() == data.table["slice_id"].tolist()[24:]
    rows = np.arange(24, 48)
    outputs = fitted.predict(boxed, rows)
    expected = judge_maps(
        outputs["maps"],
        outputs["logits"],
        boxed.categories[rows],
        data.boxes[rows],
        boxed.pictures[rows],
    )
    for name in MEASURES:
        np.testing.assert_array_equal(
            getattr(localisation_of(evidence), name), getattr(expected, name)
        )
    named = outputs["logits"].argmax(axis=1) // 3 == boxed.categories[rows] // 3
    known = np.isfinite(evidence["energy_in_box"].to_numpy())
    assert (known == (named & (rows % 2 == 0))).all()


def test_what_is_missing_of_a_fold_alone_is_measured_again(
    fitted: Fitted, boxed: Samples, data: TrainingSet, tmp_path: Path
) -> None:
    files = FoldFiles(tmp_path, 3, patients=True)
    test = np.arange(48) < 8
    measure_fold(files, fitted, boxed, data, ~test, test)
    evidence, written = files.evidence.read_bytes(), files.predictions.stat().st_mtime_ns
    files.evidence.unlink()
    assert not files.done
    measure_fold(files, fitted, boxed, data, ~test, test)
    assert files.evidence.read_bytes() == evidence
    assert files.predictions.stat().st_mtime_ns == written


def test_protocol_that_leaks_has_neither_shortcuts_nor_evidence(
    fitted: Fitted, boxed: Samples, data: TrainingSet, tmp_path: Path
) -> None:
    files = FoldFiles(tmp_path, 0, patients=False)
    test = np.arange(48) < 8
    measure_fold(files, fitted, boxed, data, ~test, test)
    assert files.done
    assert [path.name for path in tmp_path.iterdir()] == ["part-00000.parquet"]
