from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artemis.errors import ModelError, WorkspaceError
from artemis.models.decisions import (
    Action,
    Check,
    DecisionRecord,
    ModelVersion,
    Verdict,
    champion_history,
    decision_id,
    decision_time,
    read_decisions,
    write_decision,
)
from artemis.models.manifest import Interval

WHEN = datetime(2026, 11, 23, 14, 5, 9, 120, tzinfo=UTC)


def record(
    before: str | None, after: str, action: Action = Action.PROMOTE, decided: datetime = WHEN
) -> DecisionRecord:
    return DecisionRecord(
        id=decision_id(decided),
        decided=decided,
        action=action,
        model="baseline",
        subject=ModelVersion(version=after, sha256="a" * 64),
        by="A. Person",
        reason="Because.",
        previous_champion=before,
        new_champion=after,
        checks=[Check(name="x", passed=True, expected="a", received="b")],
        figures={"difference_macro_f1": Interval(value=0.1, low=0.0, high=0.2)},
        inputs={"policy": "c" * 64},
    )


def test_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = record("a", "b").model_copy(update={"verdict": Verdict.NEEDS_HUMAN})
    path = write_decision(tmp_path, written)
    assert path.parent == tmp_path / "models" / "baseline" / "decisions"
    assert path.name.startswith("20261123T140509.000120Z-")
    assert read_decisions(tmp_path, "baseline") == [written]


def test_records_are_in_the_order_of_their_decisions(tmp_path: Path) -> None:
    written = [record("a", str(k), decided=WHEN + timedelta(microseconds=k)) for k in range(12)]
    for one in reversed(written):
        write_decision(tmp_path, one)
    assert read_decisions(tmp_path, "baseline") == written
    assert read_decisions(tmp_path, "mobilenet_v2") == []


def test_record_is_never_rewritten(tmp_path: Path) -> None:
    one = record("a", "b")
    path = write_decision(tmp_path, one)
    before = path.read_bytes()
    with pytest.raises(WorkspaceError, match=r"expected a new decision\. Received the id"):
        write_decision(tmp_path, one.model_copy(update={"reason": "Another."}))
    assert path.read_bytes() == before
    assert path.stat().st_mode & 0o222 == 0
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_clock_that_was_set_back_does_not_change_the_order() -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    latest = record("a", "b", decided=tomorrow)
    assert decision_time([record("a", "b"), latest]) == tomorrow + timedelta(microseconds=1)
    assert decision_time([record("a", "b", decided=WHEN - timedelta(days=900))]) <= datetime.now(
        UTC
    )


@pytest.mark.parametrize(
    ("change", "received"),
    [
        ({"verdict": "perhaps"}, "at verdict"),
        ({"extra": 1}, "at extra"),
        ({"id": "20200101T000000.000000Z-aaaaaa"}, "Received that of '20200101T000000"),
    ],
)
def test_changed_record_is_named(tmp_path: Path, change: dict[str, object], received: str) -> None:
    path = write_decision(tmp_path, record("a", "b"))
    values = json.loads(path.read_text()) | change
    path.unlink()
    path.write_text(json.dumps(values))
    with pytest.raises(ModelError) as raised:
        read_decisions(tmp_path, "baseline")
    assert str(raised.value).startswith(f"{path}: expected the record of ")
    assert received in str(raised.value)


def test_record_that_is_not_json_is_named(tmp_path: Path) -> None:
    path = write_decision(tmp_path, record("a", "b"))
    path.unlink()
    path.write_bytes(b"\xff{")
    with pytest.raises(ModelError, match=r"the record of a decision\. Received: Invalid"):
        read_decisions(tmp_path, "baseline")


def test_history_of_promotions_and_rollbacks() -> None:
    records = [record("a", "b"), record("b", "c"), record("c", "b", Action.ROLLBACK)]
    assert champion_history(records, "b") == ["a", "b"]
    assert champion_history([*records, record("b", "d")], "d") == ["a", "b", "d"]
    assert champion_history([], "a") == ["a"]
    assert champion_history([], None) == []


def test_verdict_that_keeps_the_champion_is_no_part_of_its_history() -> None:
    kept = record("b", "b", Action.GATE)
    assert champion_history([record("a", "b"), kept], "b") == ["a", "b"]


def test_champion_named_by_hand_can_be_rolled_back_from() -> None:
    assert champion_history([record("a", "b")], "z") == ["a", "b", "z"]
    assert champion_history([record("a", "b"), record("z", "c")], "c") == ["a", "b", "z", "c"]
    assert champion_history([record("a", "b"), record("b", "c")], "a") == ["a"]


def test_rollback_leaves_the_one_that_it_goes_back_from_also_where_nothing_was_before() -> None:
    assert champion_history([record("c", "b", Action.ROLLBACK)], "b") == ["b"]


steps = st.tuples(st.sampled_from("abcd"), st.booleans(), st.booleans())


@given(st.lists(steps, max_size=14))
def test_history_is_what_a_stack_would_hold_whatever_was_interrupted(
    drawn: list[tuple[str, bool, bool]],
) -> None:
    """Promotions and rollbacks, of which some are recorded and then do not come about."""
    stack, records = ["shipped"], []
    for version, back, interrupted in drawn:
        if back and len(stack) < 2:
            continue
        target = stack[-2] if back else version
        action = Action.ROLLBACK if back else Action.PROMOTE
        records.append(record(stack[-1], target, action))
        if target == stack[-1] or interrupted:
            continue
        stack = stack[:-1] if back else [*stack, target]
    assert champion_history(records, stack[-1]) == stack
