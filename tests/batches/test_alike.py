from __future__ import annotations

from pathlib import Path

import pytest

from artemis.batches.alike import check_alike, differences, made_with
from artemis.batches.batch import start_run
from artemis.errors import EngineError
from artemis.runs import RunRecord
from artemis.settings import Settings


@pytest.fixture
def record(samples: Path, tmp_path: Path) -> RunRecord:
    return start_run(samples, Settings(workspace=tmp_path), ["baseline"], "a test")[1]


def test_the_machine_that_began_a_run_makes_rows_like_it(record: RunRecord) -> None:
    made = made_with(record)
    assert made["runtime"] == "litert in f32"
    assert {"version of artemis-mri", "version of pillow", "version of pydicom"} < made.keys()
    assert made["version of artemis-mri sources"] == record.versions["artemis-mri sources"]
    assert differences(made) == ""
    check_alike(record)


def test_the_times_of_a_probe_make_no_difference(record: RunRecord) -> None:
    probed = f"{record.runtime}, chosen by a probe (ms a picture: litert 4.0, openvino 5.1)"
    check_alike(record.model_copy(update={"runtime": probed}))


def test_another_version_or_precision_is_named(record: RunRecord) -> None:
    versions = {**record.versions, "pillow": "1.0", "seventh": "7"}
    other = record.model_copy(update={"versions": versions, "runtime": "litert in bf16"})
    with pytest.raises(EngineError) as caught:
        check_alike(other)
    assert (
        "Received a difference in runtime: litert in bf16 in the run, litert in f32 here; version "
        f"of pillow: 1.0 in the run, {record.versions['pillow']} here; version of seventh: 7 in "
        "the run, none here. Install the same code and versions on every machine, and start the "
        "batch again."
    ) in str(caught.value)
