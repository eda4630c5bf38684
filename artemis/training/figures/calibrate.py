"""Make confidence mean what it says, on slices that the network was not trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LOG_RANGE = (-2.5, 2.5)
_STEPS = 60


def negative_log_likelihood(
    logits: NDArray[np.float32], categories: NDArray[np.int64], temperature: float
) -> float:
    """Return the mean negative log likelihood, in nats; lower is better."""
    scaled = logits.astype(np.float64) / temperature
    top = scaled.max(axis=1, keepdims=True)
    normaliser = np.log(np.exp(scaled - top).sum(axis=1)) + top[:, 0]
    return float((normaliser - scaled[np.arange(len(scaled)), categories]).mean())


def fit_temperature(logits: NDArray[np.float32], categories: NDArray[np.int64]) -> float:
    """Return the temperature with the lowest negative log likelihood.

    One number that divides all logits (Guo et al., ICML 2017), found by golden-section
    search over its logarithm; the likelihood has a single minimum in it.

    Parameters
    ----------
    logits : ndarray, (n, 12), float32
        Of slices that the network was not trained on.
    categories : ndarray, (n,), int64
        Their true category indices.
    """
    ratio = (np.sqrt(5.0) - 1) / 2
    low, high = _LOG_RANGE
    for _ in range(_STEPS):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if negative_log_likelihood(logits, categories, float(np.exp(left))) <= (
            negative_log_likelihood(logits, categories, float(np.exp(right)))
        ):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))
