"""Tables as CSV that a spreadsheet can open without running anything."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from artemis.system.formulas import defused


def csv_lines(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield rows as CSV (RFC 4180): UTF-8 without a byte-order mark, commas, a header line.

    Parameters
    ----------
    columns : sequence of str
        In their order.
    rows : iterable of mapping
        Each has every column. A missing value is an empty cell, a list its values with
        semicolons between them, a number has at most seven digits.
    """
    for cells in chain([columns], ([cell(row[column]) for column in columns] for row in rows)):
        stream = io.StringIO()
        csv.writer(stream).writerow(cells)
        yield stream.getvalue()


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the lines of `csv_lines` as one text."""
    return "".join(csv_lines(columns, rows))


def cell(value: object) -> str:
    """Return a value as the text of one cell; text that begins like a formula gets a ``'``."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.7g}"
    if isinstance(value, int):
        return str(value)
    text = ";".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return defused(text)
