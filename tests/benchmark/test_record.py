from __future__ import annotations

from pathlib import Path

import pytest

from artemis.benchmark.record import RECORD_NAME, Check, read_benchmark
from artemis.errors import RunRecordError
from tests.benchmark.records import benchmark_record


def test_rates_are_of_the_median() -> None:
    path = benchmark_record().timings[0]
    assert path.median == 2.0
    assert path.rate == 50.0
    assert path.milliseconds == 20.0


def test_a_check_passes_up_to_its_limit() -> None:
    assert Check(name="a", difference=1e-5, limit=1e-5).passed
    assert not Check(name="a", difference=1.1e-5, limit=1e-5).passed


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = benchmark_record()
    (tmp_path / RECORD_NAME).write_text(record.model_dump_json())
    assert read_benchmark(tmp_path) == record


@pytest.mark.parametrize(("content", "words"), [(None, "No such file"), ("{}", "another form")])
def test_a_record_that_is_none_is_named(tmp_path: Path, content: str | None, words: str) -> None:
    if content is not None:
        (tmp_path / RECORD_NAME).write_text(content)
    with pytest.raises(RunRecordError, match=rf"benchmark\.json: expected .*{words}.*benchmark`"):
        read_benchmark(tmp_path)
