"""Volumes that no scanner made, maps of labels and of probabilities, told by their voxels.

The intent code of NIfTI is there to say it, but FreeSurfer and fMRIPrep leave it 0. Names say it
too, but anyone may give any. So neighbouring voxels are compared:

- In a map of labels nearly every value that occurs has itself beside it, and some reach further.
  In a picture no grey does, however few there are: a saturated white or a filled background are
  single values; where a coarse picture has flat bands, these lie beside the next grey, and not
  just any; and one that was enlarged without interpolation has nothing but small blocks.
- A map of probabilities is 0 or 1 but for thin borders, or mostly 1 where it is not 0. A picture
  scaled to the same range is neither.

What is not told so is taken for a picture: a picture must never be refused for a map.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from artemis.ingest.reasons import Reason, scan_error

_LEAST_PAIRS: Final = 1000
"""Neighbours other than background below which nothing is said."""

_MOST_LABELS: Final = 4096
_OWN_NEIGHBOURS: Final = 0.25
"""Share of a value's neighbours, along either axis, that have it too in a map of labels; of the
greys of a picture 0.01 to 0.16 have been seen where unequal neighbours are far apart."""

_OWN_OF_FEW: Final = 0.5
"""The same where there are fewer values than a picture has: 0.14 to 0.41 in narrow windows."""

_GLANCED_ROWS: Final = 8
_OWN_AT_A_GLANCE: Final = 0.1
"""Share of equal neighbours in every so many-th row below which nothing else is looked at."""

_OF_VOXELS: Final = 0.9
_OF_VALUES: Final = 0.75
_FURTHER: Final = 5
_OWN_FURTHER: Final = 0.05
"""The same share that far away, as the mean over all values."""

_FAR_STEPS: Final = 0.75
"""Share of unequal neighbours with other values between theirs: 0.15 to 0.65 in 16 to 64 greys."""

_MEAN_STEP: Final = 0.15
"""How far apart unequal neighbours are in the order of all values, as a share of their number: of
labels 0.25 to 0.46, of greys 0.03 to 0.09 if they are not of a narrow window."""

_NEARLY: Final = 0.005
_LEAST_ZEROS: Final = 0.5
_LEAST_ONES: Final = 0.25
_MOSTLY_ONES: Final = 0.5
_BETWEEN_BESIDE_BETWEEN: Final = 0.65
_MOST_GREYS: Final = 256
_UNEVEN: Final = 0.05  # of a step, by rounding

_Pair = tuple[NDArray[Any], NDArray[Any]]


def refuse_map(
    runs: Sequence[NDArray[Any]], row: int, slope: float, intercept: float, min_grey_levels: int
) -> None:
    """Refuse a volume that is a map of labels or of probabilities.

    Parameters
    ----------
    runs : sequence of ndarray, (n,)
        Some runs of neighbouring voxels as stored, each from the start of a row.
    row : int
        Voxels of a row.
    slope, intercept : float
        Stored values to real ones.
    min_grey_levels : int
        Fewer values are no picture by the settings, and labels where each is flatter still.

    Raises
    ------
    ScanRefusedError
        With reason ``segmentation`` or ``statistical_map``.
    """
    tables = [run[: len(run) // row * row].reshape(-1, row) for run in runs if len(run) >= row]
    if _is_of_labels(tables, min_grey_levels):
        received = "a map of labels: each of its values lies in regions of its own"
        raise scan_error(Reason.SEGMENTATION, "an image", received)
    if ones := _share_of_ones(tables, slope, intercept):
        received = (
            "a map of probabilities: nothing in it is below 0 or above 1, and "
            f"{ones:.0%} of what is not 0 is 1"
        )
        raise scan_error(Reason.STATISTICAL_MAP, "an image", received)


def _is_of_labels(tables: Sequence[NDArray[Any]], min_grey_levels: int) -> bool:
    if not _has_equal_neighbours([table[::_GLANCED_ROWS] for table in tables]):
        return False
    codes, count = _coded(tables)
    if not 1 < count <= _MOST_LABELS:
        return False
    voxels = sum((np.bincount(table.ravel(), minlength=count) for table in codes), np.zeros(count))
    background = int(voxels.argmax())
    own, touching = np.ones(count), np.zeros(count)
    unequal = far = way = 0
    further = np.ones(count)
    for lines in (codes, [table.T for table in codes]):
        one, other = _without(background, _unequal_lines(lines))
        share, found = _own_share(one, other, count)
        own, touching = np.minimum(own, share), touching + found
        steps = np.abs(one - other)
        unequal += int(np.count_nonzero(steps))
        far += int(np.count_nonzero(steps > 1))
        way += int(steps.sum())
        apart = ((table[_FURTHER:], table[:-_FURTHER]) for table in lines)
        share, _ = _own_share(*_without(background, apart), count)
        further = np.minimum(further, share)
    few = count < min_grey_levels
    flat, found = own >= (_OWN_OF_FEW if few else _OWN_NEIGHBOURS), touching > 0
    return bool(
        touching.sum() >= 2 * _LEAST_PAIRS
        and touching[flat].sum() >= _OF_VOXELS * touching.sum()
        and np.count_nonzero(flat & found) >= _OF_VALUES * np.count_nonzero(found)
        and (few or (far >= _FAR_STEPS * unequal and way >= _MEAN_STEP * count * unequal))
        and further[found].mean() >= _OWN_FURTHER
    )


def _has_equal_neighbours(tables: Sequence[NDArray[Any]]) -> bool:
    """Return whether a few rows may be of labels: of most pictures they tell at once."""
    if not tables:
        return False
    values, counts = np.unique(np.concatenate(tables, axis=0), return_counts=True)
    background = values[counts.argmax()]
    equal = found = 0
    for table in tables:
        one, other = table[:, 1:], table[:, :-1]
        both = (one != background) & (other != background)
        equal += int(np.count_nonzero((one == other) & both))
        found += int(np.count_nonzero(both))
    return equal >= _OWN_AT_A_GLANCE * found


def _without(background: int, pairs: Iterable[_Pair]) -> _Pair:
    """Return all voxels of some pairs of tables, and the other one of each; not the background."""
    kept = [
        (one[both], other[both])
        for one, other in pairs
        for both in [(one != background) & (other != background)]
    ]
    return np.concatenate([one for one, _ in kept]), np.concatenate([other for _, other in kept])


def _own_share(one: NDArray[Any], other: NDArray[Any], count: int) -> _Pair:
    """Return which share of the voxels paired with each value have it too, and their number."""
    equal = 2 * np.bincount(one[one == other], minlength=count)
    found = np.bincount(one, minlength=count) + np.bincount(other, minlength=count)
    return equal / np.maximum(found, 1), found


def _coded(tables: Sequence[NDArray[Any]]) -> tuple[list[NDArray[Any]], int]:
    """Return for each voxel the rank of its value, and how many values there are.

    There are no ranks where there are more than `_MOST_LABELS`.
    """
    kind = tables[0].dtype if tables else np.dtype(np.uint8)
    if kind.kind in "iu" and kind.itemsize <= 2:
        least = int(np.iinfo(kind).min)
        shifted = [table.astype(np.int64) - least for table in tables]
        present = np.zeros(1 << 16, np.int64)
        for table in shifted:
            present[table] = 1
        ranks = (np.cumsum(present) - 1).astype(np.int32)
        return [ranks[table] for table in shifted], int(present.sum())
    values = np.empty(0)
    for table in tables:
        values = np.union1d(values, table)
        if len(values) > _MOST_LABELS:
            return [], len(values)
    return [np.searchsorted(values, table).astype(np.int32) for table in tables], len(values)


def _unequal_lines(tables: Sequence[NDArray[Any]]) -> Iterator[_Pair]:
    """Yield lines and those beside them, without any that are equal.

    These say nothing: a picture enlarged along its axes has each line several times.
    """
    for table in tables:
        one, other = table[1:], table[:-1]
        differ = (one != other).any(axis=1)
        yield one[differ], other[differ]


def _share_of_ones(tables: Sequence[NDArray[Any]], slope: float, intercept: float) -> float:
    """Return the share of ones in what is not 0; 0 unless the tables are of probabilities."""
    chances = []
    for table in tables:
        chances.append(np.nan_to_num(table * slope + intercept))
        if not (chances[-1].min() >= 0 and chances[-1].max() <= 1):
            return 0.0
    zeros, ones, size = (
        sum(np.count_nonzero(found(table)) for table in chances)
        for found in (_is_zero, _is_one, np.ones_like)
    )
    if size - zeros < _LEAST_PAIRS or zeros < _LEAST_ZEROS * size:
        return 0.0
    share = ones / (size - zeros)
    if share < _LEAST_ONES or _is_of_even_greys(chances):
        return 0.0
    beside = between = 0
    for one, other in _unequal_lines([*chances, *(table.T for table in chances)]):
        first, second = (~_is_zero(each) & ~_is_one(each) for each in (one, other))
        beside += 2 * int(np.count_nonzero(first & second))
        between += int(np.count_nonzero(first) + np.count_nonzero(second))
    thin = beside <= _BETWEEN_BESIDE_BETWEEN * between
    return share if thin or share >= _MOSTLY_ONES else 0.0


def _is_zero(table: NDArray[Any]) -> NDArray[np.bool_]:
    return table < _NEARLY


def _is_one(table: NDArray[Any]) -> NDArray[np.bool_]:
    return table > 1 - _NEARLY


def _is_of_even_greys(tables: Sequence[NDArray[Any]]) -> bool:
    """Return whether these are greys of at most 8 bits, however scaled: a picture in a window."""
    values = np.empty(0)
    for table in tables:
        values = np.union1d(values, table)
        if len(values) > _MOST_GREYS:
            return False
    steps = values / np.diff(values).min()
    return bool(np.abs(steps - np.rint(steps)).max() < _UNEVEN)
