"""Figures of a model on slices that it has not seen, with intervals by patient group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from artemis.labels import CATEGORIES, CATEGORY_NAMES, PLANES
from artemis.models.manifest import Evaluation, Interval

BINS: Final = 15
_RESAMPLES: Final = 2000
_COUNT: Final = len(CATEGORIES)


def evaluate(
    probabilities: NDArray[np.float32],
    categories: NDArray[np.int64],
    groups: Sequence[str],
    sources: Sequence[str],
    protocol: str,
    seed: int = 0,
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

    Returns
    -------
    Evaluation
        `metrics` hold ``accuracy``, ``macro_f1``, ``tumor_accuracy``, ``plane_accuracy``
        (higher is better), ``ece`` (expected calibration error over 15 equal bins of
        confidence, Naeini et al., AAAI 2015) and ``brier`` (sum over categories; lower is
        better), each with a 95 % percentile interval over resampled groups.
    """
    predicted = probabilities.argmax(axis=1)
    statistics = _statistics(probabilities, predicted, categories)
    codes, names = _encode(groups)
    by_group = np.zeros((len(names), statistics.shape[1]))
    np.add.at(by_group, codes, statistics)
    whole = _metrics(by_group.sum(axis=0)[None])
    draws = np.random.default_rng(seed).multinomial(
        len(names), np.full(len(names), 1 / len(names)), size=_RESAMPLES
    )
    resampled = _metrics(draws @ by_group)
    confusion = by_group.sum(axis=0)[: _COUNT**2].reshape(_COUNT, _COUNT)
    return Evaluation(
        protocol=protocol,
        images=len(categories),
        groups=len(names),
        metrics={
            name: Interval(
                value=float(values[0]),
                low=float(np.percentile(resampled[name], 2.5)),
                high=float(np.percentile(resampled[name], 97.5)),
            )
            for name, values in whole.items()
        },
        per_source=_per_source(predicted, categories, np.asarray(sources)),
        per_category=_per_category(confusion),
        confusion=confusion.astype(int).tolist(),
        reliability=_reliability(by_group.sum(axis=0)),
    )


def _statistics(
    probabilities: NDArray[np.float32],
    predicted: NDArray[np.int64],
    categories: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return per slice what every metric is a function of the sum of, so that resampling is fast.

    Columns: confusion (144), then count, sum of confidence and of hits by confidence bin
    (3 x 15), then the Brier score.
    """
    n = len(categories)
    rows = np.arange(n)
    confusion = np.zeros((n, _COUNT**2))
    confusion[rows, categories * _COUNT + predicted] = 1
    confidence = probabilities[rows, predicted].astype(np.float64)
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    calibration = np.zeros((3, n, BINS))
    for column, values in enumerate((np.ones(n), confidence, predicted == categories)):
        calibration[column, rows, bins] = values
    brier = ((probabilities - np.eye(_COUNT)[categories]) ** 2).sum(axis=1)
    return np.hstack([confusion, *calibration, brier[:, None]])


def _metrics(sums: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return each metric of ``(b, 190)`` summed statistics as ``(b,)``."""
    confusion = sums[:, : _COUNT**2].reshape(-1, _COUNT, _COUNT)
    count, confidence, hits = np.split(sums[:, _COUNT**2 : -1], 3, axis=1)
    total = count.sum(axis=1).clip(min=1)
    diagonal = np.einsum("bii->bi", confusion)
    support, claimed = confusion.sum(axis=2), confusion.sum(axis=1)
    f1 = 2 * diagonal / (support + claimed).clip(min=1)
    present = support > 0
    planes = len(PLANES)
    folded = confusion.reshape(-1, _COUNT // planes, planes, _COUNT // planes, planes)
    return {
        "accuracy": diagonal.sum(axis=1) / total,
        "macro_f1": (f1 * present).sum(axis=1) / present.sum(axis=1).clip(min=1),
        "tumor_accuracy": np.einsum("bipiq->b", folded) / total,
        "plane_accuracy": np.einsum("bipjp->b", folded) / total,
        "ece": np.abs(confidence - hits).sum(axis=1) / total,
        "brier": sums[:, -1] / total,
    }


def _per_source(
    predicted: NDArray[np.int64], categories: NDArray[np.int64], sources: NDArray[np.str_]
) -> dict[str, dict[str, float]]:
    planes = len(PLANES)
    result = {}
    for source in sorted(set(sources.tolist())):
        of = sources == source
        result[source] = {
            "images": int(of.sum()),
            "accuracy": float((predicted == categories)[of].mean()),
            "tumor_accuracy": float((predicted // planes == categories // planes)[of].mean()),
        }
    return result


def _per_category(confusion: NDArray[np.float64]) -> dict[str, dict[str, float]]:
    result = {}
    for index, name in enumerate(CATEGORY_NAMES):
        hits, support = confusion[index, index], confusion[index].sum()
        claimed = confusion[:, index].sum()
        result[name] = {
            "images": int(support),
            "precision": float(hits / claimed) if claimed else 0.0,
            "recall": float(hits / support) if support else 0.0,
        }
    return result


def _reliability(sums: NDArray[np.float64]) -> list[dict[str, float]]:
    count, confidence, hits = np.split(sums[_COUNT**2 : -1], 3)
    return [
        {"images": int(n), "confidence": float(c / n), "accuracy": float(h / n)}
        for n, c, h in zip(count, confidence, hits, strict=True)
        if n
    ]


def _encode(groups: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.str_]]:
    names, codes = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    return codes, names
