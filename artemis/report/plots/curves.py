"""Line plots of what changes by epoch, and intervals beside zero, as inline SVG.

Built on `artemis.report.plots.svg`: colours and type come from the style sheet, series differ in
the shape of their marks as well as in colour, and nothing is clipped.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from markupsafe import Markup

from artemis.models.manifest import Interval
from artemis.report.plots.svg import dot, element, picture
from artemis.report.words import measured

_WIDTH: Final = 340
_HEIGHT: Final = 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 14, 26, 24
_LABELS: Final = 124
_SPAN: Final = _WIDTH - _LABELS
_ROW: Final = 22


@dataclass(frozen=True, slots=True)
class Line:
    """Values by epoch, from the first on; a value that is missing or not finite is a gap.

    Attributes
    ----------
    order : int
        Which mark it has: 0 a disc, 1 a square, 2 a triangle, 3 a diamond.
    label : str
        What is drawn, for the legend; none is drawn of an empty one.
    values : tuple of float or None
        One an epoch.
    """

    order: int
    label: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Scale:
    """The upright axis of a plot, from `low` to `high`, with labelled ticks."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]


def finite(values: Sequence[float | None]) -> list[float]:
    """Return the values that can be drawn, in their order."""
    return [value for value in values if value is not None and math.isfinite(value)]


def share_scale() -> Scale:
    """Return the scale of a figure from 0 to 1."""
    return Scale(0.0, 1.0, ((0.0, "0"), (0.5, "0.5"), (1.0, "1")))


def loss_scale(values: Sequence[float | None]) -> Scale:
    """Return a scale from zero, or the lowest value below it, to the highest value."""
    drawn = finite(values)
    low, high = min([0.0, *drawn]), max([0.0, *drawn])
    if not high > low:
        high = low + 1.0
    return Scale(low, high, tuple((v, measured(v)) for v in (low, (low + high) / 2, high)))


def line_plot(lines: Sequence[Line], epochs: int, scale: Scale, description: str) -> Markup:
    """Return a plot of values by epoch.

    Parameters
    ----------
    lines : sequence of Line
        Drawn in their order, later ones on top.
    epochs : int
        Epochs that were to be made; the axis ends there, so that a line that ends earlier is
        seen to be unfinished. Longer lines make the axis longer.
    scale : Scale
        Must hold all values.
    description : str
        Text alternative.
    """
    last = max([epochs, 1, *(len(line.values) for line in lines)])
    parts = [*_frame(scale, last), *_legend(lines)]
    for line in lines:
        points = [
            None if value is None or not math.isfinite(value) else (_x(n, last), _y(value, scale))
            for n, value in enumerate(line.values, start=1)
        ]
        for drawn, run in groupby(points, key=lambda point: point is not None):
            if drawn:
                path = " ".join(f"{x:.1f},{y:.1f}" for x, y in filter(None, run))
                dashes = {"stroke_dasharray": "5 3"} if line.order else {}
                parts.append(element("polyline", class_="link", fill="none", points=path, **dashes))
        parts += [dot(line.order, *point) for point in points if point]
    return picture(_WIDTH, _HEIGHT, description, *parts)


def _x(number: int, last: int) -> float:
    inner = _WIDTH - _LEFT - _RIGHT
    return _LEFT + (inner / 2 if last == 1 else 8 + (number - 1) / (last - 1) * (inner - 16))


def _y(value: float, scale: Scale) -> float:
    floor = _HEIGHT - _BOTTOM
    return floor - (value - scale.low) / (scale.high - scale.low) * (floor - _TOP)


def _frame(scale: Scale, last: int) -> Iterator[Markup]:
    right, floor = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    for value, label in scale.ticks:
        y = _y(value, scale)
        style = "axis" if value == scale.low else "grid"
        yield element("line", class_=style, x1=_LEFT, x2=right, y1=y, y2=y)
        yield element("text", label, class_="end", x=_LEFT - 6, y=y + 4)
    for number in sorted({1, (1 + last) // 2, last}):
        x = _x(number, last)
        yield element("line", class_="axis", x1=x, x2=x, y1=floor, y2=floor + 4)
        yield element("text", str(number), class_="mid", x=x, y=floor + 16)


def _legend(lines: Sequence[Line]) -> Iterator[Markup]:
    x = float(_LEFT + 8)
    for line in lines:
        if line.label:
            yield dot(line.order, x, 8)
            yield element("text", line.label, x=x + 9, y=12)
            x += 28 + 6.2 * len(line.label)


def interval_plot(rows: Sequence[tuple[str, Interval]], description: str, order: int = 0) -> Markup:
    """Return differences with their intervals beside a line at zero.

    Parameters
    ----------
    rows : sequence of (str, Interval)
        Label and difference; at least one. The axis reaches as far to either side.
    description : str
        Text alternative.
    order : int
        Which mark a difference has, see `Line`.
    """
    ends = [abs(end) for _, one in rows for end in (one.value, one.low, one.high)]
    reach = max(finite(ends), default=0.0) or 1.0
    zero, floor = _LABELS + _SPAN / 2, 8 + _ROW * len(rows)

    def at(value: float) -> float:
        return zero + value / reach * (_SPAN / 2 - 20)

    parts = [
        element("line", class_="axis", x1=_LABELS, x2=_WIDTH, y1=floor, y2=floor),
        element("line", class_="mark", x1=zero, x2=zero, y1=4, y2=floor),
        *(
            element("text", label, class_="mid", x=at(value), y=floor + 14)
            for value, label in ((-reach, f"\u2212{reach:.2g}"), (0, "0"), (reach, f"+{reach:.2g}"))
        ),
    ]
    for index, (label, one) in enumerate(rows):
        y = 4 + _ROW * (index + 0.5)
        parts.append(element("text", label, class_="end", x=_LABELS - 10, y=y + 4))
        if len(finite([one.low, one.high, one.value])) == 3:
            parts.append(
                element("line", class_="link", x1=at(one.low), x2=at(one.high), y1=y, y2=y)
            )
            parts.append(dot(order, at(one.value), y))
    return picture(_WIDTH, floor + 20, description, *parts)
