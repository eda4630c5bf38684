"""Which retraining that was ended is gone on with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from artemis.errors import RunRecordError
from artemis.models.champions import promote, settle
from artemis.models.retrainings import (
    RetrainingRecord,
    damaged,
    new_record,
    read_record,
    unfinished,
    write_record,
)
from tests.models.versions import SHIPPED, make_version, verdict_for

BEGAN = {"mobilenet_v2": "m0", "baseline": SHIPPED.name}


def ended(workspace: Path, **changes: Any) -> RetrainingRecord:
    """Write a retraining of both models that was killed after it had trained the baseline."""
    record = new_record("k", "champion", list(BEGAN), BEGAN, "1")
    record = record.model_copy(update={"trained": {"baseline": "v1"}} | changes)
    write_record(workspace, record)
    return record


def test_same_inputs_and_champions_are_gone_on_with(tmp_path: Path) -> None:
    record = ended(tmp_path)
    assert unfinished(tmp_path, "k", BEGAN) == record
    assert unfinished(tmp_path, "other", BEGAN) is None


def test_retraining_that_is_done_is_not(tmp_path: Path) -> None:
    ended(tmp_path, status="done")
    assert unfinished(tmp_path, "k", BEGAN) is None


@pytest.mark.parametrize("status", ["running", "failed"])
def test_own_promotion_is_no_other_input(tmp_path: Path, status: str) -> None:
    """Killed, or failed at the next model, after the gate had promoted the first."""
    make_version(tmp_path, "v1")
    record = ended(tmp_path, status=status)
    settle(tmp_path, verdict_for(tmp_path, "v1"))
    assert unfinished(tmp_path, "k", BEGAN | {"baseline": "v1"}) == record


def test_champion_that_a_person_made_is_another_input(tmp_path: Path) -> None:
    make_version(tmp_path, "v1")
    make_version(tmp_path, "v2")
    ended(tmp_path)
    assert unfinished(tmp_path, "k", BEGAN | {"baseline": "v2"}) is None
    promote(tmp_path, "baseline", "v1", by="A. Person", reason="It was measured elsewhere.")
    assert unfinished(tmp_path, "k", BEGAN | {"baseline": "v1"}) is None


@pytest.mark.parametrize("content", [b"", b'{"id": "\xff"}'])
def test_a_record_that_is_damaged_is_passed_over_and_named(tmp_path: Path, content: bytes) -> None:
    record = ended(tmp_path)
    folder = tmp_path / "retrainings" / "20990101T000000Z-ffffff"  # looked at before the other
    folder.mkdir()
    (folder / "retraining.json").write_bytes(content)
    assert unfinished(tmp_path, "k", BEGAN) == record
    (error,) = damaged(tmp_path)
    assert str(error).startswith(f"{folder}/retraining.json: expected the record of a retraining. ")
    assert str(error).endswith("Restore it from a backup; other retrainings pass it over.")
    with pytest.raises(RunRecordError, match=rf"{folder.name}/retraining\.json: expected the rec"):
        read_record(folder)


def test_a_record_that_may_not_be_read_is_passed_over_and_named(tmp_path: Path) -> None:
    (tmp_path / "retrainings" / "20990101T000000Z-ffffff" / "retraining.json").mkdir(parents=True)
    assert unfinished(tmp_path, "k", BEGAN) is None
    assert [str(error).split(". ")[1] for error in damaged(tmp_path)] == [
        "Received: Is a directory"
    ]


def test_no_record_is_damaged_where_all_can_be_read(tmp_path: Path) -> None:
    assert damaged(tmp_path) == []
    ended(tmp_path)
    assert damaged(tmp_path) == []
