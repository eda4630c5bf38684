from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from artemis.errors import RunRecordError
from artemis.predictions import read_run
from artemis.report.changes.compare import compare_runs
from artemis.report.dicom.export import export_dicom
from artemis.report.drift.page import write_drift
from artemis.report.run.as_data import csv_data, json_data
from artemis.runs import RunStatus

SLICES, ANSWERS = "slices/part-00000.parquet", "predictions/model=baseline/part-00000.parquet"

READERS: dict[str, Callable[[Path], object]] = {
    "csv": csv_data,
    "json": lambda run: next(iter(json_data(run))),
    "python": read_run,
    "compare": lambda run: compare_runs(run, run),
    "drift": write_drift,
    "export": export_dicom,
}


@pytest.mark.parametrize("lost", [SLICES, ANSWERS])
@pytest.mark.parametrize("reader", READERS)
def test_what_a_completed_run_has_lost_is_said_and_not_left_out(
    make_run: Callable[..., Path], reader: str, lost: str
) -> None:
    run = make_run()
    (run / lost).unlink()
    with pytest.raises(RunRecordError, match=r"rows, as many as were counted\. Received 0") as told:
        READERS[reader](run)
    assert str(told.value).startswith(str((run / lost).parent))
    assert "Put them back, or start the batch again." in str(told.value)


def test_a_run_that_goes_on_is_given_as_far_as_it_is(make_run: Callable[..., Path]) -> None:
    run = make_run(status=RunStatus.RUNNING)
    (run / ANSWERS).unlink()
    assert len(json.loads("".join(json_data(run)))["rows"]) == len(read_run(run))
