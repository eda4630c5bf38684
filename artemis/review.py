"""Which slices a human should look at first, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from artemis.labels import OBLIQUE
from artemis.settings import ReviewSettings


class ReviewReason(StrEnum):
    """Why a slice needs review."""

    MODELS_DISAGREE = "models_disagree"
    LOW_CONFIDENCE = "low_confidence"
    OUT_OF_DISTRIBUTION = "out_of_distribution"
    PLANE_MISMATCH = "plane_mismatch"
    POOR_QUALITY = "poor_quality"


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
        Distance from the training features, and the model's limit.
    """

    tumor: str
    plane: str
    confidence: float
    ood_score: float
    ood_threshold: float


def review_reasons(
    answer: Answer,
    others: list[Answer],
    slice_row: Mapping[str, Any],
    settings: ReviewSettings,
) -> list[str]:
    """Return the reasons why a human should look at a slice; empty if there is none.

    Parameters
    ----------
    answer : Answer
        Of the model whose row is written.
    others : list of Answer
        Of the other models, for the same slice.
    slice_row : mapping
        The slice's row of the table `slices`: ``header_plane``, ``width``, ``height``
        and ``contrast`` are used.
    settings : ReviewSettings
        Thresholds.
    """
    header_plane = slice_row["header_plane"]
    checks = {
        ReviewReason.MODELS_DISAGREE: any(
            (other.tumor, other.plane) != (answer.tumor, answer.plane) for other in others
        ),
        ReviewReason.LOW_CONFIDENCE: answer.confidence < settings.min_confidence,
        ReviewReason.OUT_OF_DISTRIBUTION: answer.ood_score > answer.ood_threshold,
        ReviewReason.PLANE_MISMATCH: header_plane not in (None, OBLIQUE, answer.plane),
        ReviewReason.POOR_QUALITY: (
            min(slice_row["width"], slice_row["height"]) < settings.min_side
            or slice_row["contrast"] < settings.min_contrast
        ),
    }
    return [str(reason) for reason, holds in checks.items() if holds]
