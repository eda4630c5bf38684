"""Runs of this process that were ended, so that steps still at work on them stop soon."""

from __future__ import annotations

from typing import Final

from artemis.errors import RunEndedError

_ENDED: Final[set[str]] = set()


def end(run_id: str) -> None:
    """Say that a run was ended before it was done."""
    _ENDED.add(run_id)


def check_goes_on(run_id: str) -> None:
    """Raise if a run was ended; a step asks between slices.

    Raises
    ------
    RunEndedError
        If it was.
    """
    if run_id in _ENDED:
        raise RunEndedError(
            f"{run_id}: expected a run that goes on. Received one that was ended. "
            "Start the batch again."
        )
