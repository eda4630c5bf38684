from __future__ import annotations

import pytest

from artemis.benchmark.rounds import Measured, in_turn, median_ratio


def test_everything_is_timed_once_a_round_and_in_order() -> None:
    calls: list[str] = []
    told: list[tuple[str, int, int]] = []
    measured = [
        Measured("a", 1, lambda: calls.append("a")),
        Measured("b", 1, lambda: calls.append("b")),
    ]
    seconds = in_turn(measured, 3, lambda *progress: told.append(progress))
    assert calls == ["a", "b"] * 3
    assert told == [("a", 0, 6), ("b", 1, 6), ("a", 2, 6), ("b", 3, 6), ("a", 4, 6), ("b", 5, 6)]
    assert {name: len(of) for name, of in seconds.items()} == {"a": 3, "b": 3}
    assert all(value >= 0 for of in seconds.values() for value in of)


def test_seconds_that_a_call_counts_itself_are_taken() -> None:
    assert in_turn([Measured("a", 1, lambda: 7.5)], 2) == {"a": [7.5, 7.5]}


def test_ratio_is_the_median_of_the_ratios_within_a_round() -> None:
    # A slow second round slows both, and changes no ratio.
    assert median_ratio([3.0, 30.0, 4.0], [1.0, 10.0, 2.0]) == pytest.approx(3.0)
