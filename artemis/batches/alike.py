"""What decides a run's rows beside its files, models and settings: the machine's code and versions.

Rows of one run must be made alike, whether by several workers or by several shards.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import lru_cache
from typing import cast

from artemis.batches.versions import versions
from artemis.errors import EngineError
from artemis.models.network import choose_runtime
from artemis.runs import RunRecord
from artemis.settings import Runtime


def made_with(record: RunRecord) -> dict[str, str]:
    """Return by name what a run's rows are made with, as its record says it."""
    words = record.runtime.partition(",")[0]  # without the times of a probe
    return _named(words, record.versions)


def differences(made: Mapping[str, str]) -> str:
    """Say how rows of this machine would be made otherwise; nothing where they would not.

    Parameters
    ----------
    made : mapping of str to str
        See `made_with`.
    """
    here = _made_here(cast(Runtime, made["runtime"].partition(" ")[0]))
    return "; ".join(
        f"{name}: {made.get(name, 'none')} in the run, {here.get(name, 'none')} here"
        for name in {**made, **here}
        if made.get(name) != here.get(name)
    )


def check_alike(record: RunRecord) -> None:
    """Raise unless this machine makes rows as the one does that began the run.

    Raises
    ------
    EngineError
        If a version differs, or what runs the networks, or its precision.
    """
    if found := differences(made_with(record)):
        raise EngineError(
            f"{platform.node()}: expected a machine that makes rows as the others of "
            f"{record.run_id} do. Received a difference in {found}. Install the same code and "
            "versions on every machine, and start the batch again."
        )


@lru_cache(maxsize=4)
def _made_here(runtime: Runtime) -> dict[str, str]:
    return _named(str(choose_runtime(runtime, ())), versions(runtime))


def _named(runtime: str, found: Mapping[str, str]) -> dict[str, str]:
    return {"runtime": runtime, **{f"version of {name}": one for name, one in found.items()}}
