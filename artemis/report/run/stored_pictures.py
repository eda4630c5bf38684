"""A run's pictures, read from their table when they are asked for.

A page embeds a few hundred of them; held in memory all at once, those of 20,000 slices alone take
200 MB. It asks for those of the most doubtful slices, which lie all over the run: `take` reads them
in the order of the parts, so that few of these need to be held.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from artemis.predictions import THUMBNAILS_SCHEMA, read_part

_PARTS_HELD: Final = 2


class StoredPictures(Mapping[str, bytes]):
    """Files by slice id: one column of the table `thumbnails`, where it has a value.

    Parameters
    ----------
    column : str
        Which, see `artemis.batches.thumbnails.finished_thumbnails`.
    read : callable
        Returns a part; the columns of one run share it, and so the parts that it holds.
    """

    def __init__(self, column: str, read: Callable[[Path], pa.Table]) -> None:
        self._column, self._read = column, read
        self._places: dict[str, tuple[Path, int]] = {}

    def add(self, places: Sequence[tuple[str, tuple[Path, int]]], table: pa.Table) -> None:
        """Note where the pictures of a part lie; of copies the last is shown.

        Parameters
        ----------
        places : sequence of tuple
            Slice id and place of each row; the columns share them, for they are many.
        table : pyarrow.Table
            The part.
        """
        rows = pc.indices_nonzero(pc.is_valid(table[self._column]))
        self._places.update(places[row] for row in rows.to_pylist())

    def __getitem__(self, slice_id: str) -> bytes:
        part, row = self._places[slice_id]
        picture: bytes = self._read(part)[self._column][row].as_py()
        return picture

    def take(self, slice_ids: Iterable[str]) -> dict[str, bytes]:
        """Return the files of some slices, in no order, each part read once; see `take`."""
        rows: defaultdict[Path, dict[str, int]] = defaultdict(dict)
        for slice_id in slice_ids:
            if slice_id in self._places:
                part, row = self._places[slice_id]
                rows[part][slice_id] = row
        return {
            slice_id: self._read(part)[self._column][row].as_py()
            for part in sorted(rows)
            for slice_id, row in rows[part].items()
        }

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def take(pictures: Mapping[str, bytes], slice_ids: Iterable[str]) -> dict[str, bytes]:
    """Return the pictures of some slices, those that there are.

    Parameters
    ----------
    pictures : mapping of str to bytes
        By slice id; of those stored in a run's parts, each part is read once.
    slice_ids : iterable of str
        Which.
    """
    if isinstance(pictures, StoredPictures):
        return pictures.take(slice_ids)
    return {slice_id: pictures[slice_id] for slice_id in slice_ids if slice_id in pictures}


def stored_pictures(run_dir: Path) -> dict[str, StoredPictures]:
    """Return a run's pictures by column: ``jpeg``, ``overlay``, ``view_jpeg``, ``view_evidence``.

    Raises
    ------
    RunRecordError
        If a part is unreadable or lacks a column.
    """

    @lru_cache(_PARTS_HELD)
    def read(part: Path) -> pa.Table:
        return read_part(part, THUMBNAILS_SCHEMA)

    columns = [name for name in THUMBNAILS_SCHEMA.names if name != "slice_id"]
    pictures = {column: StoredPictures(column, read) for column in columns}
    for part in sorted((run_dir / "thumbnails").rglob("part-*.parquet")):
        table = read(part)
        ids = table["slice_id"].to_pylist()
        places = [(slice_id, (part, row)) for row, slice_id in enumerate(ids)]
        for stored in pictures.values():
            stored.add(places, table)
    return pictures
