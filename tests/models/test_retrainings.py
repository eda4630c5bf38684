"""Which retraining that was ended is gone on with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from artemis.errors import RunRecordError
from artemis.models.registry import promote, settle
from artemis.models.retrainings import RetrainingRecord, new_record, unfinished, write_record
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
def test_a_record_that_is_damaged_is_named(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "retrainings" / ended(tmp_path).id
    (folder / "retraining.json").write_bytes(content)
    with pytest.raises(RunRecordError, match=rf"{folder.name}/retraining\.json: expected the rec"):
        unfinished(tmp_path, "k", BEGAN)
