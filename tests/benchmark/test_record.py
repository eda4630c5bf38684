from __future__ import annotations

from artemis.benchmark.record import BenchmarkRecord, Check
from tests.benchmark.records import benchmark_record


def test_rates_are_of_the_median() -> None:
    path = benchmark_record().timings[0]
    assert path.median == 2.0
    assert path.rate == 50.0
    assert path.milliseconds == 20.0


def test_a_check_passes_up_to_its_limit() -> None:
    assert Check(name="a", difference=1e-5, limit=1e-5).passed
    assert not Check(name="a", difference=1.1e-5, limit=1e-5).passed


def test_a_record_reads_back_as_written() -> None:
    record = benchmark_record()
    assert BenchmarkRecord.model_validate_json(record.model_dump_json()) == record
