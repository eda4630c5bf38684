"""Stored voxels of a NIfTI file of any size, a band of slices in memory at a time."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from artemis.errors import ScanError
from artemis.ingest.border import image_border
from artemis.ingest.inflate import InflatedReader, Places
from artemis.ingest.nifti.header import NiftiLayout
from artemis.ingest.reasons import Reason, scan_error

BAND_BYTES: Final = 64 << 20
"""Slices held at a time, in bytes, but never less than one slice."""

ALONG_BYTES: Final = 8 << 20
"""The same where slices of a larger volume lie one after the other: more of them save nothing."""

SAMPLED_VOXELS: Final = 4_000_000
RUNS: Final = 16
RUN_VOXELS: Final = 1 << 15
_BLOCK_BYTES: Final = 4 << 20
_SHORT_RUN_BYTES: Final = 4096
_UNPACKED_BYTES: Final = 1 << 16


def unpacked(stream: BinaryIO, gzipped: bool, places: Places | None = None) -> BinaryIO:
    """Return a NIfTI file's content, at its start; see `artemis.ingest.inflate` for `places`."""
    if gzipped:
        reader = io.BufferedReader(InflatedReader(stream, places), _UNPACKED_BYTES)
        return cast(BinaryIO, reader)
    stream.seek(0)
    return stream


class Sample(NamedTuple):
    """Some voxels of a volume, as stored.

    Attributes
    ----------
    voxels : ndarray, (n,)
        Every n-th, so that they are at most `SAMPLED_VOXELS`.
    runs : list of ndarray, (n,)
        Neighbours, each run from the start of a row: of a small volume all, else about `RUNS`
        times `RUN_VOXELS`, evenly spread.
    """

    voxels: NDArray[Any]
    runs: list[NDArray[Any]]


class StoredVolumes:
    """The voxels of a file, as stored.

    On the disk, a volume is a table of ``across`` rows, and each of its slices a few neighbouring
    columns: a single row if the slices lie one after the other. A band is some slices that are
    read together, since what lies across the rows costs a pass over the whole volume.

    Parameters
    ----------
    content : BinaryIO
        From `unpacked`.
    layout : NiftiLayout
        What the header says.
    """

    def __init__(self, content: BinaryIO, layout: NiftiLayout) -> None:
        self._content = cast(io.BufferedIOBase, content)
        self._layout = layout
        axis = layout.slice_axis
        self._across = math.prod(layout.shape[axis + 1 :])
        self._columns = math.prod(layout.shape[:axis])  # of one slice
        slice_bytes = self._across * self._columns * layout.dtype.itemsize
        along = self._across == 1 and layout.volume_bytes > BAND_BYTES
        band_bytes = min(BAND_BYTES, ALONG_BYTES) if along else BAND_BYTES
        self._in_a_band = min(layout.slices, max(1, band_bytes // slice_bytes))
        self._held: tuple[tuple[int, int], NDArray[Any] | ScanError] | None = None

    def slab(self, volume: int, number: int) -> NDArray[Any]:
        """Return a slice, of length 1 along the slice axis.

        Parameters
        ----------
        volume, number : int
            Volume, and slice in the order of its own axis, from 0.

        Raises
        ------
        ScanError
            If the file ends before, or cannot be unpacked.
        """
        band, place = divmod(number, self._in_a_band)
        cut: list[slice] = [slice(None)] * 3
        cut[self._layout.slice_axis] = slice(place, place + 1)
        return self._band(volume, band)[tuple(cut)]

    def sample(self, volume: int) -> Sample:
        """Return some voxels of a volume, in one pass.

        Raises
        ------
        ScanError
            See `slab`.
        """
        size = math.prod(self._layout.shape)
        step = -(-size // SAMPLED_VOXELS)
        if self._in_a_band == self._layout.slices:
            stored = self._band(volume, 0).ravel(order="K")
            return Sample(stored[::step], self._spread_runs(stored))
        sampled = np.empty(-(-size // step), self._layout.dtype)
        runs: list[NDArray[Any]] = []
        begin = done = 0
        with image_border():
            for block in self._blocks(volume, step):
                taken = block[::step]
                sampled[done : done + len(taken)] = taken
                if begin >= len(runs) * size // RUNS:
                    first = -begin % self._layout.shape[0]
                    runs.append(block[first : first + RUN_VOXELS].copy())
                begin, done = begin + len(block), done + len(taken)
        return Sample(sampled, runs)

    def _spread_runs(self, stored: NDArray[Any]) -> list[NDArray[Any]]:
        row = self._layout.shape[0]
        if len(stored) <= RUNS * RUN_VOXELS:
            return [stored]
        starts = np.linspace(0, (len(stored) - RUN_VOXELS) // row, RUNS).astype(int) * row
        return [stored[start : start + RUN_VOXELS] for start in starts.tolist()]

    def _band(self, volume: int, band: int) -> NDArray[Any]:
        key = (volume, band)
        if self._held is None or self._held[0] != key:
            self._held = None  # free it before the next is read
            try:
                with image_border():
                    self._held = (key, self._read(volume, band))
            except ScanError as problem:
                self._held = (key, problem.again())  # not to be tried again for each of its slices
        found = self._held[1]
        if isinstance(found, ScanError):
            raise found.again()
        return found

    def _read(self, volume: int, band: int) -> NDArray[Any]:
        layout = self._layout
        first = band * self._in_a_band
        slices = min(self._in_a_band, layout.slices - first)
        begin, end = first * self._columns, (first + slices) * self._columns
        row, item = layout.slices * self._columns, layout.dtype.itemsize
        table = np.empty((self._across, end - begin), layout.dtype)
        if slices == layout.slices:
            self._fill(volume, 0, table.reshape(-1))
        elif (end - begin) * item >= _SHORT_RUN_BYTES or row * item > _BLOCK_BYTES:
            for number in range(self._across):
                self._fill(volume, number * row + begin, table[number])
        else:
            rows = 0
            for block in self._blocks(volume, row):
                picked = block.reshape(-1, row)[:, begin:end]
                table[rows : rows + len(picked)] = picked
                rows += len(picked)
        shape = [*layout.shape]
        shape[layout.slice_axis] = slices
        return table.reshape(-1).reshape(shape, order="F")

    def _blocks(self, volume: int, multiple: int) -> Iterator[NDArray[Any]]:
        """Yield a volume's voxels in their order, a multiple of so many at a time."""
        layout = self._layout
        size = math.prod(layout.shape)
        length = multiple * max(1, _BLOCK_BYTES // (layout.dtype.itemsize * multiple))
        block = np.empty(min(length, size), layout.dtype)
        for begin in range(0, size, length):
            part = block[: size - begin]
            self._fill(volume, begin, part)
            yield part

    def _fill(self, volume: int, first: int, voxels: NDArray[Any]) -> None:
        """Read neighbouring voxels of a volume, from the `first` on."""
        layout = self._layout
        begin = first * layout.dtype.itemsize
        self._content.seek(layout.offset + volume * layout.volume_bytes + begin)
        left = voxels.view(np.uint8).data
        while left:
            read = self._content.readinto(left)
            if not read:
                raise scan_error(
                    Reason.TRUNCATED,
                    f"{layout.volume_bytes:,} bytes of volume {volume}",
                    f"{begin + voxels.nbytes - len(left):,}",
                )
            left = left[read:]
