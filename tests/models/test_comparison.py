from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from artemis.errors import ModelError
from artemis.models.comparison import Answers, compare, compare_answers
from artemis.models.registry import load_model, model_folder
from tests.models.versions import SHIPPED, make_version


def pictures(side: int, count: int = 6) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, side, side), dtype=np.uint8)


def test_figures_of_two_versions_stand_side_by_side(tmp_path: Path) -> None:
    path = make_version(tmp_path, "v1") / "manifest.json"
    manifest = json.loads(path.read_text())
    before = dict(manifest["evaluation"]["metrics"]["macro_f1"])
    manifest["evaluation"]["metrics"]["macro_f1"]["value"] += 0.01
    path.write_text(json.dumps(manifest))
    found = compare(tmp_path, "baseline@v1", "baseline")
    assert (found.a.version, found.b.version) == ("v1", SHIPPED.name)
    assert (found.a.champion, found.b.champion) == (False, True)
    assert found.a.protocol == manifest["evaluation"]["protocol"]
    assert found.same_protocol
    figure = found.figures["macro_f1"]
    assert figure.b is not None
    assert figure.b.model_dump() == before
    assert figure.difference == pytest.approx(0.01)
    assert {"accuracy", "ece"} <= set(found.figures)
    assert len(found.recalls) == 12
    assert found.recalls["glioma_coronal"].difference == 0


def test_figures_of_different_protocols_have_no_difference(tmp_path: Path) -> None:
    path = make_version(tmp_path, "v1") / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["evaluation"]["protocol"] = "By image, at random."
    path.write_text(json.dumps(manifest))
    found = compare(tmp_path, "v1", "baseline")
    assert not found.same_protocol
    assert found.figures["macro_f1"].a is not None
    assert {figure.difference for figure in found.figures.values()} == {None}


def test_figure_that_one_manifest_lacks_is_left_open(tmp_path: Path) -> None:
    path = make_version(tmp_path, "v1") / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["evaluation"]["metrics"]["brier"]
    path.write_text(json.dumps(manifest))
    brier = compare(tmp_path, "baseline", "v1").figures["brier"]
    assert brier.a is not None
    assert (brier.b, brier.difference) == (None, None)


def test_model_that_is_not_there_cannot_be_compared(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"one version that 'v9' means\. Received none"):
        compare(tmp_path, "baseline", "v9")


def test_answers_of_a_model_and_itself_are_the_same(tmp_path: Path) -> None:
    model = load_model(model_folder(tmp_path, "baseline"), 1)
    answers = compare_answers(model, model, {150: pictures(150)})
    assert answers.differing.tolist() == []
    agreement = answers.agreement
    assert (agreement.slices, agreement.equal_share, agreement.largest_difference) == (6, 1.0, 0.0)


def test_models_of_different_input_sizes_answer_the_same_pictures(tmp_path: Path) -> None:
    a, b = (load_model(model_folder(tmp_path, name), 1) for name in ("mobilenet_v2", "baseline"))
    side = a.manifest.input.side
    given = {side: pictures(side), 150: pictures(150)}
    answers = compare_answers(a, b, given)
    assert answers.a == pytest.approx(a.probabilities(a.predict(given[side]).logits), abs=1e-6)
    assert answers.b == pytest.approx(b.probabilities(b.predict(given[150]).logits), abs=1e-6)
    apart = answers.a.argmax(axis=1) != answers.b.argmax(axis=1)
    assert answers.differing.tolist() == np.flatnonzero(apart).tolist()
    assert answers.agreement.equal_share == pytest.approx(1 - apart.mean())
    assert answers.agreement.largest_difference == pytest.approx(
        np.abs(answers.a - answers.b).max(), abs=1e-6
    )


def test_golden_set_is_known_by_its_pictures(tmp_path: Path) -> None:
    model = load_model(model_folder(tmp_path, "baseline"), 1)
    one, same, other = (
        compare_answers(model, model, {150: stack}).sha256
        for stack in (pictures(150), pictures(150), pictures(150, 5))
    )
    assert one == same
    assert one != other


def test_pictures_of_the_wrong_size_are_refused(tmp_path: Path) -> None:
    model = load_model(model_folder(tmp_path, "baseline"), 1)
    with pytest.raises(ValueError, match=r"edges of 150 and 150. Received \{64: 6\}"):
        compare_answers(model, model, {64: pictures(64)})


def test_agreement_of_broken_answers_is_none() -> None:
    p = np.full((3, 12), 1 / 12, dtype=np.float32)
    assert Answers(p, p * np.nan, "").agreement.largest_difference == float("inf")
    assert Answers(p[:0], p[:0], "").agreement.equal_share == 0
