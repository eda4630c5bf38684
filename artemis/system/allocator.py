"""How the C library's allocator keeps and shares memory. Does nothing where it is not glibc."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

M_TRIM_THRESHOLD: Final = -1
M_TOP_PAD: Final = -2
M_MMAP_MAX: Final = -4
M_ARENA_MAX: Final = -8
"""Parameters of ``mallopt(3)``, as ``malloc.h`` of glibc numbers them."""


def tune(parameters: Sequence[tuple[int, int]]) -> bool:
    """Set parameters of glibc's allocator for the life of the process.

    Parameters
    ----------
    parameters : sequence of (int, int)
        Parameter of ``mallopt(3)`` and value.

    Returns
    -------
    bool
        False where the C library is another, or refuses one of them.
    """
    mallopt = _of_glibc("mallopt")
    if mallopt is None:
        return False
    return all([mallopt(name, value) == 1 for name, value in parameters])


def share_heaps() -> bool:
    """Let all threads share two heaps, whose freed blocks serve every one of them.

    By default each thread has a heap of its own, and what it frees stays with it: chunks are
    read, predicted and written by different threads (583 against 543 MB at most for 2,000
    images, in turn).

    Returns
    -------
    bool
        See `tune`.
    """
    return tune([(M_ARENA_MAX, 2)])


def give_back() -> bool:
    """Give the system back what was freed and is kept: after a chunk, and before other work.

    Returns
    -------
    bool
        Whether there was any; False where the C library is not glibc.
    """
    pa.default_memory_pool().release_unused()
    trim = _of_glibc("malloc_trim")
    return trim is not None and trim(0) == 1


def _of_glibc(function: str) -> Any:
    """Return a function of the C library, or None where it has no such one."""
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), function, None)
