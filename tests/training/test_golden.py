"""The golden set: what is taken into it, and how far two models agree on it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from artemis.errors import ModelError
from artemis.labels import CATEGORY_NAMES
from artemis.models.decisions import ModelVersion
from artemis.models.registry import load_model, model_folder
from artemis.models.runtime import ClassificationModel
from artemis.training.gate.evidence import Evidence, Provenance
from artemis.training.golden import golden_agreement, golden_slices
from artemis.training.labelled.dataset import TrainingSet
from artemis.training.sides import Side
from artemis.training.train import Split

LOCKED, OTHERS = 84, 12  # slices: seven of each category, and one
LEAST = 12  # slices of a golden set that is kept


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> ClassificationModel:
    return load_model(model_folder(tmp_path_factory.mktemp("none"), "baseline"))


def house(model: ClassificationModel) -> tuple[TrainingSet, Split]:
    """Pictures of noise, of which the first are locked."""
    count, side = LOCKED + OTHERS, model.manifest.input.side
    pictures = np.random.default_rng(0).integers(0, 256, (count, side, side), dtype=np.uint8)
    table = pd.DataFrame({"slice_id": [f"{k:064x}" for k in range(count)]})
    table["category"] = np.arange(count) % len(CATEGORY_NAMES)
    locked = np.arange(count) < LOCKED
    split = Split(~locked, ~locked, ~locked, locked, "the first are locked")
    return TrainingSet(table, {side: pictures}, corrected=0), split


def side(
    model: ClassificationModel,
    data: TrainingSet,
    confidence: float = 0.9,
    provenance: Provenance = Provenance.UNSEEN,
) -> Side:
    """The model as if it answered all locked slices rightly, but the first of each category."""
    table = data.table[:LOCKED]
    count, categories = len(CATEGORY_NAMES), table["category"].to_numpy()
    answers = categories.copy()
    answers[:count] = (answers[:count] + 1) % count
    rest = np.full((LOCKED, count), (1 - confidence) / (count - 1), dtype=np.float32)
    rest[np.arange(LOCKED), answers] = confidence
    evidence = Evidence(
        model=model.manifest.name,
        version=ModelVersion(version=model.manifest.version, sha256=model.manifest.sha256),
        provenance=provenance,
        slice_ids=table["slice_id"].to_numpy(dtype=np.str_),
        groups=table["slice_id"].to_numpy(dtype=np.str_),
        sources=np.full(LOCKED, "drawn"),
        categories=categories.astype(np.int64),
        probabilities=rest,
    )
    return Side(model, evidence, pd.DataFrame())


def test_golden_are_five_of_each_category_that_the_champion_answers_rightly_and_surely(
    shipped: ClassificationModel, tmp_path: Path
) -> None:
    data, split = house(shipped)
    path, champion = tmp_path / "golden.json", side(shipped, data)
    agreement = golden_agreement(path, data, split, champion, champion, LEAST)
    assert golden_slices(path) == [f"{k:064x}" for k in range(12, 72)]
    assert agreement is not None
    assert (agreement.slices, agreement.equal_share, agreement.largest_difference) == (60, 1, 0)
    unsure = side(shipped, data, confidence=0.79)
    assert (
        golden_agreement(path, data, split, unsure, unsure, LEAST) == agreement
    )  # fixed the first time


def test_a_golden_set_of_too_few_slices_is_not_kept_and_the_next_champion_makes_one(
    shipped: ClassificationModel, tmp_path: Path
) -> None:
    """It was, and until somebody moved the file away no retraining was promoted by itself."""
    data, split = house(shipped)
    path, sure = tmp_path / "golden.json", side(shipped, data)
    unsure = side(shipped, data, confidence=0.79)
    for champion, least, slices in ((unsure, 1, 0), (sure, 61, 60)):
        agreement = golden_agreement(path, data, split, sure, champion, least)
        assert agreement is not None
        assert agreement.slices == slices  # of which the gate says that they are too few
        assert not path.exists()
    golden_agreement(path, data, split, unsure, sure, 60)
    assert len(golden_slices(path)) == 60


def test_golden_slices_that_are_not_locked_do_not_count(
    shipped: ClassificationModel, tmp_path: Path
) -> None:
    data, split = house(shipped)
    ids = [f"{k:064x}" for k in (0, 1, LOCKED, LOCKED + OTHERS)]
    (tmp_path / "golden.json").write_text(json.dumps({"slice_ids": ids}))
    one = side(shipped, data)
    agreement = golden_agreement(tmp_path / "golden.json", data, split, one, one, LEAST)
    assert agreement is not None
    assert agreement.slices == 2


def test_no_golden_set_is_made_of_answers_that_were_learnt_by_heart_or_are_broken(
    shipped: ClassificationModel, tmp_path: Path
) -> None:
    """It is made once: what a champion had learnt by heart was to hold for all that came after."""
    data, split = house(shipped)
    learnt = side(shipped, data, provenance=Provenance.TRAINED_ON)
    path = tmp_path / "golden.json"
    broken = side(shipped, data, confidence=np.nan)
    for champion in (learnt, broken):
        assert golden_agreement(path, data, split, side(shipped, data), champion, LEAST) is None
        assert not path.exists()


def test_the_golden_slices_are_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "golden.json").write_text('{"slice_ids": ["a", "b"]}')
    assert golden_slices(tmp_path / "golden.json") == ["a", "b"]


@pytest.mark.parametrize("content", [b"", b"[1]", b"{}", b'{"slice_ids": 3}', b'{"\xff": 1}'])
def test_a_damaged_golden_set_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "golden.json"
    path.write_bytes(content)
    with pytest.raises(ModelError) as raised:
        golden_slices(path)
    assert str(raised.value).startswith(f"{path}: expected the golden set as Artemis writes it. ")
    assert str(raised.value).endswith("or delete it to have one made of today's champion.")
