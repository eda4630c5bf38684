"""What is found out once about a file, however many chunks and threads read it."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, NamedTuple, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

SETTLED_NS: Final = 2_000_000_000
"""How long a file must have lain unchanged, in ns, until its times tell it from a later content.

Times of files go on in steps, of 2 s at the coarsest: within one, two contents look alike.
"""


class Once(Generic[Key, Value]):
    """Results that are made once, also when several threads ask for one at the same time.

    Parameters
    ----------
    most : int
        Results kept; those that were asked for longest ago are forgotten first.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._cells: OrderedDict[Key, _Cell] = OrderedDict()

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """Return the result of a key, made by `make` if it was not yet, or if that failed."""
        with self._lock:
            cell = self._cells.setdefault(key, _Cell())
            self._cells.move_to_end(key)
            while len(self._cells) > self._most:
                self._cells.popitem(last=False)
        with cell.lock:
            if not cell.made:
                cell.value, cell.made = make(), True
            value: Value = cell.value
            return value


@dataclass(slots=True)
class _Cell:
    lock: threading.Lock = field(default_factory=threading.Lock)
    made: bool = False
    value: Any = None


class FileState(NamedTuple):
    """What an open file is told by; it changes with the content."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, descriptor: int) -> FileState:
        """Return the state of an open file."""
        status = os.fstat(descriptor)
        return cls(
            status.st_dev,
            status.st_ino,
            status.st_size,
            status.st_mtime_ns,
            # A content put in place by a program that sets times back changes this one.
            status.st_ctime_ns,
        )

    def is_settled(self) -> bool:
        """Return whether a content written from now on is sure to have another state."""
        return time.time_ns() - max(self.modified_ns, self.changed_ns) > SETTLED_NS
