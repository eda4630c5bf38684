"""Rules that make one answer of a study out of those of its slices. Pure functions.

How well each does on patients whom nobody who answered had seen is measured with every model
(`artemis.training.figures.study_figures`) and stands in its card; docs/confidence.md says why the
default is what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from artemis.labels import NO_TUMOR, TUMORS

DEFAULT_RULE: Final = "mean_of_top_8"

Probabilities = NDArray[np.float64]

_NONE: Final = TUMORS.index(NO_TUMOR)
_LEAST: Final = 1e-6  # of a probability, before its logarithm


def mean_of_top(by_tumor: Probabilities, count: int) -> Probabilities:
    """Return the mean over the slices that are most probably of some tumour.

    A tumour is seen in a few slices of many; the mean over all would answer "none". With
    `count` at or above the number of slices it is that mean.

    Parameters
    ----------
    by_tumor : ndarray, (n, 4), float64
        Probability of each tumour type in each slice, in the order of
        `artemis.labels.TUMORS`; rows sum to 1 and n is at least 1.
    count : int
        Number of slices, at least 1.

    Returns
    -------
    ndarray, (4,), float64
        Summing to 1.
    """
    order = np.argsort(by_tumor[:, _NONE], kind="stable")
    top = by_tumor[order[:count]].mean(axis=0)
    pooled: Probabilities = top / top.sum()
    return pooled


def noisy_or(by_tumor: Probabilities) -> Probabilities:
    """Return ``1 - prod(1 - p)`` of each type and ``prod(p)`` of "none", scaled to sum to 1.

    The noisy-or of Pearl (Probabilistic Reasoning in Intelligent Systems, 1988): one slice
    suffices, and slices err independently. Neighbouring slices do not, so it is too sure.

    Parameters
    ----------
    by_tumor : ndarray, (n, 4), float64
        See `mean_of_top`.
    """
    logs = np.log1p(-np.minimum(by_tumor, 1 - _LEAST)).sum(axis=0)
    some = -np.expm1(logs)
    some[_NONE] = np.exp(np.log(np.maximum(by_tumor[:, _NONE], _LEAST)).sum())
    pooled: Probabilities = some / some.sum()
    return pooled


def mean_log_odds(by_tumor: Probabilities) -> Probabilities:
    """Return each type's mean log-odds over the slices as a probability, scaled to sum to 1.

    The logit model of Satopaa et al. (International Journal of Forecasting 2014) without its
    sharpening: as sure as the slices are on average.

    Parameters
    ----------
    by_tumor : ndarray, (n, 4), float64
        See `mean_of_top`.
    """
    clipped = np.clip(by_tumor, _LEAST, 1 - _LEAST)
    odds = np.log(clipped / (1 - clipped)).mean(axis=0)
    shares = 1 / (1 + np.exp(-odds))
    pooled: Probabilities = shares / shares.sum()
    return pooled


RULES: Final[Mapping[str, Callable[[Probabilities], Probabilities]]] = {
    "mean_of_top_1": partial(mean_of_top, count=1),
    "mean_of_top_3": partial(mean_of_top, count=3),
    "mean_of_top_5": partial(mean_of_top, count=5),
    "mean_of_top_8": partial(mean_of_top, count=8),
    "noisy_or": noisy_or,
    "mean_log_odds": mean_log_odds,
}
"""The rules by the names that the table `studies` records."""
