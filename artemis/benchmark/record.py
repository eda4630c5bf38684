"""What a benchmark measured, as ``benchmark.json`` keeps it and its page shows it."""

from __future__ import annotations

from datetime import datetime
from statistics import median
from typing import Final

from pydantic import BaseModel

RECORD_NAME: Final = "benchmark.json"


class Timing(BaseModel):
    """Seconds of one thing, a figure a round; `images` is how many pictures they are for.

    `kind` is ``path``, ``stage`` or ``peer``.
    """

    name: str
    kind: str
    images: int
    seconds: list[float]

    @property
    def median(self) -> float:
        """Median seconds."""
        return median(self.seconds)

    @property
    def rate(self) -> float:
        """Pictures a second, by the median."""
        return self.images / self.median

    @property
    def milliseconds(self) -> float:
        """Milliseconds a picture, by the median."""
        return 1000 * self.median / self.images


class Check(BaseModel):
    """A comparison of two outputs that must be alike: largest difference of a probability."""

    name: str
    difference: float
    limit: float

    @property
    def passed(self) -> bool:
        """Whether they are alike."""
        return self.difference <= self.limit


class BenchmarkRecord(BaseModel):
    """A benchmark of one machine.

    Attributes
    ----------
    images : int
        Pictures of the whole path and of the peers.
    unusable : int
        Other pictures, which a batch does not classify, and which nobody is timed on.
    ratios : dict of str to float
        How many times as long a peer takes as the whole path, median of the rounds.
    roofline : float
        Seconds that the unavoidable stages of all pictures take on all cores.
    of_roofline : float
        Share of the whole path that this is; 1 is all that the machine can do.
    start : float
        Seconds of the whole command that are not spent on pictures.
    left_out : str or None
        Why there are no peers.
    """

    created: datetime
    machine: dict[str, str]
    models: dict[str, str]
    images: int
    unusable: int = 0
    rounds: int
    timings: list[Timing]
    ratios: dict[str, float]
    roofline: float
    of_roofline: float
    start: float
    checks: list[Check]
    left_out: str | None = None
