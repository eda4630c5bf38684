from __future__ import annotations

import numpy as np
import pytest

from artemis.training.figures.calibrate import fit_temperature, negative_log_likelihood


@pytest.fixture
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
