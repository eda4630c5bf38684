from __future__ import annotations

from artemis.report.plots.reliability import reliability_plot

BINS = [
    {"images": 4, "confidence": 0.5, "accuracy": 0.25},
    {"images": 16, "confidence": 0.95, "accuracy": 1.0},
]


def test_a_disc_stands_at_what_was_said_and_what_was_right() -> None:
    plot = reliability_plot(BINS, "baseline")
    assert plot.count("<circle") == 2
    assert '<circle class="m0" cx="154" cy="177" r="4.5">' in plot
    assert '<circle class="m0" cx="253" cy="12" r="9">' in plot


def test_text_alternative_tells_every_bin() -> None:
    assert (
        "Reliability diagram of baseline: said 50%, right 25% of 4 slices; "
        "said 95%, right 100% of 16 slices." in reliability_plot(BINS, "baseline")
    )


def test_nothing_measured_is_said() -> None:
    plot = reliability_plot([], "baseline")
    assert "no slice was measured" in plot
    assert "<circle" not in plot


def test_name_is_escaped() -> None:
    assert "<b>" not in reliability_plot(BINS, '"><b>')
