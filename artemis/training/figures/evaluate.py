"""Figures of a model on slices that it has not seen, with intervals by patient group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from artemis.labels import CATEGORIES, CATEGORY_NAMES, PLANES, TUMORS
from artemis.models.manifest import ClassFigures, Evaluation, Interval, SourceFigures
from artemis.models.mistakes import worst_mistakes
from artemis.training.figures.confidence import (
    BINS,
    brier_scores,
    confidence_figures,
    equal_mass_bins,
    equal_width_bins,
)

RESAMPLES: Final = 2000
_COUNT: Final = len(CATEGORIES)


def evaluate(
    probabilities: NDArray[np.float32],
    categories: NDArray[np.int64],
    groups: Sequence[str],
    sources: Sequence[str],
    protocol: str,
    seed: int = 0,
    *,
    uncalibrated: NDArray[np.float32] | None = None,
    slice_ids: Sequence[str] | None = None,
) -> Evaluation:
    """Measure predictions against the truth.

    Parameters
    ----------
    probabilities : ndarray, (n, 12), float32
        Calibrated probabilities.
    categories : ndarray, (n,), int64
        True category indices.
    groups : sequence of str, length n
        Patient group of each slice: the unit that the intervals resample.
    sources : sequence of str, length n
        Where each slice comes from.
    protocol : str
        One sentence: what was trained on and what is tested.
    seed : int
        Of the resampling.
    uncalibrated : ndarray, (n, 12), float32, optional
        Probabilities of the same slices before calibration.
    slice_ids : sequence of str, length n, optional
        Names of the slices; with them the most confident mistakes are recorded.

    Returns
    -------
    Evaluation
        `metrics` hold ``accuracy``, ``macro_f1``, ``tumor_accuracy``, ``plane_accuracy``
        (higher is better), ``ece`` (expected calibration error over 15 equal bins of
        confidence, Naeini et al., AAAI 2015), ``brier`` (sum over categories; lower is
        better), and those of `artemis.training.figures.confidence.confidence_figures`, each
        with a 95 % percentile interval over resampled groups. That of a calibration error lies
        too high where the error is small, see ``docs/confidence.md``. A tumour counts as found
        whatever the plane.
    """
    table = slice_statistics(probabilities, categories)
    whole, resampled = _bootstrap(table, groups, seed)
    codes, draws = resampled_groups(groups, seed)
    sure, sure_resampled = confidence_figures(
        probabilities, categories, codes, draws, uncalibrated=uncalibrated
    )
    figures = _figures(
        metrics_of_sums(whole) | {name: np.array([value]) for name, value in sure.items()},
        metrics_of_sums(resampled) | sure_resampled,
    )
    confusion = whole[0, : _COUNT**2].reshape(_COUNT, _COUNT)
    return Evaluation(
        protocol=protocol,
        images=len(categories),
        groups=len(set(groups)),
        metrics={name: interval for name, interval in figures.items() if interval is not None},
        per_source=_per_subset(table, groups, sources, seed),
        per_plane=_per_subset(table, groups, np.asarray(PLANES)[categories % len(PLANES)], seed),
        per_tumor=_per_class(_fold(whole), _fold(resampled), TUMORS),
        per_category=_per_class(_square(whole), _square(resampled), CATEGORY_NAMES),
        confusion=confusion.astype(int).tolist(),
        reliability=_reliability(probabilities, categories, equal_width_bins),
        reliability_equal_mass=_reliability(probabilities, categories, equal_mass_bins),
        mistakes=worst_mistakes(probabilities, categories, slice_ids, groups, sources)
        if slice_ids is not None
        else [],
    )


def macro_f1(predicted: NDArray[np.int64], categories: NDArray[np.int64]) -> float:
    """Return the mean F1 score of the categories that occur in the truth.

    Parameters
    ----------
    predicted, categories : ndarray, (n,), int64
        Category indices, 0 to 11.
    """
    confusion = np.bincount(categories * _COUNT + predicted, minlength=_COUNT**2)
    return float(_macro_f1(confusion.reshape(1, _COUNT, _COUNT).astype(np.float64))[0])


def slice_statistics(
    probabilities: NDArray[np.float32], categories: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return per slice what every metric is a function of the sum of, so that resampling is fast.

    Returns
    -------
    ndarray, (n, 190), float64
        Confusion (144), then count, sum of confidence and of hits by confidence bin
        (3 x 15), then the Brier score.
    """
    n = len(categories)
    rows = np.arange(n)
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((n, _COUNT**2))
    confusion[rows, categories * _COUNT + predicted] = 1
    confidence = probabilities[rows, predicted].astype(np.float64)
    bins = equal_width_bins(confidence)
    calibration = np.zeros((3, n, BINS))
    for column, values in enumerate((np.ones(n), confidence, predicted == categories)):
        calibration[column, rows, bins] = values
    return np.hstack([confusion, *calibration, brier_scores(probabilities, categories)[:, None]])


