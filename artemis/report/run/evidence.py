"""What a page says of the evidence that it draws: the legend, and how to read it."""

from __future__ import annotations

from typing import Final

import numpy as np
from markupsafe import Markup

from artemis.answers.overlay import colours
from artemis.models.evidence_map import CAPTION
from artemis.report.plots.svg import element, picture
from artemis.report.run.data import RunData
from artemis.report.words import joined, visible

_STEPS: Final = 32
_LEFT, _WIDTH, _HEIGHT = 38, 128, 10


def evidence_legend() -> Markup:
    """Return the colours of the overlays from weak to strong, as an inline SVG."""
    step = _WIDTH / _STEPS
    bars = [
        element(
            "rect",
            x=_LEFT + index * step,
            y=2,
            width=step + 0.5,  # over the next, or a hairline of paper shows between them
            height=_HEIGHT,
            fill="#" + bytes(colour).hex(),
        )
        for index, colour in enumerate(colours(np.linspace(0, 1, _STEPS, dtype=np.float32)))
    ]
    return picture(
        _LEFT + _WIDTH + 46,
        _HEIGHT + 4,
        "Colours of the evidence, from dark violet, weak, to yellow, strong.",
        element("text", "weak", class_="end", x=_LEFT - 6, y=11),
        *bars,
        element("text", "strong", class_="start", x=_LEFT + _WIDTH + 6, y=11),
    )


def evidence_words(data: RunData) -> str:
    """Return what the overlays of a run are, or why there is none."""
    names = [visible(model.name) for model in data.record.models if not model.evidence_maps]
    without = f"{joined(names) or 'no model'} give{'s' * (len(names) < 2)} no evidence maps."
    if data.mapping_model is None:
        return f"No evidence is drawn: {without}"
    words = (
        f"{CAPTION} The second picture shows where {visible(data.mapping_model)} finds what "
        "speaks for the tumour type it answered."
    )
    return f"{words} {without}" if names else words


EVIDENCE_READING: Final = (
    "Nothing of the evidence is about the plane. Its colours go from weak to strong within one "
    "slice and cannot be compared between slices; places without colour have next to none. "
    "Colour in the air or far from anything odd is a reason to doubt the answer."
)
"""How to read the overlays."""
