"""Prediction sets against their promise, and against MAPIE where it knows the case."""

from __future__ import annotations

import math

import numpy as np
import pytest

from artemis.labels import TUMORS
from artemis.models.conformal import members
from artemis.training.figures import conformal
from artemis.training.figures.conformal import (
    BY_TUMOR,
    POOLED,
    fit_sets,
    fit_thresholds,
    group_threshold,
)
from tests.training.drawn import softmax

Drawn = tuple[np.ndarray, np.ndarray, np.ndarray]


def draw(groups: int, seed: int, skill: float = 3.0) -> Drawn:
    """Slices of patients of very different number and difficulty; a patient's slices err together.

    Returns probabilities, true categories and groups.
    """
    random = np.random.default_rng(seed)
    codes = np.repeat(np.arange(groups), random.integers(1, 20, groups))
    categories = random.integers(0, 12, len(codes))
    tempted = random.normal(size=(groups, 12))[codes]
    noise = random.normal(size=(len(codes), 12))
    logits = skill * np.eye(12)[categories] + 0.7 * tempted + 0.7 * noise
    return softmax(skill * logits), categories, codes


def covered(drawn: Drawn, thresholds: dict[str, float]) -> tuple[float, float]:
    p, truth, _ = drawn
    inside = members(p, thresholds)
    return float(inside[np.arange(len(truth)), truth].mean()), float(inside.sum(axis=1).mean())


def test_sets_hold_the_truth_of_nine_in_ten_slices_of_new_patients() -> None:
    rates = []
    for seed in range(30):
        p, truth, codes = draw(60, seed)
        rates.append(covered(draw(60, 1000 + seed), fit_thresholds(p, truth, codes, POOLED))[0])
    assert 0.89 < np.mean(rates) < 0.93


def test_few_patients_make_the_promise_dearer_however_many_slices_they_have() -> None:
    scores = np.linspace(0, 1, 1000)
    assert group_threshold(scores, np.arange(1000)) == pytest.approx(0.9, abs=2e-3)
    assert group_threshold(scores, np.arange(1000) % 20) == pytest.approx(0.9 * 21 / 20, abs=2e-3)


def test_with_fewer_than_nine_patients_every_category_is_in_the_set() -> None:
    p, truth, _ = draw(40, 3)
    assert group_threshold(np.linspace(0, 0.5, 80), np.arange(80) % 8) == 1.0
    thresholds = fit_thresholds(p, truth, np.zeros(len(truth), dtype=np.int64), POOLED)
    assert members(p, thresholds).all()


def test_thresholds_by_tumour_type_cover_each_of_them() -> None:
    p, truth, codes = draw(300, 5, skill=2.6)
    hard = truth < 3
    p[hard] = softmax(3 * np.log(p[hard]))  # surer of gliomas than it is right
    pooled, apart = (fit_thresholds(p, truth, codes, method) for method in (POOLED, BY_TUMOR))
    assert len(set(pooled.values())) == 1
    assert apart["glioma"] > pooled["glioma"] > apart["none"]
    glioma = (p[hard], truth[hard], codes[hard])
    assert covered(glioma, pooled)[0] < 0.87
    assert 0.89 < covered(glioma, apart)[0] < 0.93


def fitted(drawn: Drawn) -> conformal.PredictionSets:
    p, truth, codes = drawn
    return fit_sets(p, p, truth, codes.astype(str).tolist(), codes % 5, "drawn slices")


def test_manifest_states_what_was_measured_on_other_patients() -> None:
    drawn = draw(200, 7)
    sets = fitted(drawn)
    assert sets.level == 0.9
    assert 0.88 < sets.coverage.value < 0.93
    assert sets.coverage.low < sets.coverage.value < sets.coverage.high
    rate, size = covered(drawn, sets.thresholds)
    assert sets.coverage.value == pytest.approx(rate, abs=0.02)
    assert sets.mean_size.value == pytest.approx(size, abs=0.05)
    assert set(sets.tumor_coverage) == set(TUMORS)


