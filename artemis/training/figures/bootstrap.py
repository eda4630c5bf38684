"""Figures of one model, or of two on the same resamples of patient groups, and differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from artemis.labels import TUMORS
from artemis.models.manifest import Interval
from artemis.training.figures.evaluate import (
    metrics_of_sums,
    percentile_interval,
    resampled_groups,
    slice_statistics,
    tumor_recalls_of_sums,
)

_COMPARED: Final = ("accuracy", "macro_f1", "ece")


def recall_key(tumor: str) -> str:
    """Return the name of a tumour's recall among the figures."""
    return f"recall_{tumor}"


@dataclass(frozen=True, slots=True, eq=False)
class Resampled:
    """Figures of one model, measured and on each resample.

    Attributes
    ----------
    value : dict of str to float
        ``accuracy``, ``macro_f1`` and ``ece`` as `artemis.training.figures.evaluate` defines
        them, and ``recall_<tumor>`` of each tumour type that occurs.
    draws : dict of str to ndarray, (resamples,), float64
        The same of each resample; NaN where a draw holds none of a tumour type.
    """

    value: dict[str, float]
    draws: dict[str, NDArray[np.float64]]

    @property
    def intervals(self) -> dict[str, Interval]:
        """Each figure with its 95 % percentile interval."""
        return {
            name: percentile_interval(value, self.draws[name]) for name, value in self.value.items()
        }

    def minus(self, other: Resampled) -> dict[str, Interval]:
        """Return each figure's difference from another model's on the same resamples.

        Paired cluster bootstrap, percentile interval (Efron and Tibshirani 1993, chapters 8
        and 13; over groups, Field and Welsh 2007): what makes a group hard for both models
        cancels.

        Parameters
        ----------
        other : Resampled
            Of the same slices and groups, with the same number of resamples and seed.
        """
        return {
            name: percentile_interval(
                value - other.value[name], self.draws[name] - other.draws[name]
            )
            for name, value in self.value.items()
        }


def resample(
    categories: NDArray[np.int64],
    groups: Sequence[str],
    probabilities: NDArray[np.float32],
    *,
    resamples: int,
    seed: int,
) -> Resampled:
    """Measure a model on the slices, and on groups drawn from them with replacement.

    Parameters
    ----------
    categories : ndarray, (n,), int64
        True category indices.
    groups : sequence of str, length n
        Patient group of each slice.
    probabilities : ndarray, (n, 12), float32
        Calibrated.
    resamples : int
        Number of draws.
    seed : int
        Of the draws; the order of the slices does not matter.
    """
    codes, draws = resampled_groups(groups, seed, resamples)
    statistics = slice_statistics(probabilities, categories)
    by_group = np.zeros((draws.shape[1], statistics.shape[1]))
    np.add.at(by_group, codes, statistics)
    whole, drawn = _figures(by_group.sum(axis=0)[None]), _figures(draws @ by_group)
    known = [name for name, value in whole.items() if np.isfinite(value[0])]
    return Resampled(
        {name: float(whole[name][0]) for name in known}, {name: drawn[name] for name in known}
    )


def grouped_mean(
    values: NDArray[np.float64], codes: NDArray[np.int64], draws: NDArray[np.int64]
) -> Interval:
    """Return a mean with its 95 % percentile interval over resampled groups.

    Parameters
    ----------
    values : ndarray, (n,), float64
        One each; n is at least 1.
    codes, draws
        Group of each, and how often a resample draws each group, see
        `artemis.training.figures.evaluate.resampled_groups`.
    """
    sums = np.bincount(codes, weights=values, minlength=draws.shape[1])
    counts = np.bincount(codes, minlength=draws.shape[1])
    drawn = (draws @ sums) / (draws @ counts).clip(min=1)
    return percentile_interval(float(values.mean()), drawn)


def _figures(sums: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return each figure of ``(b, 190)`` summed `slice_statistics` as ``(b,)``."""
    metrics, recalls = metrics_of_sums(sums), tumor_recalls_of_sums(sums)
    return {name: metrics[name] for name in _COMPARED} | {
        recall_key(tumor): recalls[:, k] for k, tumor in enumerate(TUMORS)
    }
