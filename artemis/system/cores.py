"""How many cores this process may use, which is not how many the machine has."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

_PROC: Final = Path("/proc/self/cgroup")
_MOUNT: Final = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Return how many cores this process may use, 1 or more.

    A scheduler gives a job some of a node's cores (Slurm by the process's affinity), and a
    container a share of their time (Kubernetes by a quota of its control group, `cpu.max` of
    version 2 and `cpu.cfs_quota_us` of version 1, see cgroups(7)); a thread for each core of the
    node would then be too many.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min([cores, *map(math.ceil, quotas(_PROC, _MOUNT))]))


def chunks_at_a_time() -> int:
    """Return how many chunks are read at the same time, one for every two cores.

    A core reads about as many pictures as another one classifies with both models.
    """
    return max(1, usable_cores() // 2)


def chunk_threads() -> int:
    """Return how many threads work on chunks: four for each that is read.

    Reading, two models and concluding take one each, from the beginning of a chunk on, and those
    that come later wait.
    """
    return 4 * chunks_at_a_time()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep the linear algebra of NumPy and SciPy on one core; needs scikit-learn, imported before.

    Several threads add up in another order, so that a fit would hang on the number of cores. Of
    the narrow products of a regression they also spend most of their time on waiting: six times
    as much in all, and no less by the clock.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield


def quotas(proc: Path, mount: Path) -> Iterator[float]:
    """Yield how many cores' time each limit allows on the control groups of a process.

    Parameters
    ----------
    proc : Path
        Where the kernel names the process's control groups, ``/proc/<pid>/cgroup``.
    mount : Path
        Where it shows them, ``/sys/fs/cgroup``.

    Yields
    ------
    float
        Cores, more than 0. Nothing where there is no limit or no control groups.
    """
    for line in _lines(proc):
        _, controllers, group = line.split(":", 2)
        own = PurePosixPath(group.lstrip("/"))
        if not controllers:  # version 2
            for path in (own, *own.parents):
                yield from _share(*_words(mount / path / "cpu.max"))
        elif "cpu" in controllers.split(","):
            for path in (own, *own.parents):
                folder = mount / "cpu" / path
                quota, period = (folder / f"cpu.cfs_{name}_us" for name in ("quota", "period"))
                yield from _share(*_words(quota), *_words(period))


def _share(quota: str = "max", period: str = "0") -> Iterator[float]:
    """Yield quota / period, both in microseconds; nothing where there is no limit."""
    if quota.isdecimal() and period.isdecimal() and int(quota) > 0 and int(period) > 0:
        yield int(quota) / int(period)


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()[:2]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []
