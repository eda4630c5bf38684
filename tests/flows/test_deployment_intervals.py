from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from artemis.errors import SettingsError
from flows.deployments import interval_as_cron


@pytest.mark.parametrize(
    ("seconds", "cron"),
    [
        (1, "* * * * * */1"),
        (20, "* * * * * */20"),
        (60, "*/1 * * * *"),
        (300, "*/5 * * * *"),
        (3600, "0 */1 * * *"),
        (6 * 3600, "0 */6 * * *"),
        (86_400, "0 0 * * *"),
    ],
)
def test_an_interval_becomes_a_cron_expression(seconds: int, cron: str) -> None:
    assert interval_as_cron(seconds) == cron


@given(st.integers(1, 90_000))
def test_every_interval_keeps_its_length_or_is_refused(seconds: int) -> None:
    try:
        *fields, last = interval_as_cron(seconds).split()
    except SettingsError:
        assert seconds > 86_400 or any(
            seconds % unit or larger % seconds
            for unit, larger in ((1, 60), (60, 3600), (3600, 86_400))
            if seconds < larger
        )
        return
    # Prefect has the seconds last, this parser has them first.
    cron = " ".join([last, *fields] if len(fields) == 5 else [*fields, last])
    dates = CronSim(cron, datetime(2026, 1, 1, tzinfo=UTC))
    found = [next(dates) for _ in range(5)]
    gaps = {(b - a).total_seconds() for a, b in itertools.pairwise(found)}
    assert gaps == {seconds}


@pytest.mark.parametrize("seconds", [7, 90, 5400 * 5, 86_401])
def test_an_interval_without_a_cron_expression_names_the_way_out(seconds: int) -> None:
    with pytest.raises(SettingsError, match=rf"Received {seconds}\. Take another, such as 60"):
        interval_as_cron(seconds)