def test_thresholds_by_tumour_type_are_taken_only_where_they_pay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn = draw(200, 7)
    assert fitted(drawn).method == BY_TUMOR
    monkeypatch.setattr(conformal, "LARGEST_MEAN_SIZE", 1.0)
    assert fitted(drawn).method == POOLED


def test_sets_of_single_slices_are_those_of_mapie() -> None:
    classification = pytest.importorskip("mapie.classification", reason="needs the extra `dev`")
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Known(ClassifierMixin, BaseEstimator):
        """Gives back the probabilities that it is asked about."""

        classes_ = np.arange(12)

        def fit(self, x: np.ndarray, y: np.ndarray) -> Known:
            return self

        def predict_proba(self, x: np.ndarray) -> np.ndarray:
            return x

        def predict(self, x: np.ndarray) -> np.ndarray:
            return x.argmax(axis=1)

        def __sklearn_is_fitted__(self) -> bool:
            return True

    p, truth, _ = draw(60, 11)
    exact = p.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    half = len(truth) // 2
    oracle = classification.SplitConformalClassifier(
        Known(), confidence_level=0.9, conformity_score="lac", prefit=True
    ).conformalize(exact[:half], truth[:half])
    _, expected = oracle.predict_set(exact[half:])
    expected = expected[:, :, 0]
    thresholds = fit_thresholds(exact[:half], truth[:half], np.arange(half), POOLED)
    found = members(exact[half:], thresholds)
    some = expected.any(axis=1)
    assert some.mean() > 0.8
    assert (found[some] == expected[some]).all()
    # Where MAPIE's set is empty, ours is the most probable category.
    assert (found[~some].sum(axis=1) == 1).all()


@pytest.mark.parametrize("count", [9, 10, 19, 29, 99, 100])
def test_threshold_of_single_slices_is_the_score_of_split_conformal_prediction(count: int) -> None:
    scores = np.random.default_rng(count).random(count)
    rank = math.ceil(round(0.9 * (count + 1), 9))
    assert group_threshold(scores, np.arange(count)) == np.sort(scores)[rank - 1]
    assert group_threshold(scores[:8], np.arange(8)) == 1.0


def test_figures_are_of_the_crossed_probabilities_and_thresholds_of_the_others() -> None:
    p, truth, codes = draw(100, 9)
    crossed, parts = softmax(0.8 * np.log(p)), codes % 5
    sets = fit_sets(p, crossed, truth, codes.astype(str).tolist(), parts, "drawn slices")
    inside = np.zeros((len(truth), 12), dtype=bool)
    for part in range(5):
        here = parts == part
        others = fit_thresholds(crossed[~here], truth[~here], codes[~here], sets.method)
        inside[here] = members(crossed[here], others)
    hit = inside[np.arange(len(truth)), truth]
    assert sets.coverage.value == pytest.approx(hit.mean())
    assert sets.mean_size.value == pytest.approx(inside.sum(axis=1).mean())
    assert sets.group_coverage == pytest.approx(
        np.mean([hit[codes == k].mean() for k in range(100)])
    )
    assert sets.tumor_coverage == pytest.approx(
        {name: hit[truth // 3 == k].mean() for k, name in enumerate(TUMORS)}
    )
    assert sets.thresholds == fit_thresholds(p, truth, codes, sets.method)
    assert sets.fitted_on == "drawn slices"


def test_thresholds_by_tumour_type_are_not_taken_where_they_cover_too_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conformal, "HIGHEST_COVERAGE", 0.5)
    assert fitted(draw(200, 7)).method == POOLED


def test_single_part_is_measured_on_itself_and_a_type_that_does_not_occur_has_no_coverage() -> None:
    p, truth, codes = draw(200, 7)
    some = truth < 9
    groups = codes[some].astype(str).tolist()
    sets = fit_sets(
        p[some], p[some], truth[some], groups, np.zeros(some.sum(), dtype=np.int64), "drawn"
    )
    assert sets.coverage.value == pytest.approx(
        covered((p[some], truth[some], codes[some]), sets.thresholds)[0]
    )
    assert set(sets.tumor_coverage) == {"glioma", "meningioma", "pituitary"}
