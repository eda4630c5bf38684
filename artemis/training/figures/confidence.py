"""Figures of confidence: is a model as sure as it is right, and in doubt where it is wrong.

Figures that depend on the order of all slices, or on bins of equal mass, and so are no function
of sums over slices, as those of `artemis.training.figures.evaluate` are. Each is measured again
on every resample of groups.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

BINS: Final = 15
"""Bins of confidence, for every calibration error."""

SUREST: Final = 0.8
"""Share of slices that is kept where the most doubtful are set aside."""

_LEAST: Final = 1e-12  # a probability of zero has no logarithm
_BLOCK: Final = 200  # resamples at once; bounds the memory


def equal_width_bins(confidence: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """Return the bin, 0 to 14, of each confidence in [0, 1]: fifteen of equal width."""
    return np.minimum((confidence.astype(np.float64) * BINS).astype(np.int64), BINS - 1)


def equal_mass_bins(confidence: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """Return the bin, 0 to 14, of each confidence: by rank, so that bins hold equally many.

    Slices of equal confidence stand in the order given and may be in two neighbouring bins.
    """
    bins = np.empty(len(confidence), dtype=np.int64)
    ranks = np.arange(len(confidence)) * BINS // max(len(confidence), 1)
    bins[np.argsort(confidence, kind="stable")] = ranks
    return bins


def brier_scores(
    probabilities: NDArray[np.float32], categories: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the Brier score of each slice, over all categories, ``(n,)``; lower is better."""
    truth = np.eye(probabilities.shape[1])[categories]
    scores: NDArray[np.float64] = ((probabilities - truth) ** 2).sum(axis=1)
    return scores


def calibration_error(
    probabilities: NDArray[np.float32],
    categories: NDArray[np.int64],
    bins: NDArray[np.int64] | None = None,
) -> float:
    """Return the expected calibration error; lower is better.

    ``sum_b |sum of (confidence - hit) in b| / n`` (Naeini et al., AAAI 2015).

    Parameters
    ----------
    probabilities : ndarray, (n, 12), float32
        Of which the highest is the confidence.
    categories : ndarray, (n,), int64
        True category indices.
    bins : ndarray, (n,), int64, optional
        Of equal width if not given.
    """
    confidence, hits = _confidence(probabilities, categories)
    chosen = equal_width_bins(confidence) if bins is None else bins
    gaps = np.bincount(chosen, weights=confidence - hits, minlength=BINS)
    return float(np.abs(gaps).sum() / max(len(hits), 1))


def confidence_figures(
    probabilities: NDArray[np.float32],
    categories: NDArray[np.int64],
    codes: NDArray[np.int64],
    draws: NDArray[np.int64],
    *,
    doubt: NDArray[np.float64] | None = None,
    uncalibrated: NDArray[np.float32] | None = None,
) -> tuple[dict[str, float], dict[str, NDArray[np.float64]]]:
    """Measure confidence and doubt on all slices, and on resamples of their groups.

    Parameters
    ----------
    probabilities : ndarray, (n, 12), float32
        Calibrated.
    categories : ndarray, (n,), int64
        True category indices.
    codes, draws : ndarray
        See `artemis.training.figures.evaluate.resampled_groups`.
    doubt : ndarray, (n,), float64, optional
        What orders the slices; one minus the confidence if not given.
    uncalibrated : ndarray, (n, 12), float32, optional
        Before calibration.

    Returns
    -------
    values : dict of str to float
        ``ece_equal_mass`` (bins fixed on all slices; Nixon et al., CVPR Workshops 2019),
        ``nll`` (mean negative log likelihood, nats), ``ece_uncalibrated`` where it can be told
        (equal width), ``aurc`` (area under the risk-coverage curve, Geifman and El-Yaniv,
        NeurIPS 2017), ``nll_by_patient`` and ``brier_by_patient`` (means of the groups' means:
        a patient of many slices weighs no more than another); lower is better.
        ``accuracy_surest_80``: accuracy on the 80 % with the least doubt; higher is better.
    resampled : dict of str to ndarray, (resamples,), float64
        The same of each resample.
    """
    confidence, hits = _confidence(probabilities, categories)
    truth = probabilities[np.arange(len(categories)), categories].astype(np.float64)
    sums = {
        "ece_equal_mass": _gaps(confidence - hits, equal_mass_bins(confidence)),
        "nll": -np.log(np.maximum(truth, _LEAST))[:, None],
    }
    if uncalibrated is not None:
        before, hit = _confidence(uncalibrated, categories)
        sums["ece_uncalibrated"] = _gaps(before - hit, equal_width_bins(before))
    everyone = np.ones((1, draws.shape[1]), dtype=np.int64)
    ordered = 1 - confidence if doubt is None else doubt
    by_patient = {
        "nll_by_patient": sums["nll"][:, 0],
        "brier_by_patient": brier_scores(probabilities, categories),
    }
    found = []
    for weights in (everyone, draws):
        figures = {name: _mean_of_sums(table, codes, weights) for name, table in sums.items()}
        figures |= {name: _mean_of_groups(v, codes, weights) for name, v in by_patient.items()}
        figures |= _selective(ordered, hits, codes, weights)
        found.append(figures)
    return {name: float(values[0]) for name, values in found[0].items()}, found[1]


