"""Ids of runs: sortable by the time at which a run began, whatever the clocks say."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

_RUN_ID: Final = re.compile(r"([0-9]{8}T[0-9]{6}Z)-([0-9a-f]{6})")
_TIME: Final = "%Y%m%dT%H%M%SZ"
_SUFFIXES: Final = 1 << 24
_STEP: Final = 1 << 20  # of so many, two commands that begin at once hardly take the same


def new_run_id(others: Iterable[str] = ()) -> str:
    """Return a sortable run id: UTC time to the second and six random hex digits.

    Parameters
    ----------
    others : iterable of str
        Names of folders of runs. The id sorts after them: ``latest`` must not mean another run
        where a clock was set back, where that of another machine is ahead, or within a second.
    """
    made, first, choice = datetime.now(UTC).replace(microsecond=0), 0, _SUFFIXES
    newest = max(filter(_RUN_ID.fullmatch, others), default="")
    if newest and (told := _time_in(newest)) and told >= made:
        made, first, choice = told, int(newest[-6:], 16) + 1, _STEP
        if first + choice > _SUFFIXES:
            made, first, choice = told + timedelta(seconds=1), 0, _SUFFIXES
    return f"{made:{_TIME}}-{first + secrets.randbelow(choice):06x}"


def by_time(name: str) -> tuple[bool, str]:
    """Return what sorts names of folders of runs by time; a name given by hand comes first."""
    return _RUN_ID.fullmatch(name) is not None, name


def _time_in(run_id: str) -> datetime | None:
    """Return the time in an id; None where its digits are none, or there is none after it."""
    try:
        told = datetime.strptime(run_id.partition("-")[0], _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
    return told if told.year < datetime.max.year else None
