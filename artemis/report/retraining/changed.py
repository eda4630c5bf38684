"""The answers that a retraining changed, as cards with pictures: what broke, what was mended."""

from __future__ import annotations

from base64 import b64encode
from math import isfinite
from typing import Any, Final

from artemis.models.retrainings import CHANGED_NAME, Outcome
from artemis.report.retraining.data import (
    BROKEN,
    MENDED,
    STILL_WRONG,
    ChangedAnswer,
    RetrainingData,
)
from artemis.report.run.limits import THUMBNAIL_CHARACTERS
from artemis.report.words import (
    CATEGORY_WORDS,
    DASH,
    confidence_step,
    percent,
    sentence,
    visible,
)

CHANGED_CARDS: Final = 24
"""Changed answers shown of each model and kind; the rest are in the table."""

_KINDS: Final = (
    (BROKEN, "Broken", "s-failed", "right before, wrong now"),
    (MENDED, "Mended", "s-ok", "wrong before, right now"),
    (STILL_WRONG, "Still wrong", "s-refused", "wrong before and now, in another way"),
)
_SHORT: Final = 12  # digits of a hash that tell slices apart on a page


def changed_view(data: RetrainingData) -> dict[str, Any]:
    """Return the changed answers of each model, those that broke first, with pictures."""
    pictures = _Pictures()
    models = []
    for model, outcome in data.outcomes:
        kinds = []
        for kind, title, style, words in _KINDS:
            found = data.changed_of(model, kind)
            cards = [
                _card(row, pictures.address(row.jpeg), _steps(outcome))
                for row in found[:CHANGED_CARDS]
            ]
            kinds.append((title, style, words, len(found), cards))
        models.append(
            {
                "style": f"m{data.models.index(model) % 4}",
                "name": visible(model),
                "has_champion": outcome.champion is not None,
                "images": outcome.evaluation.images,
                "found": sum(count for *_, count, _ in kinds),
                "kinds": kinds,
            }
        )
    return {"models": models, "table": f"{data.folder}{CHANGED_NAME}"}


class _Pictures:
    """Pictures as addresses, as long as they fit on the page."""

    def __init__(self) -> None:
        self._left = THUMBNAIL_CHARACTERS

    def address(self, jpeg: bytes) -> str:
        address = f"data:image/jpeg;base64,{b64encode(jpeg).decode('ascii')}"
        if not jpeg or len(address) > self._left:
            return ""
        self._left -= len(address)
        return address


def _steps(outcome: Outcome) -> tuple[int, int]:
    """Return how finely the confidence of champion and challenger may be printed, in per cent."""
    before, now = (
        confidence_step(figure.value if figure else None)
        for figure in (
            one.metrics.get("ece") if one else None
            for one in (outcome.champion_evaluation, outcome.evaluation)
        )
    )
    return before, now


def _card(row: ChangedAnswer, picture: str, steps: tuple[int, int]) -> dict[str, Any]:
    return {
        "picture": picture,
        "slice": visible(row.slice_id[:_SHORT]),
        "truth": _category(row.truth),
        "answers": [
            {
                "when": when,
                "category": _category(answer),
                "right": answer == row.truth,
                # Probabilities that are not finite are a finding of the gate, to be shown.
                "confidence": percent(confidence, step) if isfinite(confidence) else DASH,
                "width": round(100 * confidence, 1) if isfinite(confidence) else 0,
            }
            for when, answer, confidence, step in (
                ("Before", row.champion, row.champion_confidence, steps[0]),
                ("Now", row.challenger, row.challenger_confidence, steps[1]),
            )
        ],
    }


def _category(name: str) -> str:
    return sentence(CATEGORY_WORDS.get(name) or visible(name))
