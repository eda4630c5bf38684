from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artemis.models.manifest import Interval
from artemis.report.plots.curves import Line, interval_plot, line_plot, loss_scale, share_scale

LOSSES = st.lists(st.none() | st.floats(-1e4, 1e4), max_size=40)


def parsed(markup: str) -> ElementTree.Element:
    return ElementTree.fromstring(markup)  # noqa: S314 - our own markup


def points(markup: str) -> list[list[tuple[float, float]]]:
    """Return the points of each line drawn."""
    return [
        [(float(x), float(y)) for x, y in (pair.split(",") for pair in line.split())]
        for line in (one.get("points", "") for one in parsed(markup).iter("polyline"))
    ]


def circles(markup: str) -> list[tuple[float, float]]:
    return [
        (float(one.get("cx", 0)), float(one.get("cy", 0))) for one in parsed(markup).iter("circle")
    ]


@given(LOSSES)
def test_every_value_is_drawn_inside_the_frame(values: list[float | None]) -> None:
    markup = line_plot([Line(0, "", tuple(values))], 12, loss_scale(values), "words")
    marks = circles(markup)
    assert len(marks) == sum(value is not None for value in values)
    assert all(40 <= x <= 326 and 26 <= y <= 126 for x, y in marks)


def test_falling_loss_falls_on_the_page_and_epochs_go_right() -> None:
    values = (2.0, 1.0, 0.5)
    line = points(line_plot([Line(0, "", values)], 3, loss_scale(values), "words"))[0]
    assert [y for _, y in line] == [26.0, 76.0, 101.0]  # 2 at the top, 0 at the floor of 126
    assert [x for x, _ in line] == sorted(x for x, _ in line)


def test_unfinished_stage_ends_before_the_axis() -> None:
    markup = line_plot([Line(0, "", (1.0, 0.5))], 12, share_scale(), "words")
    assert max(x for x, _ in circles(markup)) < 100
    texts = [one.text for one in parsed(markup).iter("text")]
    assert texts == ["0", "0.5", "1", "1", "6", "12"]


@pytest.mark.parametrize("gap", [None, float("nan"), float("inf")])
def test_value_that_is_missing_or_not_finite_is_a_gap(gap: float | None) -> None:
    values = (0.9, gap, 0.5, 0.4)
    lines = points(line_plot([Line(0, "", values)], 4, loss_scale(values), "words"))
    assert [len(line) for line in lines] == [1, 2]


def test_two_lines_differ_in_shape_and_dashes_and_are_named() -> None:
    root = parsed(
        line_plot([Line(0, "one", (0.5,)), Line(1, "other", (0.2,))], 1, share_scale(), "words")
    )
    assert len(list(root.iter("circle"))) == len(list(root.iter("polygon"))) == 2
    first, second = root.iter("polyline")
    assert (first.get("stroke-dasharray"), second.get("stroke-dasharray")) == (None, "5 3")
    assert {"one", "other"} <= {text.text for text in root.iter("text")}
    assert root.get("aria-label") == "words"


def test_differences_lie_left_and_right_of_zero_within_their_intervals() -> None:
    rows = [
        ("gain", Interval(value=0.02, low=0.01, high=0.04)),
        ("loss", Interval(value=-0.02, low=-0.04, high=0.0)),
    ]
    markup = interval_plot(rows, "words")
    root = parsed(markup)
    zero = next(float(one.get("x1", 0)) for one in root.iter("line") if one.get("class") == "mark")
    (gain, _), (loss, _) = circles(markup)
    assert gain - zero == pytest.approx(zero - loss, abs=0.11)
    assert gain > zero
    bars = [one for one in root.iter("line") if one.get("class") == "link"]
    assert float(bars[0].get("x1", 0)) < gain < float(bars[0].get("x2", 0))
    assert float(bars[1].get("x2", 0)) == zero


def test_differences_of_nothing_are_drawn_at_zero() -> None:
    markup = interval_plot([("same", Interval(value=0, low=0, high=0))], "words")
    assert circles(markup)[0][0] == pytest.approx(124 + 216 / 2)


def test_labels_are_escaped() -> None:
    one = Interval(value=0, low=0, high=0)
    texts = [text.text for text in parsed(interval_plot([("<b>&", one)], '"><i>')).iter("text")]
    assert "<b>&" in texts
