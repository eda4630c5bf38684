"""NumPy's files, read so that threads may read them side by side; nothing is unpickled.

NumPy parses the head of an array with `ast`. Before Python 3.12 the depth of what `ast` makes is
counted once for all threads, and a collection of garbage in the midst of it lets another thread on:
of two that parse, one then fails with ``SystemError: AST constructor recursion depth mismatch``
(github.com/python/cpython/issues/106905 is of the same count).
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_PARSING: Final = threading.Lock()
_APART: Final = sys.version_info >= (3, 12)  # there garbage is collected between two steps alone


def read_array(path: Path, *, mapped: bool = False) -> NDArray[Any]:
    """Return the array of a ``.npy`` file.

    Parameters
    ----------
    path : Path
        The file.
    mapped : bool
        Leave it on disk, to be read where it is looked at.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it holds no array, or one of objects.
    """
    with _undisturbed():
        array: NDArray[Any] = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    return array


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a ``.npz`` file, by name.

    Raises
    ------
    OSError, EOFError, zipfile.BadZipFile
        If it cannot be read.
    ValueError
        If it holds no arrays, or arrays of objects.
    """
    with _undisturbed(), np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


@contextmanager
def _undisturbed() -> Iterator[None]:
    if _APART:
        yield
        return
    with _PARSING:
        enabled = gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            if enabled:
                gc.enable()
