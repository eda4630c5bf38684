"""Which slices a human should look at first, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from artemis.labels import OBLIQUE, PLANES, TUMORS
from artemis.settings import ReviewSettings

_FAR_DOUBT: Final = 0.5  # of a slice just beyond the out-of-distribution limit


class ReviewReason(StrEnum):
    """Why a slice needs review."""

    MODELS_DISAGREE = "models_disagree"
    SET_LARGER_THAN_ONE = "set_larger_than_one"
    LOW_CONFIDENCE = "low_confidence"
    OUT_OF_DISTRIBUTION = "out_of_distribution"
    PLANE_MISMATCH = "plane_mismatch"
    POOR_QUALITY = "poor_quality"
    TEXT_BURNT_IN = "text_burnt_in"


@dataclass(frozen=True, slots=True)
class Answer:
    """One model's answer for a slice, as far as review depends on it.

    Attributes
    ----------
    tumor, plane : str
        Of the most probable category.
    confidence : float
        Its calibrated probability.
    ood_score, ood_threshold : float
        Distance from the training slices, and the model's limit.
    set_size : int
        Categories in its prediction set.
    """

    tumor: str
    plane: str
    confidence: float
    ood_score: float
    ood_threshold: float
    set_size: int


def review_reasons(
    answer: Answer,
    others: list[Answer],
    slice_row: Mapping[str, Any],
    settings: ReviewSettings,
) -> list[str]:
    """Return the reasons why a human should look at a slice; empty if there is none.

    Of one beyond the out-of-distribution limit neither a low confidence nor a large set is a
    reason: both are made of probabilities, which mean nothing there.

    Parameters
    ----------
    answer : Answer
        Of the model whose row is written.
    others : list of Answer
        Of the other models, for the same slice.
    slice_row : mapping
        The slice's row of the table `slices`: ``header_plane``, ``width``, ``height``
        and ``contrast`` are used; and ``burnt_in``, whether its file says that text is burnt
        into it, by which a model may have gone.
    settings : ReviewSettings
        Thresholds.
    """
    header_plane = slice_row["header_plane"]
    far = answer.ood_score > _limit(answer, settings)
    checks = {
        ReviewReason.MODELS_DISAGREE: any(
            (other.tumor, other.plane) != (answer.tumor, answer.plane) for other in others
        ),
        ReviewReason.SET_LARGER_THAN_ONE: not far and answer.set_size > settings.max_set_size,
        ReviewReason.LOW_CONFIDENCE: not far and answer.confidence < settings.min_confidence,
        ReviewReason.OUT_OF_DISTRIBUTION: far,
        ReviewReason.PLANE_MISMATCH: header_plane not in (None, OBLIQUE, answer.plane),
        ReviewReason.POOR_QUALITY: (
            min(slice_row["width"], slice_row["height"]) < settings.min_side
            or slice_row["contrast"] < settings.min_contrast
        ),
        ReviewReason.TEXT_BURNT_IN: slice_row["burnt_in"],
    }
    return [str(reason) for reason, holds in checks.items() if holds]


def sureness(
    own: NDArray[np.float32], others: Sequence[NDArray[np.float32]], weight: float
) -> NDArray[np.float64]:
    """Return how sure models are of one model's answers: of the less sure half of each.

    An answer is right if its tumour type and its plane both are. Of each the probability is
    summed over the other, ``(1 - w) own + w mean of the others``, and the smaller one counts.

    Measured on 2,705 slices of unseen patients, five folds of the shipped recipes
    (mobilenet_v2's answers, 0.898 right): with the fifth set aside that is most doubtful, 0.960
    of the rest are right by this with a tenth of the weight on the baseline, 0.956 by the
    category's own probability; area under the risk-coverage curve 0.034, and 0.038 with the
    fifth of the weight that seemed best on one fold. See docs/confidence.md.

    Parameters
    ----------
    own : ndarray, (n, 12), float32 in [0, 1]
        Calibrated probabilities of the model whose answers these are.
    others : sequence of ndarray, (n, 12)
        Those of the other models; without any, `own` alone counts.
    weight : float in [0, 1]
        Of the others.

    Returns
    -------
    ndarray, (n,), float64 in [0, 1]
    """
    answers, rows = own.argmax(axis=1), np.arange(len(own))
    mixed = own.astype(np.float64)
    if others:
        mixed = (1 - weight) * mixed + weight * np.mean(others, axis=0, dtype=np.float64)
    halves = mixed.reshape(-1, len(TUMORS), len(PLANES))
    tumor = halves.sum(axis=2)[rows, answers // len(PLANES)]
    plane = halves.sum(axis=1)[rows, answers % len(PLANES)]
    less: NDArray[np.float64] = np.minimum(tumor, plane).clip(0, 1)
    return less


def doubt_of(
    answer: Answer, sure: float, reasons: Collection[str], settings: ReviewSettings
) -> float:
    """Return how doubtful an answer is, from 0 (sure) to 1: what the review queue is ordered by.

    ``1 - s f (1 - d1) (1 - d2)`` with `s` how sure the models are of it; `f` 1 within the
    out-of-distribution limit and half the limit over the score beyond it; and `d1`, `d2` the
    settings' doubt for a plane other than the header's and for poor quality, 0 where there is
    none. It falls as the models are surer, rises with the distance, and never falls for a
    reason more. Within its limit the distance adds nothing to this.

    Parameters
    ----------
    answer : Answer
        Of one model.
    sure : float in [0, 1]
        See `sureness`.
    reasons : collection of str
        See `review_reasons`.
    settings : ReviewSettings
        Weights.
    """
    limit = _limit(answer, settings)
    if answer.ood_score > limit:
        sure *= _FAR_DOUBT * limit / answer.ood_score
    if ReviewReason.PLANE_MISMATCH in reasons:
        sure *= 1 - settings.plane_mismatch_doubt
    if ReviewReason.POOR_QUALITY in reasons:
        sure *= 1 - settings.poor_quality_doubt
    return min(max(1 - sure, 0.0), 1.0)


def _limit(answer: Answer, settings: ReviewSettings) -> float:
    return settings.max_ood_ratio * answer.ood_threshold
