"""A run's pictures, read from their table when they are asked for.

A page embeds a few hundred of them; held in memory all at once, those of 20,000 slices alone take
200 MB. It asks for those of the most doubtful slices, which lie all over the run: `take` reads them
in the order of the parts, so that few of these need to be held.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from artemis.predictions import read_part
from artemis.schemas import THUMBNAILS_SCHEMA

_PARTS_HELD: Final = 2
_LOOK: Final = "/"  # between a slice's id and a look that is not the first
_PICTURES: Final = [field.name for field in THUMBNAILS_SCHEMA if pa.types.is_binary(field.type)]


class StoredPictures(Mapping[str, bytes]):
    """Files by the names of pictures: one column of the table `thumbnails`, where it has a value.

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
            Name and place of each row's picture; the columns share them, for they are many.
        table : pyarrow.Table
            The part.
        """
        rows = pc.indices_nonzero(pc.is_valid(table[self._column]))
        self._places.update(places[row] for row in rows.to_pylist())

    def leave_out(self, slice_ids: Collection[str]) -> None:
        """Forget the pictures of some slices, however they look."""
        kept = {n: at for n, at in self._places.items() if n.partition(_LOOK)[0] not in slice_ids}
        self._places = kept

    def __getitem__(self, name: str) -> bytes:
        part, row = self._places[name]
        picture: bytes = self._read(part)[self._column][row].as_py()
        return picture

    def take(self, names: Iterable[str]) -> dict[str, bytes]:
        """Return the files of some pictures, in no order, each part read once; see `take`."""
        rows: defaultdict[Path, dict[str, int]] = defaultdict(dict)
        for name in names:
            if name in self._places:
                part, row = self._places[name]
                rows[part][name] = row
        return {
            name: self._read(part)[self._column][row].as_py()
            for part in sorted(rows)
            for name, row in rows[part].items()
        }

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


@dataclass(frozen=True)
class RunPictures:
    """A run's pictures by their names.

    A slice's picture is named by its slice id, which all of the same pixels share. Where such a
    one is shown otherwise than the first of them, by another window, its picture is another.

    Attributes
    ----------
    columns : mapping of str to StoredPictures
        ``jpeg``, ``overlay``, ``view_jpeg``, ``view_evidence``.
    other_looks : mapping of (str, int) to str
        Names by path and frame, of slices whose picture is not named by their slice id.
    withheld : frozenset of str
        Slice ids of which no picture may be shown: of one file at least that has these pixels,
        it says that text is burnt into them.
    """

    columns: Mapping[str, StoredPictures]
    other_looks: Mapping[tuple[str, int], str]
    withheld: frozenset[str] = frozenset()


def take(pictures: Mapping[str, bytes], names: Iterable[str]) -> dict[str, bytes]:
    """Return some pictures, those that there are.

    Parameters
    ----------
    pictures : mapping of str to bytes
        By name; of those stored in a run's parts, each part is read once.
    names : iterable of str
        Which.
    """
    if isinstance(pictures, StoredPictures):
        return pictures.take(names)
    return {name: pictures[name] for name in names if name in pictures}


def stored_pictures(run_dir: Path) -> RunPictures:
    """Return where the pictures of a run lie.

    Raises
    ------
    RunRecordError
        If a part is unreadable or lacks a column.
    """

    @lru_cache(_PARTS_HELD)
    def read(part: Path) -> pa.Table:
        return read_part(part, THUMBNAILS_SCHEMA)

    pictures = {column: StoredPictures(column, read) for column in _PICTURES}
    looks = _Looks()
    others: dict[tuple[str, int], str] = {}
    withheld: set[str] = set()
    for part in sorted((run_dir / "thumbnails").rglob("part-*.parquet")):
        table = read(part)
        ids = table["slice_id"].to_pylist()
        withheld.update(table.filter(pc.is_null(table["jpeg"]))["slice_id"].to_pylist())
        names = [looks.name(*one) for one in zip(ids, table["jpeg"], strict=True)]
        for stored in pictures.values():
            stored.add([(name, (part, row)) for row, name in enumerate(names)], table)
        slices = zip(table["path"].to_pylist(), table["frame"].to_pylist(), strict=True)
        named = zip(slices, names, ids, strict=True)
        others |= {one: name for one, name, slice_id in named if name != slice_id}
    if withheld:
        for stored in pictures.values():
            stored.leave_out(withheld)
    return RunPictures(pictures, others, frozenset(withheld))


class _Looks:
    """Names pictures: of those of one slice id, the first by it and others by their look too."""

    def __init__(self) -> None:
        self._first: dict[str, bytes] = {}

    def name(self, slice_id: str, jpeg: pa.BinaryScalar) -> str:
        if not jpeg.is_valid:
            return slice_id
        look = hashlib.blake2b(jpeg.as_buffer(), digest_size=8).digest()
        same = self._first.setdefault(slice_id, look) == look
        return slice_id if same else f"{slice_id}{_LOOK}{look.hex()}"
