"""How runs went, one after the other: counts, refusals, review and doubt, as small plots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from markupsafe import Markup

from artemis.report.plots.svg import dot, element, picture
from artemis.report.words import counted, joined, number, percent, visible
from artemis.runs import RunRecord, RunStatus

TREND_RUNS: Final = 60
"""Finished runs that the plots reach back; older ones are in the list alone."""

_WIDTH: Final = 340
_HEIGHT: Final = 104
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 18
_GAP: Final = 9  # from a label of the upright axis to the first mark
_LEAST_SHARE: Final = 0.1  # top of the axis of a share that stays below it
_LEAST_DOUBT: Final = 0.25


@dataclass(frozen=True, slots=True)
class Trend:
    """One measure over the runs: what it is, how to read it, its last value, its plot."""

    title: str
    caption: str
    last: str
    plot: Markup


@dataclass(frozen=True, slots=True)
class _Measure:
    title: str
    caption: str
    style: str
    value: Callable[[RunRecord], float | None]
    words: Callable[[float], str]
    least_top: float


def whole_runs(records: Sequence[RunRecord]) -> list[RunRecord]:
    """Return the runs without the shards whose slices another one has, which joined them."""
    joined_up = {
        run for record in records if record.status is RunStatus.COMPLETED for run in record.merged
    }
    return [record for record in records if record.run_id not in joined_up]


def plotted_runs(records: Sequence[RunRecord]) -> list[RunRecord]:
    """Return the finished runs that the plots show, the oldest first."""
    return sorted(_finished(whole_runs(records)), key=lambda record: record.run_id)[-TREND_RUNS:]


def _finished(records: Sequence[RunRecord]) -> list[RunRecord]:
    return [record for record in records if record.status is RunStatus.COMPLETED]


def trends(records: Sequence[RunRecord]) -> list[Trend]:
    """Return the trends over `plotted_runs`; none of fewer than two runs.

    Parameters
    ----------
    records : sequence of RunRecord
        Of any status, in any order.
    """
    runs = plotted_runs(records)
    if len(runs) < 2:
        return []
    return [_trend(measure, runs) for measure in _MEASURES]


def left_out_words(records: Sequence[RunRecord]) -> str:
    """Return which of the listed runs the plots do not show, as a sentence, or nothing."""
    whole = whole_runs(records)
    finished = len(_finished(whole))
    parts = []
    if unfinished := len(whole) - finished:
        parts.append(f"{counted(unfinished, 'run')} that did not finish")
    if shards := len(records) - len(whole):
        parts.append(f"{counted(shards, 'shard')} that another run joins")
    if (older := finished - TREND_RUNS) > 0:
        parts.append(f"{counted(older, 'older run')}")
    return f"Not plotted: {joined(parts)}." if parts else ""


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


_MEASURES: Final = (
    _Measure(
        "Slices found",
        "Everything that was found, classified or not. A sudden fall is a folder that did not "
        "arrive.",
        "m0",
        lambda run: float(run.counts.slices),
        lambda value: number(round(value)),
        1.0,
    ),
    _Measure(
        "Refused or failed",
        "Share of the slices found that could not be classified. A rise is another sort of "
        "input, or damaged files.",
        "m1",
        lambda run: _share(run.counts.refused + run.counts.failed, run.counts.slices),
        percent,
        _LEAST_SHARE,
    ),
    _Measure(
        "To review",
        "Share of the classified slices that a person should look at. It moves with the "
        "batches and with the models.",
        "m2",
        lambda run: _share(run.counts.needs_review, run.counts.ok),
        percent,
        _LEAST_SHARE,
    ),
    _Measure(
        "Mean doubt",
        "Of the first model\u2019s answers, from 0 (sure) to 1. A slow rise over months is "
        "pictures that drift away from the training images.",
        "m3",
        lambda run: run.mean_doubt,
        lambda value: f"{value:.2f}",
        _LEAST_DOUBT,
    ),
)


def _trend(measure: _Measure, runs: Sequence[RunRecord]) -> Trend:
    values = [measure.value(run) for run in runs]
    known = [value for value in values if value is not None]
    ends = _dates(runs[0].created, runs[-1].created)
    last = measure.words(known[-1]) if known else "not measured"
    span = f"from {measure.words(known[0])} to {last}" if known else "not measured"
    description = (
        f"{measure.title} over {counted(len(runs), 'run')}, {ends[0]} to {ends[1]}: {span}."
    )
    top = max([measure.least_top, *known])
    labels = [visible(run.run_id) for run in runs]
    plot = _plot(values, labels, top, ends, measure, description)
    return Trend(measure.title, measure.caption, last, plot)


def _dates(first: datetime, last: datetime) -> tuple[str, str]:
    """Return the two ends of the time axis: their days, or their times where the day is one."""
    one_day = f"{first:%Y-%m-%d}" == f"{last:%Y-%m-%d}"
    shape = "%Y-%m-%d %H:%M" if one_day else "%Y-%m-%d"
    return f"{first:{shape}}", f"{last:{shape}}"


def _plot(
    values: Sequence[float | None],
    labels: Sequence[str],
    top: float,
    ends: Sequence[str],
    measure: _Measure,
    description: str,
) -> Markup:
    span, floor, right = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    places = [
        (_LEFT + span * index / (len(values) - 1), floor - value / top * (floor - _TOP), value)
        for index, value in enumerate(values)
        if value is not None
    ]
    order = int(measure.style[1:])
    parts = [
        element("line", class_="grid", x1=_LEFT, x2=right, y1=_TOP, y2=_TOP),
        element("line", class_="axis", x1=_LEFT, x2=right, y1=floor, y2=floor),
        element("text", measure.words(top), class_="end", x=_LEFT - _GAP, y=_TOP + 4),
        element("text", "0", class_="end", x=_LEFT - _GAP, y=floor + 4),
        element("text", ends[0], class_="start", x=_LEFT, y=floor + 14),
        element("text", ends[1], class_="end", x=right, y=floor + 14),
    ]
    if len(places) > 1:
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in places)
        parts.append(element("polyline", class_=f"trace {measure.style}", points=points))
    known = [label for label, value in zip(labels, values, strict=True) if value is not None]
    for (x, y, value), label in zip(places, known, strict=True):
        title = element("title", f"{label}: {measure.words(value)}")
        parts.append(element("g", title, dot(order, x, y)))
    return picture(_WIDTH, _HEIGHT, description, *parts)
