"""A record of a benchmark, of round numbers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from artemis.benchmark.record import BenchmarkRecord, Check, Timing


def benchmark_record(**changes: Any) -> BenchmarkRecord:
    """100 pictures in 2 seconds, against a loop that takes 5; the limit is at 1.5."""
    timings = [
        Timing(name="classify-batch", kind="path", images=100, seconds=[2.5, 2.0, 1.5]),
        Timing(name="decode and check", kind="stage", images=50, seconds=[0.2, 0.1, 0.3]),
        Timing(name="the original's loop", kind="peer", images=100, seconds=[5.0, 5.0, 6.0]),
    ]
    record = BenchmarkRecord(
        created=datetime(2026, 3, 1, 12, tzinfo=UTC),
        machine={"processor": "a processor", "cores": "2"},
        models={"baseline": "20260301-abcdef"},
        images=100,
        rounds=3,
        timings=timings,
        ratios={"the original's loop": 2.5},
        roofline=1.5,
        of_roofline=0.75,
        start=4.25,
        checks=[Check(name="baseline: its stage and classify-batch", difference=0, limit=1e-5)],
    )
    return record.model_copy(update=changes)
