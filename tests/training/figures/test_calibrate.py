from __future__ import annotations

import numpy as np
import pytest

from artemis.models.runtime import softmax
from artemis.training.figures.calibrate import (
    choose_temperature,
    cross_fitted,
    fit_temperature,
    group_parts,
    negative_log_likelihood,
)


@pytest.fixture(scope="module")
def calibrated() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    logits = random.normal(size=(20_000, 12)) * 2
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    categories = (p.cumsum(axis=1) > random.random((len(p), 1))).argmax(axis=1)
    return logits.astype(np.float32), categories


@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
def test_temperature_undoes_a_factor_of_confidence(calibrated, factor: float) -> None:
    logits, categories = calibrated
    assert fit_temperature(logits * np.float32(factor), categories) == pytest.approx(
        factor, rel=0.04
    )


def test_likelihood_is_that_of_the_formula() -> None:
    logits = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], dtype=np.float32))
    expected = -(np.log(0.7) + np.log(0.1)) / 2
    assert negative_log_likelihood(logits, np.array([0, 1]), 1.0) == pytest.approx(expected)


def test_no_other_temperature_is_likelier(calibrated) -> None:
    logits, categories = calibrated
    best = fit_temperature(logits, categories)
    lowest = negative_log_likelihood(logits, categories, best)
    for other in (best * 0.9, best * 1.1):
        assert negative_log_likelihood(logits, categories, other) > lowest


def test_temperature_that_helps_is_kept(calibrated) -> None:
    logits, categories = calibrated
    parts = group_parts([str(k // 20) for k in range(len(logits))])
    chosen = choose_temperature(logits * 3, categories, parts)
    assert chosen.value == chosen.fitted == pytest.approx(3, rel=0.04)
    assert chosen.error < 0.02 < chosen.uncalibrated_error
    assert chosen.words.endswith("on groups that it was not fitted on")


def test_temperature_that_makes_the_calibration_error_worse_is_not_used(calibrated) -> None:
    # Each part is calibrated by itself, but not at the other's temperature.
    logits, categories = calibrated
    parts = np.repeat([0, 1], len(logits) // 2)
    skewed = np.where(parts[:, None] == 0, logits * 3, logits / 3).astype(np.float32)
    chosen = choose_temperature(skewed, categories, parts)
    assert chosen.error > chosen.uncalibrated_error
    assert chosen.value == 1.0
    assert "would be likeliest, but is not used" in chosen.words


def test_served_calibration_error_is_never_above_the_uncalibrated_one(calibrated) -> None:
    logits, categories = (values[:3000] for values in calibrated)
    parts = np.repeat(np.arange(5), 600)
    kept = []
    for seed in range(6):
        factors = np.exp(np.random.default_rng(seed).normal(0, 0.15 * seed, 5))
        shaken = (logits * factors[parts][:, None]).astype(np.float32)
        chosen = choose_temperature(shaken, categories, parts)
        served = chosen.uncalibrated_error if chosen.value == 1 else chosen.error
        assert served <= chosen.uncalibrated_error
        kept.append(chosen.value == 1)
    assert set(kept) == {True, False}  # both decisions were taken


def test_temperature_that_nothing_could_be_seen_of_is_not_used(calibrated) -> None:
    logits, categories = calibrated
    chosen = choose_temperature(logits * 3, categories, np.zeros(len(logits), dtype=np.int64))
    assert chosen.fitted == pytest.approx(3, rel=0.04)
    assert chosen.value == 1.0
    assert "would be likeliest, but is not used" in chosen.words


def test_parts_hold_whole_groups_in_equal_numbers() -> None:
    groups = [f"g{k % 40}" for k in range(500)]
    parts = group_parts(groups)
    of = {
        group: {int(p) for g, p in zip(groups, parts, strict=True) if g == group}
        for group in groups
    }
    assert all(len(found) == 1 for found in of.values())
    assert np.bincount([found.pop() for found in of.values()]).tolist() == [8] * 5


def test_single_part_is_left_as_it_is(calibrated) -> None:
    logits, categories = calibrated
    found = cross_fitted(logits, categories, np.zeros(len(logits), dtype=np.int64))
    assert np.array_equal(found, softmax(logits))
