"""The words of the page about drift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from artemis.report.drift.measure import Shift, Side, Size
from artemis.report.words import (
    QUALITY_WORDS,
    counted,
    joined,
    number,
    visible,
)

FEW: Final = 50
"""Slices below which a batch says little about drift."""

SIZE_WORDS: Final[Mapping[Size, str]] = {
    "chance": "no more than chance",
    "small": "small",
    "moderate": "moderate",
    "large": "large",
}

_NAMES: Final[Mapping[str, str]] = {
    "status": "Classified, refused, failed",
    "categories": "Categories",
    "confidence": "Confidence",
    "ood_score": "Out-of-distribution score",
}


def measure_words(shift: Shift) -> str:
    """Return what a shift is of: ``Confidence, mobilenet_v2``."""
    name = _NAMES.get(shift.key) or QUALITY_WORDS[shift.key].partition(",")[0]
    return name if shift.model is None else f"{name}, {visible(shift.model)}"


def verdict(shifts: Sequence[Shift], reference: str) -> str:
    """Return what moved in one sentence, counts first."""
    if not shifts:
        return f"Nothing of this batch can be held against {reference}."
    moved = {
        size: [measure_words(one) for one in shifts if one.size == size]
        for size in ("large", "moderate")
    }
    if not any(moved.values()):
        many = (
            "The only measure lies" if len(shifts) == 1 else f"None of {len(shifts)} measures lies"
        )
        return f"{many} further from {reference} than chance or a small shift explains."
    said = [f"{size} in {number(len(names))}" for size, names in moved.items() if names]
    return f"Of {counted(len(shifts), 'measure')}, the shift from {reference} is {joined(said)}."


def notices(batch: Side, other: Side | None) -> list[str]:
    """Return what a reader must know before the figures."""
    said = []
    classified = int((batch.slices["status"] == "ok").sum())
    if classified < FEW:
        said.append(
            f"{counted(classified, 'slice')} classified: so few say little about a batch, and "
            "only large shifts can be told from chance."
        )
    said += _learnt(batch, "this batch")
    if other is not None:
        said += _learnt(other, "the other run")
    if other is None:
        said.append(
            "Of the training images the picture quality and what would have been refused are not "
            "recorded. Hold the batch against an earlier run for those: --against RUN."
        )
        said += [
            f"This run does not record how {visible(model.name)} sees its training images, so "
            "distance and confidence are not compared. Classify again."
            for model in batch.record.models
            if model.seen is None
        ]
        return said
    for model in batch.record.models:
        before = other.model(model.name)
        if before is None or before.sha256 != model.sha256:
            version = "did not use it" if before is None else f"used version {before.version}"
            said.append(
                f"Answers of {visible(model.name)} are not compared: this run used version "
                f"{visible(model.version)}, the other {visible(version)}, and the model's change "
                "would pass for the batch\u2019s. See --compare for what changed."
            )
    return said


def _learnt(side: Side, name: str) -> list[str]:
    """Return of which slices confidence is not counted, since a model was trained on them."""
    seen = {
        visible(model.name): int(side.answers(model.name)["trained_on"].sum())
        for model in side.record.models
    }
    return [
        f"{model} was trained on {counted(slices, 'slice')} of {name}. Its confidence in them is "
        "not counted: it has learnt them."
        for model, slices in seen.items()
        if slices
    ]
