"""How far a slice may lie from the training slices, and how many of other patients lie beyond."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from artemis.models.manifest import Interval
from artemis.training.figures.bootstrap import grouped_mean
from artemis.training.figures.evaluate import resampled_groups

FALSE_REFUSALS: Final = 0.03
"""Share of the slices that a limit is set on which lie beyond it."""


def distance_limit(scores: NDArray[np.float32]) -> float:
    """Return the out-of-distribution score beyond which a slice is refused.

    Parameters
    ----------
    scores : ndarray, (n,), float32
        Of slices that the network was not trained on.
    """
    return float(np.quantile(scores, 1 - FALSE_REFUSALS))


def false_refusals(
    scores: NDArray[np.float32], parts: NDArray[np.int64], groups: Sequence[str]
) -> Interval | None:
    """Return the share of slices beyond a limit that was set on the other parts.

    On the slices that a limit is set on the share is what was aimed at, whatever they are, so
    that would measure nothing.

    Parameters
    ----------
    scores : ndarray, (n,), float32
        See `distance_limit`.
    parts : ndarray, (n,), int64
        Part of each slice, each of whole groups: a fold, or see
        `artemis.training.figures.calibrate.group_parts`.
    groups : sequence of str, length n
        Patient group of each slice.

    Returns
    -------
    Interval or None
        With its 95 % percentile interval over resampled groups; None of a single part.
    """
    names = np.unique(parts)
    if len(names) < 2:
        return None
    refused = np.zeros(len(scores))
    for part in names:
        here = parts == part
        refused[here] = scores[here] > distance_limit(scores[~here])
    codes, draws = resampled_groups(groups, 0)
    return grouped_mean(refused, codes, draws)
