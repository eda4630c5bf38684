from __future__ import annotations

from datetime import datetime, timedelta, timezone, tzinfo
from types import SimpleNamespace

import pytest

from artemis.run_ids import by_time, new_run_id


def test_run_ids_sort_by_the_second_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    berlin = timezone(timedelta(hours=1))
    moments = [
        datetime(2026, 10, 1, 0, 59, 59, tzinfo=berlin),
        datetime(2026, 10, 1, 1, 0, 0, tzinfo=berlin),
        datetime(2026, 10, 1, 1, 0, 1, tzinfo=berlin),
    ]
    clock = SimpleNamespace(now=lambda zone: moments.pop(0).astimezone(zone))
    monkeypatch.setattr("artemis.run_ids.datetime", clock)
    made = [new_run_id() for _ in range(3)]
    assert made == sorted(made)
    assert [one.partition("-")[0] for one in made] == [
        "20260930T235959Z",
        "20261001T000000Z",
        "20261001T000001Z",
    ]


def test_run_ids_of_one_second_differ() -> None:
    made = {new_run_id().partition("-")[2] for _ in range(20)}
    assert len(made) == 20
    assert {len(bytes.fromhex(one)) for one in made} == {3}


class Midnight(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Midnight:
        return cls(2026, 10, 1, 0, 0, 0, 500_000, tzinfo=tz)


@pytest.mark.parametrize(
    ("other", "second"),
    [
        ("20261001T000500Z-100000", "20261001T000500Z"),  # by a clock that was ahead
        ("20261001T000500Z-ffff00", "20261001T000501Z"),
        ("20261001T000000Z-100000", "20261001T000000Z"),
        ("20261001T000000Z-ffffff", "20261001T000001Z"),
        ("20260930T235959Z-ffffff", "20261001T000000Z"),
    ],
)
def test_a_run_sorts_after_the_others_whatever_the_clocks_say(
    monkeypatch: pytest.MonkeyPatch, other: str, second: str
) -> None:
    monkeypatch.setattr("artemis.run_ids.datetime", Midnight)
    made = new_run_id(["before the update", "20250101T000000Z-000000", other])
    assert made.partition("-")[0] == second
    assert made > other


@pytest.mark.parametrize("other", ["99999999T999999Z-ffffff", "99991231T235959Z-ffffff", "latest"])
def test_what_is_no_time_changes_no_id(monkeypatch: pytest.MonkeyPatch, other: str) -> None:
    monkeypatch.setattr("artemis.run_ids.datetime", Midnight)
    assert new_run_id([other]).startswith("20261001T000000Z-")


def test_a_name_given_by_hand_sorts_before_every_time() -> None:
    names = ["20261001T000000Z-100000", "20261001T000000Z-100000.bak", "a", "20271001T000000Z-0"]
    assert max(names, key=by_time) == names[0]
