from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from artemis.report.plots.svg import (
    Series,
    bin_counts,
    bin_edges,
    dot_plot,
    element,
    histogram,
    percent_axis,
    ratio_axis,
    share_bar,
    span_axis,
)

VALUES = npst.arrays(
    np.float64, st.integers(1, 60), elements=st.floats(-1e6, 1e6, allow_nan=False, width=32)
)


def parsed(markup: str) -> ElementTree.Element:
    return ElementTree.fromstring(markup)  # noqa: S314 - our own markup


def rectangles(markup: str, style: str) -> list[dict[str, float]]:
    return [
        {key: float(rect.get(key, "nan")) for key in ("x", "y", "width", "height")}
        for rect in parsed(markup).iter("rect")
        if rect.get("class") == style
    ]


@settings(deadline=None)
@given(VALUES)
def test_a_histogram_counts_every_value_and_draws_inside_its_frame(values: np.ndarray) -> None:
    axis = span_axis(values)
    series = [Series("m0", values)]
    assert sum(bin_counts(series, axis)[0]) == values.size
    for bar in rectangles(histogram(series, axis, "words"), "m0"):
        assert 0 <= bar["x"] <= 340
        assert 0 <= bar["y"] <= 128


def test_a_histogram_of_equal_values_has_one_full_bar() -> None:
    values = np.full(7, 3.0)
    bars = rectangles(histogram([Series("m0", values)], span_axis(values), "words"), "m0")
    assert len(bars) == 1


def test_an_outline_behind_a_histogram_has_its_scale_and_raises_it_where_higher() -> None:
    values = np.linspace(0, 10, 21)
    axis = span_axis(values)
    assert bin_edges(axis)[[0, 1, 20]].tolist() == [0, 0.5, 10]
    behind = np.array([4.0, *[1.0] * 19])
    markup = histogram([Series("m0", values)], axis, "words", behind=behind)
    (outline,) = [one for one in parsed(markup).iter("path") if one.get("class") == "behind"]
    tops = [float(part.split("H")[0]) for part in str(outline.get("d")).split("V")[1:]]
    floor = tops[-1]
    heights = [floor - top for top in tops[:-1]]
    assert heights == pytest.approx([88, *[22] * 19], abs=0.05)
    bars = rectangles(markup, "m0")
    assert bars[0]["height"] == pytest.approx(22, abs=0.05)
    assert next(one.text for one in parsed(markup).iter("text")) == "4"


def test_a_histogram_of_nothing_has_no_bar() -> None:
    markup = histogram([Series("m0", np.array([]))], percent_axis(), "words")
    assert rectangles(markup, "m0") == []


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.983, 2.75, ["1", "1.5", "2", "2.5"]),
        (0.0, 4241.0, ["0", "1,000", "2,000", "3,000", "4,000"]),
        (0.0, 1.0, ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        (7.0, 7.0, ["6.6", "6.8", "7", "7.2", "7.4"]),
    ],
)
def test_an_axis_is_labelled_at_round_values(low: float, high: float, labels: list[str]) -> None:
    assert [label for _, label in span_axis(np.array([low, high])).ticks] == labels


def test_the_axis_holds_a_threshold_beyond_all_values() -> None:
    axis = span_axis(np.array([1.0, 2.0]), marker=9.5)
    assert (axis.low, axis.high) == (1.0, 9.5)


def test_a_ratio_axis_spreads_what_a_plain_one_would_put_into_one_bar() -> None:
    values = np.geomspace(10, 2_000, 100)
    plain, by_ratio = span_axis(values), ratio_axis(values)
    assert bin_counts([Series("a", values)], plain)[0].max() > 40
    counts = bin_counts([Series("a", values)], by_ratio)[0]
    assert counts.sum() == 100
    assert counts.max() <= 7
    assert [label for _, label in by_ratio.ticks] == ["10", "30", "100", "300", "1,000"]
    places = [by_ratio.at(value) for value, _ in by_ratio.ticks]
    assert np.diff(places) == pytest.approx(np.full(4, 63), abs=7)  # even, but for log(1 + x)


@pytest.mark.parametrize("high", [900.0, 3_700.0, 9_999.0, 12_000.0])
def test_a_ratio_axis_from_nought_is_labelled_at_powers_of_ten(high: float) -> None:
    axis = ratio_axis(np.array([0.0, high]))
    labels = [label for _, label in axis.ticks]
    assert labels[0] == "0"
    assert {"10", "100"} < set(labels)
    assert ("1,000" in labels) == (high > 1_000)
    assert min(np.diff([axis.at(value) for value, _ in axis.ticks])) >= 40


@pytest.mark.parametrize("values", [[0.0], [7.0], [0.0, 1e-3], [0.0, 3.0, 5e4], [1.0, 1e9]])
def test_a_ratio_axis_holds_every_value(values: list[float]) -> None:
    one = Series("a", np.array(values))
    axis = ratio_axis(one.values)
    assert bin_counts([one], axis)[0].sum() == len(values)
    places = [axis.at(value) for value in (*values, *(value for value, _ in axis.ticks))]
    assert 34 <= min(places) <= max(places) <= 328


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (210.0, 480.0, ["250", "300", "350", "400", "450"]),
        (120.0, 480.0, ["200", "300", "400"]),
        (101.0, 247.0, ["120", "160", "200", "240"]),
        (0.0, 0.05, ["0", "0.01", "0.02", "0.03", "0.04", "0.05"]),
        (1_210.0, 1_212.0, ["1,210", "1,210.5", "1,211", "1,211.5", "1,212"]),
    ],
)
def test_a_ratio_axis_of_less_than_a_decade_is_labelled_all_the_same(
    low: float, high: float, labels: list[str]
) -> None:
    axis = ratio_axis(np.array([low, high]))
    assert [label for _, label in axis.ticks] == labels
    assert min(np.diff([axis.at(value) for value, _ in axis.ticks])) >= 40


@settings(deadline=None)
@given(st.floats(0, 1e6), st.floats(1.001, 1e3))
def test_a_ratio_axis_has_two_labels_or_more(low: float, times: float) -> None:
    assert len(ratio_axis(np.array([low, low * times + 1e-3])).ticks) >= 2


def test_stacked_series_stand_on_each_other() -> None:
    one = np.full(2, 0.55)
    markup = histogram([Series("a", one), Series("b", one)], percent_axis(), "words")
    lower, upper = rectangles(markup, "a")[0], rectangles(markup, "b")[0]
    assert upper["y"] + upper["height"] == lower["y"]


def test_attribute_values_and_text_are_escaped() -> None:
    markup = element("text", '<b>&"', aria_label='"><script>')
    root = parsed(markup)
    assert root.text == '<b>&"'
    assert root.get("aria-label") == '"><script>'
    assert len(root) == 0


def test_a_dot_plot_marks_models_by_shape_and_survives_zero_counts() -> None:
    root = parsed(dot_plot([("glioma", [0, 0])], ["a", "b"], "words"))
    assert len(list(root.iter("circle"))) == 2  # one in the row, one in the head
    assert len(list(root.iter("polygon"))) == 2
    assert root.get("aria-label") == "words"


def test_a_share_bar_adds_up_to_its_width_and_survives_an_empty_whole() -> None:
    bars = parsed(share_bar([("a", 1), ("b", 3)], "words"))
    assert [float(rect.get("width", 0)) for rect in bars] == [250, 750]
    assert len(parsed(share_bar([("a", 0)], "words"))) == 0
