"""Arrays by content on disk: append-only parts, so that a set that grows reads what is new."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from artemis.system.files import atomic_path
from artemis.system.numpy_files import read_array


class ArrayStore:
    """Values of one dtype and shape by key.

    A part is two files: ``<digest>.npy`` with the values, and, written last,
    ``<digest>.keys.npy`` with their keys. Parts are never rewritten; one that cannot be
    read counts as missing, and what it held is made anew.

    Parameters
    ----------
    folder : Path
        Of the parts; made when the first is written.
    dtype : dtype
        Of a value; structured dtypes may be used, objects may not.
    shape : tuple of int
        Of a value.
    """

    def __init__(self, folder: Path, dtype: DTypeLike, shape: tuple[int, ...] = ()) -> None:
        self._folder = folder
        self._dtype = np.dtype(dtype)
        self._shape = shape
        self._where: dict[str, tuple[Path, int]] = {}
        for keys in sorted(folder.glob("*.keys.npy")):
            self._open(keys)

    def __contains__(self, key: str) -> bool:
        return key in self._where

    def append(self, keys: Sequence[str], values: NDArray[Any]) -> None:
        """Write a part; `values` has a row for each of `keys`."""
        if not keys:
            return
        name = hashlib.sha256("\n".join(keys).encode()).hexdigest()[:32]
        named = self._folder / f"{name}.keys.npy"
        for path, array in (
            (self._folder / f"{name}.npy", np.asarray(values, self._dtype)),
            (named, np.array(keys, dtype="S")),
        ):
            with atomic_path(path) as temporary, temporary.open("wb") as stream:
                np.save(stream, array, allow_pickle=False)
        self._open(named)

    def gather(self, keys: Sequence[str]) -> NDArray[Any]:
        """Return the values of `keys`, ``(n, *shape)``, in their order.

        Raises
        ------
        KeyError
            If one is not in the store.
        """
        gathered = np.empty((len(keys), *self._shape), self._dtype)
        wanted: dict[Path, list[tuple[int, int]]] = {}
        for row, key in enumerate(keys):
            path, where = self._where[key]
            wanted.setdefault(path, []).append((row, where))
        for path, places in wanted.items():
            # One part after the other, read and let go: mapped pages would count twice.
            values = read_array(path)
            rows, where_in_part = np.array(places).T
            gathered[rows] = values[where_in_part]
        return gathered

    def _open(self, named: Path) -> None:
        path = named.with_name(named.name.replace(".keys.npy", ".npy"))
        try:
            keys = read_array(named)
            # Mapped only to see that the part is whole and of the right kind.
            values = read_array(path, mapped=True)
        except (OSError, ValueError):
            return
        if values.dtype == self._dtype and values.shape == (len(keys), *self._shape):
            for row, key in enumerate(keys.tolist()):
                self._where.setdefault(key.decode("ascii", "replace"), (path, row))
