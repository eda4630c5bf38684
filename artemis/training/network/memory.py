"""Keep the memory that training frees, instead of handing it back and asking for it again."""

from __future__ import annotations

from typing import Final

from artemis.system.allocator import M_ARENA_MAX, M_MMAP_MAX, M_TOP_PAD, M_TRIM_THRESHOLD, tune

_NEVER: Final = 2**31 - 1
_PARAMETERS: Final = (
    (M_MMAP_MAX, 0),  # large blocks come from the heap as well, and stay
    (M_TRIM_THRESHOLD, _NEVER),  # the heap's top is not given back
    (M_TOP_PAD, 64 << 20),  # it grows in steps of 64 MiB
    (M_ARENA_MAX, 1),  # one heap, whose freed blocks serve every thread
)


def keep_freed_memory() -> bool:
    """Tell glibc's allocator to keep freed memory for the life of the process.

    TensorFlow frees and allocates tensors of 100 MB in every step. By default each comes
    fresh from the kernel, page by page; on a virtual machine that was a third of the time
    of training the baseline (38 against 56 ms a picture, two cores, in turn, peak memory 2.0
    against 1.6 GB).

    Returns
    -------
    bool
        See `artemis.system.allocator.tune`.
    """
    return tune(_PARAMETERS)