def surest(doubt: NDArray[np.float64], hits: NDArray[np.bool_], share: float = SUREST) -> float:
    """Return the accuracy on the share of slices with the least doubt; NaN without a slice.

    Parameters
    ----------
    doubt : ndarray, (n,), float64
        Higher is more doubtful.
    hits : ndarray, (n,), bool
        Whether the answer is right.
    share : float
        Of the slices that is kept, 0 to 1.
    """
    kept = round(share * len(hits))
    return float(hits[np.argsort(doubt, kind="stable")[:kept]].mean()) if kept else float("nan")


def _confidence(
    probabilities: NDArray[np.float32], categories: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    hits: NDArray[np.bool_] = probabilities.argmax(axis=1) == categories
    return probabilities.max(axis=1).astype(np.float64), hits


def _gaps(gaps: NDArray[np.float64], bins: NDArray[np.int64]) -> NDArray[np.float64]:
    table = np.zeros((len(gaps), BINS))
    table[np.arange(len(gaps)), bins] = gaps
    return table


def _mean_of_sums(
    table: NDArray[np.float64], codes: NDArray[np.int64], weights: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the sum of the absolute column sums a slice, ``(b,)``; one column is its mean."""
    groups = weights.shape[1]
    by_group = np.zeros((groups, table.shape[1]))
    np.add.at(by_group, codes, table)
    total = (weights @ np.bincount(codes, minlength=groups)).clip(min=1)
    sums: NDArray[np.float64] = np.abs(weights @ by_group).sum(axis=1) / total
    return sums


def _mean_of_groups(
    values: NDArray[np.float64], codes: NDArray[np.int64], weights: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the mean over the drawn groups of each group's mean, ``(b,)``."""
    groups = weights.shape[1]
    slices = np.bincount(codes, minlength=groups)
    means = np.bincount(codes, weights=values, minlength=groups) / slices.clip(min=1)
    mean: NDArray[np.float64] = (weights @ means) / weights.sum(axis=1).clip(min=1)
    return mean


def _selective(
    doubt: NDArray[np.float64],
    hits: NDArray[np.bool_],
    codes: NDArray[np.int64],
    weights: NDArray[np.int64],
) -> dict[str, NDArray[np.float64]]:
    order = np.argsort(doubt, kind="stable")
    parts = list(_selective_blocks(hits[order], codes[order], weights))
    kept, area = (np.concatenate(column) for column in zip(*parts, strict=True))
    return {"accuracy_surest_80": kept, "aurc": area}


def _selective_blocks(
    hits: NDArray[np.bool_], codes: NDArray[np.int64], weights: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    for start in range(0, len(weights), _BLOCK):
        times = weights[start : start + _BLOCK][:, codes]
        seen = times.cumsum(axis=1).clip(min=1)
        accuracy = (times * hits).cumsum(axis=1) / seen
        total = seen[:, -1]
        last = (seen < SUREST * total[:, None] - 0.5).sum(axis=1).clip(max=len(hits) - 1)
        area = ((1 - accuracy) * times).sum(axis=1) / total
        yield accuracy[np.arange(len(times)), last], area