def resampled_groups(
    groups: Sequence[str], seed: int, resamples: int = RESAMPLES
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the group index of each slice, and how often each resample draws each group.

    Returns
    -------
    codes : ndarray, (n,), int64
        Group of each slice.
    draws : ndarray, (resamples, groups), int64
        Multinomial counts: a bootstrap over groups (Field and Welsh, J. R. Stat. Soc. B 2007).
    """
    names, codes = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    draws = np.random.default_rng(seed).multinomial(
        len(names), np.full(len(names), 1 / len(names)), size=resamples
    )
    return codes, draws


def _bootstrap(
    table: NDArray[np.float64], groups: Sequence[str], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the summed statistics of all groups, ``(1, 190)``, and of each resample."""
    codes, draws = resampled_groups(groups, seed)
    by_group = np.zeros((draws.shape[1], table.shape[1]))
    np.add.at(by_group, codes, table)
    return by_group.sum(axis=0)[None], draws @ by_group


def percentile_interval(value: float, resampled: NDArray[np.float64]) -> Interval:
    """Return a figure with its 95 % percentile interval.

    Parameters
    ----------
    value : float
        As measured.
    resampled : ndarray, (resamples,), float64
        The same of each resample; those that are not a number are left out.
    """
    low, high = np.nanpercentile(resampled, (2.5, 97.5))
    return Interval(value=value, low=float(low), high=float(high))


def metrics_of_sums(sums: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return the metrics of summed statistics, each ``(b,)``, as `evaluate` names them.

    Parameters
    ----------
    sums : ndarray, (b, 190), float64
        Of `slice_statistics`, b times.
    """
    confusion = _square(sums)
    count, confidence, hits = np.split(sums[:, _COUNT**2 : -1], 3, axis=1)
    total = count.sum(axis=1).clip(min=1)
    folded = confusion.reshape(-1, len(TUMORS), len(PLANES), len(TUMORS), len(PLANES))
    return {
        "accuracy": np.einsum("bii->b", confusion) / total,
        "macro_f1": _macro_f1(confusion),
        "tumor_accuracy": np.einsum("bipiq->b", folded) / total,
        "plane_accuracy": np.einsum("bipjp->b", folded) / total,
        "ece": np.abs(confidence - hits).sum(axis=1) / total,
        "brier": sums[:, -1] / total,
    }


def tumor_recalls_of_sums(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the recall of each tumour type, ``(b, 4)``; NaN where there is none of it.

    Parameters
    ----------
    sums : ndarray, (b, 190), float64
        As `metrics_of_sums` takes them.
    """
    return _shares(_fold(sums), 2)


def _square(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    return sums[:, : _COUNT**2].reshape(-1, _COUNT, _COUNT)


def _fold(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``(b, 4, 4)`` confusions of tumour types."""
    shape = (-1, len(TUMORS), len(PLANES), len(TUMORS), len(PLANES))
    folded: NDArray[np.float64] = _square(sums).reshape(shape).sum(axis=(2, 4))
    return folded


def _macro_f1(confusion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``(b,)`` mean F1 scores of the classes that occur in the truth."""
    support, claimed = confusion.sum(axis=2), confusion.sum(axis=1)
    scores = 2 * np.einsum("bii->bi", confusion) / (support + claimed).clip(min=1)
    present = support > 0
    mean: NDArray[np.float64] = (scores * present).sum(axis=1) / present.sum(axis=1).clip(min=1)
    return mean


def _figures(
    whole: dict[str, NDArray[np.float64]], resampled: dict[str, NDArray[np.float64]]
) -> dict[str, Interval | None]:
    return {name: _interval(values, resampled[name]) for name, values in whole.items()}


def _interval(value: NDArray[np.float64], resampled: NDArray[np.float64]) -> Interval | None:
    """Return a figure with its interval; None where it is undefined."""
    return percentile_interval(float(value[0]), resampled) if np.isfinite(value[0]) else None


def _shares(confusion: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    total = confusion.sum(axis=axis)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares: NDArray[np.float64] = np.einsum("bii->bi", confusion) / total
    return shares


def _per_class(
    whole: NDArray[np.float64], resampled: NDArray[np.float64], names: Sequence[str]
) -> dict[str, ClassFigures]:
    recall, recalls = _shares(whole, 2), _shares(resampled, 2)
    precision, precisions = _shares(whole, 1), _shares(resampled, 1)
    return {
        name: ClassFigures(
            images=int(whole[0, k].sum()),
            precision=_interval(precision[:, k], precisions[:, k]),
            recall=_interval(recall[:, k], recalls[:, k]),
        )
        for k, name in enumerate(names)
    }


def _per_subset(
    table: NDArray[np.float64],
    groups: Sequence[str],
    names: Sequence[str] | NDArray[np.str_],
    seed: int,
) -> dict[str, SourceFigures]:
    """Return figures on the slices of each name, such as a source or a true plane."""
    of_group, of_name = np.asarray(groups, dtype=str), np.asarray(names, dtype=str)
    result = {}
    for name in sorted(set(of_name.tolist())):
        chosen = of_name == name
        whole, resampled = _bootstrap(table[chosen], of_group[chosen].tolist(), seed)
        figures = _figures(metrics_of_sums(whole), metrics_of_sums(resampled))
        tumors = _per_class(_fold(whole), _fold(resampled), TUMORS)
        f1 = _interval(_macro_f1(_fold(whole)), _macro_f1(_fold(resampled)))
        accuracy, tumor_accuracy = figures["accuracy"], figures["tumor_accuracy"]
        plane_accuracy = figures["plane_accuracy"]
        if accuracy is None or tumor_accuracy is None or plane_accuracy is None or f1 is None:
            continue
        result[name] = SourceFigures(
            images=int(chosen.sum()),
            groups=len(set(of_group[chosen].tolist())),
            accuracy=accuracy,
            tumor_accuracy=tumor_accuracy,
            tumor_macro_f1=f1,
            tumor_recall={
                tumor: of.recall for tumor, of in tumors.items() if of.recall is not None
            },
            plane_accuracy=plane_accuracy,
        )
    return result


def _reliability(
    probabilities: NDArray[np.float32],
    categories: NDArray[np.int64],
    binned: Callable[[NDArray[np.float64]], NDArray[np.int64]],
) -> list[dict[str, float]]:
    """Return slices, mean confidence and accuracy of each bin that holds a slice."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    hits = probabilities.argmax(axis=1) == categories
    bins = binned(confidence)
    count, said, right = (
        np.bincount(bins, weights=values, minlength=BINS)
        for values in (np.ones(len(bins)), confidence, hits)
    )
    return [
        {"images": float(n), "confidence": float(c / n), "accuracy": float(h / n)}
        for n, c, h in zip(count, said, right, strict=True)
        if n
    ]
