"""The reliability diagram, inline SVG: is an answer said with 80% right four times out of five."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from markupsafe import Markup

from artemis.report.plots.svg import element, picture
from artemis.report.words import counted, number, percent

_SIDE: Final = 220
_LEFT, _TOP, _RIGHT, _BOTTOM = 44, 12, 16, 38
_LARGEST: Final = 9.0  # radius of the fullest bin, in pixels
_SMALLEST: Final = 2.0

CAPTION: Final = (
    "Each disc is a bin of answers of like confidence; its area is the number of slices. On the "
    "diagonal an answer is right as often as its confidence says: below it the model is surer "
    "than it should be, above it less sure. Small discs rest on few slices and say little."
)
"""How to read the diagram."""


def reliability_plot(bins: Sequence[Mapping[str, float]], name: str, style: str = "m0") -> Markup:
    """Return a reliability diagram (DeGroot and Fienberg, The Statistician 1983).

    Parameters
    ----------
    bins : sequence of mapping
        ``images``, ``confidence`` (mean, 0 to 1) and ``accuracy`` (0 to 1) of each bin that
        holds a slice, as in `artemis.models.manifest.Evaluation.reliability`.
    name : str
        Whose, for the text alternative.
    style : str
        Class of the style sheet for the discs, such as ``m1`` for the second model.
    """
    most = max((one["images"] for one in bins), default=1)
    discs = [
        element(
            "circle",
            class_=style,
            cx=_x(one["confidence"]),
            cy=_y(one["accuracy"]),
            r=max(_SMALLEST, _LARGEST * math.sqrt(one["images"] / most)),
        )
        for one in bins
    ]
    listed = "; ".join(
        f"said {percent(one['confidence'])}, right {percent(one['accuracy'])} of "
        f"{counted(int(one['images']), 'slice')}"
        for one in bins
    )
    words = f"Reliability diagram of {name}: {listed or 'no slice was measured'}."
    width, height = _LEFT + _SIDE + _RIGHT, _TOP + _SIDE + _BOTTOM
    return picture(width, height, words, *_frame(), *discs)


def _x(share: float) -> float:
    return _LEFT + share * _SIDE


def _y(share: float) -> float:
    return _TOP + (1 - share) * _SIDE


def _frame() -> list[Markup]:
    parts = []
    for step in range(5):
        share = step / 4
        label = f"{number(25 * step)}%"
        style = "grid" if step else "axis"
        parts += [
            element("line", class_=style, x1=_x(0), x2=_x(1), y1=_y(share), y2=_y(share)),
            element("line", class_=style, x1=_x(share), x2=_x(share), y1=_y(0), y2=_y(1)),
            element("text", label, class_="end", x=_LEFT - 6, y=_y(share) + 4),
            element("text", label, class_="mid", x=_x(share), y=_y(0) + 16),
        ]
    return [
        *parts,
        element("line", class_="mark", x1=_x(0), x2=_x(1), y1=_y(0), y2=_y(1)),
        element("text", "confidence", class_="mid", x=_x(0.5), y=_y(0) + 32),
        element("text", "right", class_="start", x=_LEFT + 4, y=_TOP + 10),
    ]
