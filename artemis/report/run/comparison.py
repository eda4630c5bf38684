"""The models side by side: counts by category and plane, agreement, and disagreements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

from artemis.labels import PLANES, TUMORS
from artemis.report.run.data import RunData
from artemis.report.run.items import Answer, SliceItem
from artemis.report.run.limits import DISAGREEMENT_ROWS
from artemis.report.words import TUMOR_WORDS, number, sentence, share_of

_SHADES: Final = 6


@dataclass(frozen=True, slots=True)
class Cell:
    """A count in a matrix, its shade from 0 (none) to 6 (the highest), and if it is agreement."""

    count: int
    shade: int
    agreement: bool = False


@dataclass(frozen=True, slots=True)
class Matrix:
    """A table of counts with totals.

    Attributes
    ----------
    rows, columns : tuple of str
        Heads in words.
    cells : tuple of tuple of Cell
        In the order of the heads.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...]

    @property
    def row_totals(self) -> list[int]:
        """Sums of the rows."""
        return [sum(cell.count for cell in row) for row in self.cells]

    @property
    def column_totals(self) -> list[int]:
        """Sums of the columns."""
        return [sum(cell.count for cell in column) for column in zip(*self.cells, strict=True)]

    @property
    def total(self) -> int:
        """Sum of all cells."""
        return sum(self.row_totals)


def matrix_of(
    counts: Mapping[tuple[str, str], int],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    diagonal: bool = False,
) -> Matrix:
    """Return a matrix from counts by row and column label.

    Parameters
    ----------
    counts : mapping of (str, str) to int
        Missing pairs count as zero.
    rows, columns : sequence of str
        Labels in their order.
    diagonal : bool
        Whether equal labels are agreement, to be marked.
    """
    most = max(counts.values(), default=0)

    def cell(row: str, column: str) -> Cell:
        count = counts.get((row, column), 0)
        shade = -(-count * _SHADES // most) if most else 0
        return Cell(count, shade, diagonal and row == column)

    return Matrix(
        rows=tuple(sentence(TUMOR_WORDS.get(label, label)) for label in rows),
        columns=tuple(sentence(TUMOR_WORDS.get(label, label)) for label in columns),
        cells=tuple(tuple(cell(row, column) for column in columns) for row in rows),
    )


def category_counts(data: RunData, model: str) -> Matrix:
    """Return one model's answers counted by tumour (rows) and plane (columns)."""
    pairs = ((answer.category.tumor, answer.category.plane) for answer in data.answers(model))
    return matrix_of(Counter(pairs), TUMORS, PLANES)


def answered_by_both(data: RunData, first: str, second: str) -> list[tuple[Answer, Answer]]:
    """Return the answers of two models to the slices that both answered."""
    return [
        (item.answers[first], item.answers[second])
        for item in data.items
        if first in item.answers and second in item.answers
    ]


def comparison(data: RunData, first: str, second: str) -> dict[str, Any]:
    """Return how two models agree: shares, and matrices of tumour and plane.

    Agreement is the share of slices with the same answer; 100% means only that the models
    say the same, not that they are right.
    """
    both = answered_by_both(data, first, second)
    tumors = Counter((one.category.tumor, other.category.tumor) for one, other in both)
    planes = Counter((one.category.plane, other.category.plane) for one, other in both)
    same = {
        "tumour and plane": sum(one.category == other.category for one, other in both),
        "tumour": sum(tumors[tumor, tumor] for tumor in TUMORS),
        "plane": sum(planes[plane, plane] for plane in PLANES),
    }
    return {
        "first": first,
        "second": second,
        "slices": len(both),
        "agreement": [(what, number(n), share_of(n, len(both))) for what, n in same.items()],
        "tumor": matrix_of(tumors, TUMORS, TUMORS, diagonal=True),
        "plane": matrix_of(planes, PLANES, PLANES, diagonal=True),
    }


def disagreements(data: RunData) -> list[SliceItem]:
    """Return the slices on which models disagree, those of the surest models first.

    Two models that are each sure of another answer teach more than two that are in doubt. Where
    a confidence means nothing, since the slice is unlike the training images, none is the surest:
    those stand last.
    """

    def least_sure(item: SliceItem) -> tuple[bool, float, int]:
        answers = item.answers.values()
        least = min(answer.confidence for answer in answers)
        return any(answer.far for answer in answers), -least, item.number

    return sorted((item for item in data.items if item.disagreement), key=least_sure)


def models_view(data: RunData) -> dict[str, Any]:
    """Return what the section on the two models shows."""
    listed = disagreements(data)
    return {
        "counts": [(model, category_counts(data, model)) for model in data.models],
        "pairs": [comparison(data, *pair) for pair in combinations(data.models, 2)],
        "rows": listed[:DISAGREEMENT_ROWS],
        "found": len(listed),
    }
