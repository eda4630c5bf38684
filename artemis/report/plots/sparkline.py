"""A probability along the slices of a series, as inline SVG."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby
from typing import Final

from markupsafe import Markup

from artemis.report.plots.svg import dot, element, picture

_WIDTH: Final = 340
_HEIGHT: Final = 84
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 12, 8, 18


def sparkline(
    lines: Sequence[Sequence[float | None]], marked: Collection[int], description: str
) -> Markup:
    """Return each model's probability from the first slice of a series to the last.

    Parameters
    ----------
    lines : sequence of sequence of float or None
        One a model, in [0, 1], all of one length; None, of a slice without an answer, is a
        gap.
    marked : collection of int
        Positions that get the mark of the first model.
    description : str
        Text alternative.
    """
    count = max((len(line) for line in lines), default=0)
    span, floor = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _BOTTOM

    def place(position: int, value: float) -> tuple[float, float]:
        x = _LEFT + (span * position / (count - 1) if count > 1 else span / 2)
        return x, floor - value * (floor - _TOP)

    parts = _frame(count, floor)
    for order, line in enumerate(lines):
        style = f"trace m{order % 4}"
        for known, run in groupby(enumerate(line), lambda pair: pair[1] is not None):
            if known:
                points = [place(k, value) for k, value in run if value is not None]
                if len(points) == 1:  # a lone value is still seen, as a short dash
                    points = [(points[0][0] + reach, points[0][1]) for reach in (-2, 2)]
                written = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
                parts.append(element("polyline", class_=style, points=written))
    for position, value in enumerate(lines[0] if lines else ()):
        if position in marked and value is not None:
            parts.append(dot(0, *place(position, value)))
    return picture(_WIDTH, _HEIGHT, description, *parts)


def _frame(count: int, floor: float) -> list[Markup]:
    right = _WIDTH - _RIGHT
    return [
        element("line", class_="grid", x1=_LEFT, x2=right, y1=_TOP, y2=_TOP),
        element("line", class_="axis", x1=_LEFT, x2=right, y1=floor, y2=floor),
        element("text", "100%", class_="end", x=_LEFT - 6, y=_TOP + 4),
        element("text", "0", class_="end", x=_LEFT - 6, y=floor + 4),
        element("text", "1", class_="start", x=_LEFT, y=floor + 14),
        element("text", str(count), class_="end", x=right, y=floor + 14),
    ]
