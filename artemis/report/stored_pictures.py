"""A run's small pictures, read from their table when they are asked for.

A page embeds a few hundred of them; held in memory all at once, those of 20,000 slices alone take
200 MB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from artemis.predictions import THUMBNAILS_SCHEMA, read_part

_PARTS_HELD: Final = 24


class StoredPictures(Mapping[str, bytes]):
    """JPEG files by slice id: one column of the table `thumbnails`, where it has a value.

    Parameters
    ----------
    parts : sequence of Path
        Of the table.
    column : {'jpeg', 'overlay'}
        Which.
    read : callable
        Returns a part; the columns of one run share it, and so the parts that it holds.

    Raises
    ------
    RunRecordError
        If a part is unreadable or lacks a column.
    """

    def __init__(self, parts: list[Path], column: str, read: Callable[[Path], pa.Table]) -> None:
        self._column, self._read = column, read
        self._places: dict[str, tuple[Path, int]] = {}
        for part in parts:
            table = read(part)
            there = pc.is_valid(table[column]).to_pylist()
            for row, slice_id in enumerate(table["slice_id"].to_pylist()):
                if there[row]:
                    self._places[slice_id] = (part, row)

    def __getitem__(self, slice_id: str) -> bytes:
        part, row = self._places[slice_id]
        picture: bytes = self._read(part)[self._column][row].as_py()
        return picture

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def stored_pictures(run_dir: Path) -> tuple[StoredPictures, StoredPictures]:
    """Return a run's thumbnails and its overlays of evidence."""

    @lru_cache(_PARTS_HELD)
    def read(part: Path) -> pa.Table:
        return read_part(part, THUMBNAILS_SCHEMA)

    parts = sorted((run_dir / "thumbnails").rglob("part-*.parquet"))
    return StoredPictures(parts, "jpeg", read), StoredPictures(parts, "overlay", read)
