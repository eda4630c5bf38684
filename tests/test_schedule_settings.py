from __future__ import annotations

import pytest
from pydantic import ValidationError

from artemis.errors import SettingsError
from artemis.settings import ScheduleSettings, load_settings


def test_variables_set_the_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTEMIS_SCHEDULE__RETRAIN_CRON", "30 2 * jan-jun,9 MON-FRI")
    monkeypatch.setenv("ARTEMIS_SCHEDULE__TIME_ZONE", "Europe/Berlin")
    monkeypatch.setenv("ARTEMIS_SCHEDULE__INBOX_INTERVAL", "5")
    schedule = load_settings().schedule
    assert schedule.retrain_cron == "30 2 * jan-jun,9 MON-FRI"
    assert (schedule.time_zone, schedule.inbox_interval) == ("Europe/Berlin", 5)


@pytest.mark.parametrize(
    "cron",
    ["", "nightly", "@daily", "* * * *", "0 0 2 * * 6", "61 * * * *", "0 2 31 2 *", "*/0 * * * *",
     "0 2 L * *", "0 2 * * 6#2", "0 2 * * 6\n* * * * *", "5-1 * * * *", "0 2 , * *"],
)  # fmt: skip
def test_wrong_cron_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, cron: str) -> None:
    with pytest.raises(ValidationError, match=r"such as 0 2 \* \* 6"):
        ScheduleSettings(retrain_cron=cron)
    if cron:
        monkeypatch.setenv("ARTEMIS_SCHEDULE__RETRAIN_CRON", cron)
        with pytest.raises(SettingsError, match="ARTEMIS_SCHEDULE__RETRAIN_CRON: expected"):
            load_settings()


@pytest.mark.parametrize("name", ["", "Berlin", "Europe", "../etc/passwd", "/etc/localtime", "a\0"])
def test_wrong_time_zone_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValidationError, match="an IANA name such as Europe/Berlin or UTC"):
        ScheduleSettings(time_zone=name)


@pytest.mark.parametrize(
    ("name", "value"), [("inbox_interval", 0), ("quiet_period", -1), ("server_port", 70_000)]
)
def test_numbers_have_bounds(name: str, value: int) -> None:
    with pytest.raises(ValidationError, match=name):
        ScheduleSettings(**{name: value})


def test_every_setting_is_described() -> None:
    assert all(field.description for field in ScheduleSettings.model_fields.values())
