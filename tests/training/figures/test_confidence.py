from __future__ import annotations

import numpy as np
import pytest

from artemis.training.figures.confidence import (
    BINS,
    calibration_error,
    confidence_figures,
    equal_mass_bins,
    equal_width_bins,
    surest,
)
from artemis.training.figures.evaluate import evaluate, resampled_groups
from tests.training.drawn import softmax

SOURCES = ["drawn"] * 450


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray, list[str]]:
    random = np.random.default_rng(8)
    categories = random.integers(0, 12, 450)
    logits = random.normal(size=(450, 12)) + 2.5 * np.eye(12)[categories]
    return softmax(1.7 * logits), categories, [str(k // 5) for k in range(450)]


def test_bins_of_equal_mass_hold_equally_many(drawn) -> None:
    bins = equal_mass_bins(drawn[0].max(axis=1))
    assert np.bincount(bins).tolist() == [30] * BINS
    assert (np.diff(bins[np.argsort(drawn[0].max(axis=1), kind="stable")]) >= 0).all()


def test_bins_of_equal_width_hold_certainty_in_the_last() -> None:
    confidence = np.array([0.0, 0.066, 0.067, 0.5, 1.0], dtype=np.float32)
    assert equal_width_bins(confidence).tolist() == [0, 0, 1, 7, 14]


@pytest.mark.parametrize("bins", [equal_width_bins, equal_mass_bins])
def test_calibration_error_is_that_of_the_definition(drawn, bins) -> None:
    p, truth, _ = drawn
    confidence, hit = p.max(axis=1).astype(float), p.argmax(axis=1) == truth
    chosen = bins(p.max(axis=1))
    expected = sum(
        (chosen == k).mean() * abs(confidence[chosen == k].mean() - hit[chosen == k].mean())
        for k in range(BINS)
        if (chosen == k).any()
    )
    assert calibration_error(p, truth, chosen) == pytest.approx(expected)


def test_evaluation_holds_the_figures_with_intervals(drawn) -> None:
    p, truth, groups = drawn
    metrics = evaluate(p, truth, groups, SOURCES, "test", uncalibrated=p**2).metrics
    assert metrics["ece_equal_mass"].value == pytest.approx(
        calibration_error(p, truth, equal_mass_bins(p.max(axis=1)))
    )
    assert metrics["ece_uncalibrated"].value == pytest.approx(calibration_error(p**2, truth))
    assert metrics["nll"].value == pytest.approx(
        -np.log(p[np.arange(450), truth].astype(float)).mean()
    )
    for name in ("ece_equal_mass", "nll", "accuracy_surest_80", "aurc"):
        assert metrics[name].low <= metrics[name].value <= metrics[name].high


def test_every_patient_weighs_the_same_in_the_figures_by_patient(drawn) -> None:
    p, truth, groups = drawn
    groups = ["one" if k < 400 else groups[k] for k in range(449)] + ["of a single slice"]
    scores = ((p - np.eye(12)[truth]) ** 2).sum(axis=1)
    means = [scores[np.array(groups) == name].mean() for name in sorted(set(groups))]
    metrics = evaluate(p, truth, groups, SOURCES, "test").metrics
    assert metrics["brier_by_patient"].value == pytest.approx(np.mean(means))
    assert metrics["brier"].value == pytest.approx(scores.mean())
    nll = -np.log(p[np.arange(450), truth])
    means = [nll[np.array(groups) == name].mean() for name in sorted(set(groups))]
    assert metrics["nll_by_patient"].value == pytest.approx(np.mean(means), rel=1e-5)


def test_figure_before_calibration_is_left_out_where_it_is_not_known(drawn) -> None:
    p, truth, groups = drawn
    assert "ece_uncalibrated" not in evaluate(p, truth, groups, SOURCES, "test").metrics


def test_accuracy_of_the_surest_is_of_the_four_fifths_with_least_doubt(drawn) -> None:
    p, truth, groups = drawn
    hit = p.argmax(axis=1) == truth
    expected = hit[np.argsort(-p.max(axis=1), kind="stable")[:360]].mean()
    metrics = evaluate(p, truth, groups, SOURCES, "test").metrics
    assert metrics["accuracy_surest_80"].value == pytest.approx(expected)
    assert surest(1 - p.max(axis=1).astype(float), hit) == pytest.approx(expected)


def test_area_under_the_risk_coverage_curve_is_the_mean_of_its_risks(drawn) -> None:
    p, truth, groups = drawn
    miss = (p.argmax(axis=1) != truth)[np.argsort(-p.max(axis=1), kind="stable")]
    expected = np.mean([miss[: k + 1].mean() for k in range(450)])
    assert evaluate(p, truth, groups, SOURCES, "").metrics["aurc"].value == pytest.approx(expected)


def test_doubt_given_orders_the_slices(drawn) -> None:
    p, truth, groups = drawn
    codes, draws = resampled_groups(groups, 0, 50)
    hit = p.argmax(axis=1) == truth
    figures, resampled = confidence_figures(p, truth, codes, draws, doubt=(~hit).astype(float))
    assert figures["accuracy_surest_80"] == pytest.approx(min(1.0, hit.sum() / 360))
    assert resampled["accuracy_surest_80"].shape == (50,)


def test_resample_that_repeats_a_group_counts_it_as_often(drawn) -> None:
    p, truth, groups = drawn
    codes, _ = resampled_groups(groups, 0)
    weights = np.ones((1, 90), dtype=np.int64)
    weights[0, :10] = 3
    _, resampled = confidence_figures(p, truth, codes, weights)
    rows = np.concatenate([np.arange(450), *[np.flatnonzero(codes < 10)] * 2])
    once = confidence_figures(p[rows], truth[rows], codes[rows], np.ones((1, 90), dtype=np.int64))[
        0
    ]
    for name in ("nll", "accuracy_surest_80"):
        assert resampled[name][0] == pytest.approx(once[name])


def test_nobody_is_no_figure() -> None:
    assert np.isnan(surest(np.empty(0), np.empty(0, dtype=bool)))
