from __future__ import annotations

from pathlib import Path

import pytest

from artemis.batches.batch import plan_chunks, recording_failure, start_run, write_plans
from artemis.batches.classify import ingest_chunk
from artemis.errors import RunEndedError
from artemis.runs import read_record
from artemis.settings import Settings
from artemis.system.ending import check_goes_on, end, go_on, has_ended, watching


def test_steps_of_an_interrupted_run_stop_at_the_next_slice(samples: Path, tmp_path: Path) -> None:
    settings = Settings(workspace=tmp_path)
    run, record = start_run(samples, settings, ["baseline"], "test")
    write_plans(run, plan_chunks(samples, settings, limit=2))
    with pytest.raises(KeyboardInterrupt), recording_failure(run):
        raise KeyboardInterrupt
    assert read_record(run.root).error == "Interrupted by the user."
    with pytest.raises(RunEndedError, match=rf"{run.run_id}: expected a run that goes on"):
        ingest_chunk(run, record, 0, [64])
    assert not run.slices.exists()
    assert not run.tensors.exists()


def test_a_step_elsewhere_looks_whether_the_run_has_ended_and_not_at_every_slice() -> None:
    looks = []
    with watching(lambda: bool(looks.append(1))):
        for _ in range(1000):
            check_goes_on("elsewhere")
    assert 1 <= len(looks) < 1000
    with watching(lambda: True), pytest.raises(RunEndedError, match="a run that goes on"):
        check_goes_on("elsewhere")
    check_goes_on("elsewhere")


def test_what_was_ended_may_be_taken_up_again() -> None:
    with watching(lambda: has_ended("again")):
        check_goes_on()
    end("again")
    with (
        watching(lambda: has_ended("again")),
        pytest.raises(RunEndedError, match=r"This step: expected .* Start it again\."),
    ):
        check_goes_on()
    go_on("again")
    with watching(lambda: has_ended("again")):
        check_goes_on()
