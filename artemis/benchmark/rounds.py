"""Measure several ways of doing a thing in turn, so that a busy minute slows all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Measured:
    """Something to be timed.

    Attributes
    ----------
    name : str
        Of the row in the table.
    images : int
        How many pictures one call works on.
    call : callable
        Does the work and returns the seconds that count, or None for all that it took.
    """

    name: str
    images: int
    call: Callable[[], float | None]


def in_turn(
    measured: Sequence[Measured],
    rounds: int,
    on_round: Callable[[str, int, int], None] | None = None,
) -> dict[str, list[float]]:
    """Time everything once a round, in order: A B C, A B C.

    Parameters
    ----------
    measured : sequence of Measured
        Of distinct names.
    rounds : int
        How often, at least 1.
    on_round : callable, optional
        Told the name, how many timings are done, and of how many, before each.

    Returns
    -------
    dict of str to list of float
        Seconds by name, in the order of the rounds.
    """
    seconds: dict[str, list[float]] = {one.name: [] for one in measured}
    for number in range(rounds):
        for place, one in enumerate(measured):
            if on_round is not None:
                on_round(one.name, number * len(measured) + place, rounds * len(measured))
            begun = time.perf_counter()
            counted = one.call()
            taken = time.perf_counter() - begun if counted is None else counted
            seconds[one.name].append(taken)
    return seconds


def median_ratio(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the median over the rounds of `one` divided by `other` in the same round."""
    return median(a / b for a, b in zip(one, other, strict=True))
