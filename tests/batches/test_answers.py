"""The models' answers meet: rows of `predictions` out of outputs that were written by hand."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from artemis.batches.classify import ChunkPaths, conclude_chunk
from artemis.batches.thumbnails import keep_thumbnails, thumbnail_row
from artemis.labels import CATEGORY_NAMES, PLANES, TUMORS
from artemis.predictions import read_table
from artemis.preprocess import SquareBox
from artemis.runs import ModelRecord, RunPaths, RunRecord, RunStatus, create_run
from artemis.settings import Settings

GOOD = {
    "header_plane": "coronal",
    "width": 256,
    "height": 256,
    "contrast": 200.0,
    "burnt_in": False,
}
GLIOMA, MENINGIOMA = (
    CATEGORY_NAMES.index("glioma_coronal"),
    CATEGORY_NAMES.index("meningioma_coronal"),
)


def model(name: str, threshold: float) -> ModelRecord:
    return ModelRecord(
        name=name,
        version="1",
        sha256="0" * 64,
        side=160,
        folder=Path(name),
        ood_threshold=2.0,
        accuracy=0.9,
        macro_f1=0.9,
        set_thresholds=dict.fromkeys(TUMORS, threshold),
        protocol="",
    )


def answer(category: int, confidence: float, second: int, rest: float) -> np.ndarray:
    """Probabilities of two categories; what is left is spread over the others."""
    p = np.full(12, (1 - confidence - rest) / 10)
    p[category], p[second] = confidence, rest
    return p.astype(np.float32)


@pytest.fixture
def concluded_run(tmp_path: Path) -> RunPaths:
    """Three slices: sure and agreed, in doubt between two, and sure but unlike the training."""
    models = [model("mobilenet_v2", 0.7), model("baseline", 0.5)]
    run = create_run(tmp_path, "20260301T120000Z-0a1b2c")
    record = RunRecord(
        run_id=run.run_id,
        status=RunStatus.RUNNING,
        created=datetime.now(UTC),
        batch="scans",
        command="",
        versions={},
        settings=Settings(workspace=tmp_path),
        models=models,
    )
    sure, torn = answer(GLIOMA, 0.97, MENINGIOMA, 0.01), answer(GLIOMA, 0.61, MENINGIOMA, 0.35)
    scores = np.array([1.0, 1.0, 4.0], dtype=np.float32)
    outputs: dict[str, Any] = {
        "mobilenet_v2": np.stack([sure, torn, sure]),
        "baseline": np.stack([sure, torn, sure]),
    }
    scratch = ChunkPaths.of(run, 0)
    scratch.folder.mkdir(parents=True)
    known = {"trained_on": np.array([1, 1, 0], np.bool_), "out_of_fold": np.array([3, -1, -1])}
    for name, probabilities in outputs.items():
        np.savez(scratch.outputs(name), probabilities=probabilities, ood_score=scores, **known)
    rows = [GOOD | {"slice_id": f"{k}", "path": f"{k}.png", "frame": 0} for k in range(3)]
    scratch.rows.write_text(json.dumps(rows))
    seen = np.arange(3, dtype=np.uint8)[:, None, None] * np.ones((160, 160), dtype=np.uint8) * 60
    np.save(scratch.pictures(160), seen)
    box = SquareBox(0, 0, 256)
    small = [thumbnail_row(row, np.zeros((256, 256), np.uint8), box, 112) for row in rows]
    keep_thumbnails(scratch.thumbnails, small)
    assert conclude_chunk(run, record, 0) == 2
    return run


@pytest.fixture
def concluded(concluded_run: RunPaths) -> pd.DataFrame:
    return read_table(concluded_run.root, "predictions").set_index(["model", "path"])


def test_set_holds_every_plausible_category_most_probable_first(concluded: pd.DataFrame) -> None:
    sets = concluded.loc["mobilenet_v2", "set_90"]
    assert sets["0.png"].tolist() == ["glioma_coronal"]
    assert sets["1.png"].tolist() == ["glioma_coronal", "meningioma_coronal"]


def test_what_was_trained_on_has_the_answer_that_was_given_without_it(
    concluded: pd.DataFrame,
) -> None:
    rows = concluded.loc["baseline"]
    assert rows["trained_on"].tolist() == [True, True, False]
    assert rows["out_of_fold_category"].dropna().to_dict() == {"0.png": "meningioma_coronal"}


def test_the_probability_of_a_tumour_is_what_none_leaves_of_one(concluded: pd.DataFrame) -> None:
    none = sum(concluded[f"p_none_{plane}"] for plane in PLANES)
    assert concluded["p_tumor"].tolist() == pytest.approx((1 - none).tolist(), abs=1e-6)
    assert concluded["p_tumor"].min() > 0.5
    answered = [row[f"p_{row['category']}"] for _, row in concluded.iterrows()]
    assert concluded["confidence"].tolist() == pytest.approx(answered)


def test_each_model_has_the_sets_of_its_own_thresholds(concluded: pd.DataFrame) -> None:
    assert concluded.loc[("baseline", "1.png"), "set_90"].tolist() == ["glioma_coronal"]
    assert concluded.loc[("baseline", "1.png"), "review_reasons"].tolist() == []


def test_reasons_name_the_set_and_the_strange_picture(concluded: pd.DataFrame) -> None:
    reasons = concluded.loc["mobilenet_v2", "review_reasons"]
    assert [reasons[f"{k}.png"].tolist() for k in range(3)] == [
        [],
        ["set_larger_than_one"],
        ["out_of_distribution"],
    ]


def test_what_needs_review_is_kept_as_the_models_see_it(concluded_run: RunPaths) -> None:
    thumbnails = read_table(concluded_run.root, "thumbnails")
    assert thumbnails["view_jpeg"].notna().tolist() == [False, True, True]
    for view, grey in zip(thumbnails["view_jpeg"][1:], (60, 120), strict=True):
        picture = np.asarray(Image.open(io.BytesIO(view)))
        assert picture.shape == (160, 160)
        assert np.abs(picture.astype(int) - grey).max() <= 1


def test_doubt_orders_the_slices(concluded: pd.DataFrame) -> None:
    doubt = concluded.loc["mobilenet_v2", "doubt"]
    sure, torn = 0.97 + 2 * 0.002, 0.61 + 2 * 0.004  # glioma, over its planes
    assert [doubt[f"{k}.png"] for k in range(3)] == pytest.approx(
        [1 - sure, 1 - torn, 1 - sure / 4], abs=1e-6
    )
