"""Inline SVG, drawn in Python: an element builder, a histogram, a dot plot and a share bar.

Colours and type come from the page's style sheet by class, so that plots follow light, dark
and print; geometry is in SVG attributes, since the content security policy forbids inline
style. Nothing is clipped: an axis always reaches the furthest value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from artemis.report.words import number

_WIDTH: Final = 340
_HEIGHT: Final = 128
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 12, 18, 22
_BINS: Final = 20
_LABEL_WIDTH: Final = 40  # of "1,000", and a gap
_STEPS: Final = ((1, 2, 5), (1, 3), (1,))  # times powers of ten, on an axis of ratios


@dataclass(frozen=True, slots=True)
class Series:
    """Values to count, and the style class to draw them in.

    Attributes
    ----------
    style : str
        A class of the style sheet, such as ``m0`` for the first model.
    values : ndarray, (n,), float64
        Finite values.
    """

    style: str
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Axis:
    """A horizontal axis from `low` to `high` with labelled ticks; `log` spaces values by ratio."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    log: bool = False

    def spaced(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return values as they are spaced: on a `log` axis log(1 + x), which 0 has too."""
        return np.log1p(values) if self.log else values

    def at(self, value: float) -> float:
        """Return the x coordinate of a value."""
        low, place, high = self.spaced(np.array([self.low, value, self.high], dtype=np.float64))
        return float(_LEFT + (place - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT))


def element(name: str, *content: Markup | str, **attributes: Any) -> Markup:
    """Return one SVG element, its content and attribute values escaped.

    A trailing underscore of an attribute's name is dropped and others become hyphens;
    numbers are written with at most one decimal.
    """
    written = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _written(value))
        for key, value in attributes.items()
    )
    inner = Markup("").join(content)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), written, inner)  # noqa: S704


def picture(width: float, height: float, description: str, *content: Markup) -> Markup:
    """Return an ``<svg>`` that scales down with its column and says what it shows."""
    return element(
        "svg",
        *content,
        class_="plot",
        role="img",
        aria_label=description,
        width=width,
        height=height,
        viewBox=f"0 0 {_written(width)} {_written(height)}",
    )


def span_axis(values: NDArray[np.float64], marker: float | None = None) -> Axis:
    """Return an axis that holds all values (and the marker), labelled at round values.

    The steps are 1, 2 or 5 times a power of ten, three to seven of them.

    Parameters
    ----------
    values : ndarray, (n,), float64
        Finite values; at least one.
    marker : float, optional
        A threshold that must lie on the axis too.
    """
    ends = [float(values.min()), float(values.max()), *([] if marker is None else [marker])]
    low, high = min(ends), max(ends)
    if not high > low:
        low, high = low - 0.5, high + 0.5
    return Axis(low, high, tuple((value, _plain(value)) for value in _round_values(low, high)))


def ratio_axis(values: NDArray[np.float64]) -> Axis:
    """Return a logarithmic axis that holds all values, labelled at round ones.

    The labels are the densest of 1, 2 and 5, of 1 and 3, or of 1 alone, times powers of ten,
    that do not touch, beside 0 where it is on the axis; where fewer than two of these lie on
    it, at even steps.

    Parameters
    ----------
    values : ndarray, (n,), float64
        At least one; finite and not below 0.
    """
    low, high = float(values.min()), float(values.max())
    if not high > low:
        low, high = low / 2, 2 * high + 1
    axis = Axis(low, high, (), log=True)
    powers = [10.0**n for n in range(math.ceil(math.log10(high)) + 1)]
    series = ([0.0, *(step * power for power in powers for step in steps)] for steps in _STEPS)
    between = [_clear_of_nought(axis, [v for v in one if low <= v <= high]) for one in series]
    even = _round_values(low, high)
    between += [even[::every] for every in range(1, len(even))]
    apart = (ticks for ticks in between if len(ticks) > 1 and _do_not_touch(axis, ticks))
    return replace(axis, ticks=tuple((value, _plain(value)) for value in next(apart, even[:1])))


def _clear_of_nought(axis: Axis, ticks: list[float]) -> list[float]:
    """Return the ticks without those beside 0, near which a few units are no distance."""
    if ticks[:1] != [0.0]:
        return ticks
    return [0.0, *(tick for tick in ticks if axis.at(tick) - axis.at(0.0) >= _LABEL_WIDTH)]


def _do_not_touch(axis: Axis, ticks: Sequence[float]) -> bool:
    places = [axis.at(value) for value in ticks]
    return min(b - a for a, b in pairwise(places)) >= _LABEL_WIDTH


def _round_values(low: float, high: float) -> list[float]:
    most = (high - low) / 3
    magnitude = 10.0 ** math.floor(math.log10(most)) if most > 0 else 0.0
    if not magnitude:  # the ends are the same but for the last bits
        return [low]
    step = max((n * magnitude for n in (1, 2, 5) if n * magnitude <= most), default=magnitude)
    return [step * place for place in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _plain(value: float) -> str:
    return f"{value:,.6g}"


def percent_axis() -> Axis:
    """Return the axis of a share, 0 to 100%."""
    return Axis(0.0, 1.0, tuple((step / 4, f"{25 * step}%") for step in range(5)))


def bin_counts(series: Sequence[Series], axis: Axis) -> list[NDArray[np.int64]]:
    """Return the counts of each series in the histogram's bins, ``(20,)`` int64 each."""
    low, high = axis.spaced(np.array([axis.low, axis.high], dtype=np.float64))
    return [
        np.histogram(axis.spaced(one.values), bins=_BINS, range=(low, high))[0].astype(np.int64)
        for one in series
    ]


def bin_edges(axis: Axis) -> NDArray[np.float64]:
    """Return the edges of the histogram's bins, ``(21,)``, ascending."""
    low, high = axis.spaced(np.array([axis.low, axis.high], dtype=np.float64))
    edges = np.linspace(low, high, _BINS + 1)
    return np.expm1(edges) if axis.log else edges


def histogram(
    series: Sequence[Series],
    axis: Axis,
    description: str,
    *,
    peak: int | None = None,
    marker: tuple[float, str] | None = None,
    behind: NDArray[np.float64] | None = None,
) -> Markup:
    """Return a histogram of twenty bins, the series stacked on each other.

    Parameters
    ----------
    series : sequence of Series
        Drawn from the bottom up.
    axis : Axis
        Must hold all values.
    description : str
        Text alternative.
    peak : int, optional
        Count at the top of the plot, to give several plots one scale; else the highest bin.
    marker : (float, str), optional
        A threshold and its label.
    behind : ndarray, (20,), float64, optional
        Counts of the bins to hold the series against, drawn as an outline.
    """
    counts = bin_counts(series, axis)
    stacked = sum(counts, start=np.zeros(_BINS, dtype=np.int64))
    highest = int(stacked.max()) if behind is None else max(int(stacked.max()), round(behind.max()))
    top = peak or highest or 1
    floor = _HEIGHT - _BOTTOM
    step = (_WIDTH - _LEFT - _RIGHT) / _BINS
    scale = (floor - _TOP) / top
    below = np.zeros(_BINS)
    bars = []
    for one, heights in zip(series, counts, strict=True):
        for index in np.flatnonzero(heights):
            tall = heights[index] * scale
            bars.append(
                element(
                    "rect",
                    class_=one.style,
                    x=_LEFT + index * step + 0.5,
                    y=floor - below[index] - tall,
                    width=step - 1,
                    height=max(tall, 1.0),  # a single slice among thousands is still seen
                )
            )
        below += heights * scale
    outline = [] if behind is None else [_outline(behind, floor, scale)]
    frame, mark = _frame(axis, top, floor), _mark(axis, floor, marker)
    return picture(_WIDTH, _HEIGHT, description, *frame, *bars, *outline, *mark)


def _outline(counts: NDArray[np.float64], floor: float, scale: float) -> Markup:
    step = (_WIDTH - _LEFT - _RIGHT) / len(counts)
    tops = "".join(
        f"V{_written(floor - tall * scale)}H{_written(_LEFT + (index + 1) * step)}"
        for index, tall in enumerate(counts)
    )
    return element("path", class_="behind", d=f"M{_LEFT} {_written(floor)}{tops}V{_written(floor)}")


def _frame(axis: Axis, top: int, floor: float) -> list[Markup]:
    right = _WIDTH - _RIGHT
    parts = [
        element("line", class_="grid", x1=_LEFT, x2=right, y1=_TOP, y2=_TOP),
        element("line", class_="axis", x1=_LEFT, x2=right, y1=floor, y2=floor),
        element("text", number(top), class_="end", x=_LEFT - 6, y=_TOP + 4),
        element("text", "0", class_="end", x=_LEFT - 6, y=floor + 4),
    ]
    for value, label in axis.ticks:
        x = axis.at(value)
        parts.append(element("line", class_="axis", x1=x, x2=x, y1=floor, y2=floor + 4))
        anchor = "end" if value == axis.high else "start" if value == axis.low else "mid"
        parts.append(element("text", label, class_=anchor, x=x, y=floor + 16))
    return parts


def _mark(axis: Axis, floor: float, marker: tuple[float, str] | None) -> list[Markup]:
    if marker is None:
        return []
    value, label = marker
    x = axis.at(value)
    before = x > _WIDTH / 2
    return [
        element("line", class_="mark", x1=x, x2=x, y1=6, y2=floor),
        element(
            "text", label, class_="end" if before else "start", x=x - 5 if before else x + 5, y=12
        ),
    ]


def dot_plot(
    rows: Sequence[tuple[str, Sequence[int]]], names: Sequence[str], description: str
) -> Markup:
    """Return a dot plot: a line per row, one mark per column of counts, the counts beside it.

    Parameters
    ----------
    rows : sequence of (str, sequence of int)
        Label and one count for each name.
    names : sequence of str
        What is counted; marks differ in shape as well as in colour.
    description : str
        Text alternative.
    """
    low, high, line, column = 154, 334, 20, 42  # the longest label, in the widest font in use
    width = high + 12 + column * len(names)
    most = max((count for _, counts in rows for count in counts), default=0) or 1
    parts = [
        element("text", number(0), class_="mid", x=low, y=14),
        element("text", number(most), class_="mid", x=high, y=14),
    ]
    for index, (label, counts) in enumerate(rows):
        y = 32 + line * index
        places = [low + count / most * (high - low) for count in counts]
        parts.append(element("line", class_="grid", x1=low, x2=high, y1=y, y2=y))
        parts.append(element("text", label, class_="end", x=low - 12, y=y + 4))
        if places:
            parts.append(element("line", class_="link", x1=min(places), x2=max(places), y1=y, y2=y))
        for order, (place, count) in enumerate(zip(places, counts, strict=True)):
            parts.append(dot(order, place, y + 5 * order - 2.5 * (len(counts) - 1)))
            at = high + 12 + column * (order + 1)
            parts.append(element("text", number(count), class_="end", x=at, y=y + 4))
    heads = [dot(order, high + 12 + column * (order + 1) - 5, 10) for order in range(len(names))]
    return picture(width, 32 + line * len(rows), description, *parts, *heads)


def dot(order: int, x: float, y: float) -> Markup:
    """Return the mark of the n-th model: a disc, a square, a triangle or a diamond."""
    style = f"m{order % 4}"
    if order % 4 == 0:
        return element("circle", class_=style, cx=x, cy=y, r=4.5)
    corners = {
        1: ((-4, -4), (4, -4), (4, 4), (-4, 4)),
        2: ((0, -5), (5, 4), (-5, 4)),
        3: ((0, -5.5), (5.5, 0), (0, 5.5), (-5.5, 0)),
    }[order % 4]
    points = " ".join(f"{_written(x + dx)},{_written(y + dy)}" for dx, dy in corners)
    return element("polygon", class_=style, points=points)


def share_bar(parts: Sequence[tuple[str, int]], description: str) -> Markup:
    """Return a thin full-width bar of the shares of a whole, by style class and count."""
    whole = sum(count for _, count in parts) or 1
    drawn, start = [], 0.0
    for style, count in parts:
        width = 1000 * count / whole
        if count:
            drawn.append(element("rect", class_=style, x=start, y=0, width=width, height=8))
        start += width
    return element(
        "svg",
        *drawn,
        class_="share",
        role="img",
        aria_label=description,
        viewBox="0 0 1000 8",
        preserveAspectRatio="none",
    )


def _written(value: object) -> str:
    if isinstance(value, (float, np.floating)):
        return f"{value:.1f}".removesuffix(".0")
    return str(value)
