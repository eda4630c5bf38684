"""Whether a model's evidence lies where the tumour is, and depends on what it has learnt.

Figures of maps against known tumour boxes, on slices that the model has not seen, and the
randomisation check: maps that look the same of a network with random weights show the
picture, not the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artemis.labels import PLANES
from artemis.models.evidence_map import tumor_evidence
from artemis.models.manifest import Interval
from artemis.preprocess import foreground_threshold
from artemis.training.figures.evaluate import RESAMPLES, percentile_interval, resampled_groups

MEASURES: Final = ("pointing_game", "energy_in_box", "heat_outside_head")


@dataclass(frozen=True, slots=True, eq=False)
class Localisation:
    """Measures of each slice's map; NaN where one is not defined.

    Attributes
    ----------
    pointing_game : ndarray, (n,), float64
        1 where the hottest place lies in the box, else 0 (Zhang et al., "Top-down neural
        attention by excitation backprop", IJCV 2018). A map of no heat misses. NaN without
        a box.
    energy_in_box : ndarray, (n,), float64
        Share of the heat that lies in the box, 0 to 1 (Wang et al., Score-CAM, CVPR
        workshops 2020). A map of no heat has 0. Higher is better; a box that covers a tenth
        of the picture gets 0.1 from an even map. NaN without a box.
    heat_outside_head : ndarray, (n,), float64
        Share of the heat outside the head, 0 to 1; lower is better. NaN of no heat.
    """

    pointing_game: NDArray[np.float64]
    energy_in_box: NDArray[np.float64]
    heat_outside_head: NDArray[np.float64]


def figures_of_maps(
    maps: NDArray[np.float32],
    probabilities: NDArray[np.float32],
    categories: NDArray[np.int64],
    boxes: NDArray[np.float32],
    pictures: NDArray[np.uint8],
    groups: Sequence[str],
    tolerance: float = 0.0,
) -> dict[str, Interval | None]:
    """Return the figures of a model's evidence for its answers, as a model card quotes them.

    Parameters
    ----------
    maps, probabilities, categories, boxes, pictures, tolerance
        See `judge_maps`.
    groups : sequence of str, length n
        Patient group of each slice.
    """
    measured = judge_maps(maps, probabilities, categories, boxes, pictures, tolerance)
    return summarise(measured, groups)


def judge_maps(
    maps: NDArray[np.float32],
    scores: NDArray[np.float32],
    categories: NDArray[np.int64],
    boxes: NDArray[np.float32],
    pictures: NDArray[np.uint8],
    tolerance: float = 0.0,
) -> Localisation:
    """Measure a model's evidence for its answers.

    The two measures against boxes are of slices whose tumour type was answered rightly: where
    the answer is wrong, evidence for it should not lie on the tumour. Heat outside the head is
    of all slices.

    Parameters
    ----------
    maps : ndarray, (n, h, w, 4), float32
        Of slices that the model has not seen.
    scores : ndarray, (n, 12), float32
        Probabilities or logits of the same slices: the highest is the answer.
    categories : ndarray, (n,), int64
        True category indices.
    boxes, pictures, tolerance
        See `localise`.
    """
    shown = scores.argmax(axis=1) // len(PLANES)
    right = shown == categories // len(PLANES)
    judged = np.where(right[:, None], boxes, np.float32(np.nan))
    return localise(tumor_evidence(maps, shown), judged, pictures, tolerance)


def localise(
    evidence: NDArray[np.float32],
    boxes: NDArray[np.float32],
    pictures: NDArray[np.uint8],
    tolerance: float = 0.0,
) -> Localisation:
    """Measure maps against tumour boxes and heads.

    Each place of a map stands for its square of the model input, so that shares of heat are
    exact and need no interpolation. The hottest place is the middle of its square.

    Parameters
    ----------
    evidence : ndarray, (n, h, w), float32
        At least 0, see `artemis.models.evidence_map.tumor_evidence`.
    boxes : ndarray, (n, 4), float32
        x0, y0, x1, y1 in fractions of the model input; NaN where none is known.
    pictures : ndarray, (n, side, side), uint8
        Model inputs; `side` a multiple of h and w.
    tolerance : float
        Distance from the box, in fractions of an edge, at which the hottest place still
        counts. The paper allows 15 pixels; 0 is the strict game.
    """
    known = np.isfinite(boxes).all(axis=1)
    total = evidence.sum(axis=(1, 2), dtype=np.float64)
    warm = total > 0
    inside = (evidence * _coverage(evidence.shape[1:], boxes)).sum(axis=(1, 2))
    outside = (evidence * (1 - _head_share(pictures, evidence.shape[1:]))).sum(axis=(1, 2))
    safe = np.where(warm, total, 1)
    hits = (_hottest_in_box(evidence, boxes, tolerance) & warm).astype(np.float64)
    return Localisation(
        pointing_game=np.where(known, hits, np.nan),
        energy_in_box=np.where(known, np.where(warm, inside / safe, 0), np.nan),
        heat_outside_head=np.where(warm, outside / safe, np.nan),
    )


def summarise(
    measured: Localisation, groups: Sequence[str], seed: int = 0
) -> dict[str, Interval | None]:
    """Return the mean of each measure with its 95 % interval over resampled patient groups.

    Parameters
    ----------
    measured : Localisation
        Of n slices.
    groups : sequence of str, length n
        Patient group of each slice.
    seed : int
        Of the resampling.

    Returns
    -------
    dict of str to Interval or None
        By the names in `MEASURES`; None where no slice has the measure.
    """
    codes, draws = resampled_groups(groups, seed, RESAMPLES)
    figures: dict[str, Interval | None] = {}
    for name in MEASURES:
        values: NDArray[np.float64] = getattr(measured, name)
        known = np.isfinite(values)
        if not known.any():
            figures[name] = None
            continue
        sums = np.bincount(codes[known], values[known], minlength=draws.shape[1])
        counts = np.bincount(codes[known], minlength=draws.shape[1])
        with np.errstate(invalid="ignore"):
            drawn = draws @ sums / (draws @ counts)
        figures[name] = percentile_interval(float(values[known].mean()), drawn)
    return figures


def head_mask(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the head with all that it encloses, so that a dark ventricle is not outside it.

    A pixel belongs to the head if foreground lies on both sides of it in its row, and above
    and below it in its column.

    Parameters
    ----------
    picture : ndarray, (h, w), uint8
        Grey picture.
    """
    foreground = picture > foreground_threshold(picture)
    enclosed = np.ones(picture.shape, dtype=bool)
    for axis in (0, 1):
        before = np.logical_or.accumulate(foreground, axis=axis)
        behind = np.flip(np.logical_or.accumulate(np.flip(foreground, axis), axis=axis), axis)
        enclosed &= before & behind
    return enclosed


def rank_correlation(
    first: NDArray[np.float32], second: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return Spearman's rank correlation of each pair of maps, in [-1, 1].

    Ties share their mean rank. NaN where a map is the same everywhere.

    Parameters
    ----------
    first, second : ndarray, (n, h, w), float32
        Maps of the same slices.
    """
    ranks = [
        pd.DataFrame(maps.reshape(len(maps), -1)).rank(axis=1).to_numpy(dtype=np.float64)
        for maps in (first, second)
    ]
    a, b = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    lengths = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation: NDArray[np.float64] = np.where(
            lengths > 0, (a * b).sum(axis=1) / lengths, np.nan
        )
    return correlation


def randomisation_check(
    trained: NDArray[np.float32], randomised: NDArray[np.float32]
) -> dict[str, float]:
    """Compare the maps of a network with those of the same network with random weights.

    The model parameter randomisation test of Adebayo et al. ("Sanity checks for saliency
    maps", NeurIPS 2018), by rank correlation: near 0, the maps depend on what was learnt;
    near 1, they are edges of the picture.

    Parameters
    ----------
    trained, randomised : ndarray, (n, h, w), float32
        Evidence for the same tumour type of the same slices.

    Returns
    -------
    dict of str to float
        ``mean`` and ``mean_absolute`` of the correlations, and ``slices``, the number that
        could be compared: a map without any difference has no ranks. NaN if that is 0.
    """
    correlations = rank_correlation(trained, randomised)
    known = correlations[np.isfinite(correlations)]
    return {
        "mean": float(known.mean()) if known.size else float("nan"),
        "mean_absolute": float(np.abs(known).mean()) if known.size else float("nan"),
        "slices": float(known.size),
    }


def _coverage(shape: tuple[int, ...], boxes: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return which share of each place's square lies in the box, ``(n, h, w)``; 0 without a box."""
    height, width = shape
    filled = np.nan_to_num(boxes.astype(np.float64), nan=0.0)
    rows = _overlap(height, filled[:, 1], filled[:, 3])
    columns = _overlap(width, filled[:, 0], filled[:, 2])
    return rows[:, :, None] * columns[:, None, :]


def _overlap(
    count: int, low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.float64]:
    edges = np.arange(count + 1) / count
    reach = np.minimum(edges[None, 1:], high[:, None]) - np.maximum(edges[None, :-1], low[:, None])
    share: NDArray[np.float64] = np.clip(reach, 0, None) * count
    return share


def _hottest_in_box(
    evidence: NDArray[np.float32], boxes: NDArray[np.float32], tolerance: float
) -> NDArray[np.bool_]:
    height, width = evidence.shape[1:]
    hottest = evidence.reshape(len(evidence), -1).argmax(axis=1)
    x, y = (hottest % width + 0.5) / width, (hottest // width + 0.5) / height
    x0, y0, x1, y1 = boxes.T.astype(np.float64)
    inside: NDArray[np.bool_] = (
        (x >= x0 - tolerance)
        & (x <= x1 + tolerance)
        & (y >= y0 - tolerance)
        & (y <= y1 + tolerance)
    )
    return inside


def _head_share(pictures: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.float64]:
    height, width = shape
    side = pictures.shape[1]
    masks = np.stack([head_mask(picture) for picture in pictures])
    blocks = masks.reshape(len(pictures), height, side // height, width, side // width)
    share: NDArray[np.float64] = blocks.mean(axis=(2, 4))
    return share
