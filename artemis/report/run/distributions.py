"""The distributions as inline SVG: confidence, answers, strangeness and picture quality."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from artemis.labels import CATEGORIES, PLANES
from artemis.report.plots.svg import (
    Series,
    bin_counts,
    bin_edges,
    dot_plot,
    histogram,
    percent_axis,
    ratio_axis,
    span_axis,
)
from artemis.report.run.data import RunData
from artemis.report.run.items import Answer
from artemis.report.words import (
    CATEGORY_WORDS,
    QUALITY_WORDS,
    counted,
    measured,
    number,
    percent,
    sentence,
)
from artemis.runs import ModelRecord
from artemis.schemas import QUALITY_COLUMNS
from artemis.seen import shares_between

SPREAD_BY_RATIO: Final = frozenset({"sharpness"})
"""Measures of which a few pictures have many times as much as most, which would share a bar."""

Plots = list[tuple[str, Markup]]
"""Heading and picture of each panel of a figure."""


def confidence_plots(data: RunData) -> Plots:
    """Return a histogram of confidence for each model, all on one scale."""
    threshold = data.record.settings.review.min_confidence
    axis = percent_axis()
    series = {
        model: Series(
            f"m{order % 4}", _values(a.confidence for a in data.answers(model) if not a.far)
        )
        for order, model in enumerate(data.models)
    }
    peak = max((int(bin_counts([one], axis)[0].max()) for one in series.values()), default=0)
    plots = []
    for model, one in series.items():
        if one.values.size:
            words = (
                f"Histogram of the confidence of {model} in {counted(one.values.size, 'slice')}: "
                f"median {percent(float(np.median(one.values)))}, "
                f"{number(int((one.values < threshold).sum()))} below {percent(threshold)}."
            )
            what = "review below" if model == data.models[0] else "doubt below"
            mark = (threshold, f"{what} {percent(threshold)}")
            plots.append((model, histogram([one], axis, words, peak=peak, marker=mark)))
    return plots


def category_plots(data: RunData) -> Plots:
    """Return one dot plot: how often each model gave each of the twelve categories."""
    words = {category.name: sentence(CATEGORY_WORDS[category.name]) for category in CATEGORIES}
    return _counts_plot(data, "category", words, lambda answer: answer.category.name)


def plane_plots(data: RunData) -> Plots:
    """Return one dot plot: how often each model gave each of the three planes."""
    words = {plane: sentence(plane) for plane in PLANES}
    return _counts_plot(data, "plane", words, lambda answer: answer.category.plane)


def _counts_plot(
    data: RunData, what: str, labels: Mapping[str, str], of: Callable[[Answer], str]
) -> Plots:
    """Return a dot plot of how often each model gave each of the labels, in their order."""
    if not data.ok:
        return []
    counts = {model: Counter(map(of, data.answers(model))) for model in data.models}
    rows = [
        (label, [counts[model][name] for model in data.models]) for name, label in labels.items()
    ]
    listed = "; ".join(
        f"{label}: {', '.join(number(count) for count in values)}"
        for label, values in rows
        if any(values)
    )
    words = f"Slices by {what}, {' then '.join(data.models)}. {listed}."
    return [("", dot_plot(rows, data.models, words))]


def strangeness_plots(data: RunData) -> Plots:
    """Return a histogram of the out-of-distribution score for each model, with its threshold.

    The slices that the model was trained on are drawn behind, where the run's record says how
    far they lie.
    """
    records = {model.name: model for model in data.record.models}
    plots = []
    for order, model in enumerate(data.models):
        values = _values(answer.ood_score for answer in data.answers(model))
        if values.size:
            series = Series(f"m{order % 4}", values)
            what = "review above" if order == 0 else "strange above"
            plots.append(_strangeness(model, series, records.get(model), what))
    return plots


def _strangeness(
    name: str, series: Series, record: ModelRecord | None, what: str
) -> tuple[str, Markup]:
    values = series.values
    threshold = math.nan if record is None else record.ood_threshold
    known = math.isfinite(threshold)
    seen = None if record is None else record.seen
    ends = [] if seen is None else seen.ood_score
    axis = span_axis(np.append(values, ends), threshold if known else None)
    middle = f"median {measured(np.median(values))}"
    trained = "" if seen is None else f", of the training slices {measured(ends[len(ends) // 2])}"
    words = (
        f"Histogram of the out-of-distribution score of {name}: {middle}{trained}, "
        f"{number(int((values > threshold).sum()))} above the threshold."
    )
    drawn = histogram(
        [series],
        axis,
        words,
        marker=(threshold, f"{what} {threshold:.2f}") if known else None,
        behind=None if seen is None else values.size * shares_between(ends, bin_edges(axis)),
    )
    return f"{name}: {middle}{trained}", drawn


def quality_plots(data: RunData) -> Plots:
    """Return a histogram of each quality measure, classified and refused slices stacked."""
    plots = []
    for name in QUALITY_COLUMNS:
        by_status = [
            Series(style, _values(item.quality[name] for item in items))
            for style, items in (("q-ok", data.ok), ("q-not", data.rejected))
        ]
        values = np.concatenate([one.values for one in by_status])
        if values.size:
            words = (
                f"Histogram of {QUALITY_WORDS[name].lower()} of {counted(values.size, 'slice')}: "
                f"median {measured(np.median(values))}, from {measured(values.min())} to "
                f"{measured(values.max())}."
            )
            heading, axis = QUALITY_WORDS[name], span_axis(values)
            if name in SPREAD_BY_RATIO:
                heading, axis = f"{heading}, logarithmic", ratio_axis(values)
            plots.append((heading, histogram(by_status, axis, words)))
    return plots


PLOTS: dict[str, Callable[[RunData], Plots]] = {
    "confidence": confidence_plots,
    "categories": category_plots,
    "planes": plane_plots,
    "strangeness": strangeness_plots,
    "quality": quality_plots,
}
"""The builder of each figure that `artemis.report.run.sections` declares."""


def distributions_view(data: RunData) -> dict[str, Any]:
    """Return the panels of every figure of the section; empty where nothing can be drawn."""
    return {"plots": {key: build(data) for key, build in PLOTS.items()}}


def _values(values: Iterable[float | None]) -> NDArray[np.float64]:
    return np.array([v for v in values if v is not None and math.isfinite(v)], dtype=np.float64)
