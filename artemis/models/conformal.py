"""Sets of categories that hold the truth at a stated rate: thresholds to sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from artemis.labels import CATEGORIES, CATEGORY_NAMES

LEVEL: Final = 0.9
"""Rate at which the sets of the column ``set_90`` are to hold the truth."""

_ROUNDING: Final = 1e-6  # probabilities are float32


def members(
    probabilities: NDArray[np.float32], thresholds: Mapping[str, float]
) -> NDArray[np.bool_]:
    """Return which categories are in the set of each slice.

    A category is in it if ``1 - p`` is at most the threshold of its tumour type (the score LAC of
    Sadinle, Lei and Wasserman, JASA 2019), and the most probable one always is: no set is empty.

    Parameters
    ----------
    probabilities : ndarray, (n, 12), float32
        Calibrated.
    thresholds : mapping of str to float
        By tumour type, 0 to 1; see `artemis.training.figures.conformal`.

    Returns
    -------
    ndarray, (n, 12), bool
        At least one of each row.
    """
    limits = np.array([thresholds[category.tumor] for category in CATEGORIES])
    chosen = (1.0 - probabilities.astype(np.float64)) <= limits + _ROUNDING
    chosen[np.arange(len(chosen)), probabilities.argmax(axis=1)] = True
    return chosen


def prediction_sets(
    probabilities: NDArray[np.float32], thresholds: Mapping[str, float]
) -> list[list[str]]:
    """Return the set of each slice as names of categories, the most probable first.

    Parameters
    ----------
    probabilities, thresholds
        See `members`.
    """
    chosen = members(probabilities, thresholds)
    order = np.argsort(-probabilities, axis=1, kind="stable")
    return [
        [CATEGORY_NAMES[k] for k in ranked if inside[k]]
        for ranked, inside in zip(order, chosen, strict=True)
    ]
