"""What can work on the chunks of a run; apart, since the command line needs it to start with."""

from __future__ import annotations

from enum import StrEnum


class Engine(StrEnum):
    """What works on the chunks of a run: threads of its process, or the workers of Dask."""

    LOCAL = "local"
    DASK = "dask"
