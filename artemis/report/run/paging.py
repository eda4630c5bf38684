"""Where each slice's row lies: on the report itself, or on one of the pages of slices beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from artemis.report.run import limits
from artemis.report.run.data import RunData
from artemis.report.run.items import SliceItem

_PAGE_NAME: Final = re.compile(r"slices-(\d{4,})\.html")

Link = Callable[[SliceItem], str]
"""Gives the address of a slice's row, as seen from one page."""


@dataclass(frozen=True, slots=True)
class SlicePage:
    """A page of slices beside the report of a run too large for one page.

    Attributes
    ----------
    name : str
        Its file, beside the report's.
    rows : sequence of SliceItem
        Its slices, in the run's order.
    """

    name: str
    rows: Sequence[SliceItem]

    @property
    def doubtful(self) -> int:
        """How many of its slices need a human."""
        return sum(item.needs_review for item in self.rows)


def page_of(number: int) -> str:
    """Return the page, of those beside a report, of the slice of this number in the run."""
    return f"slices-{(number - 1) // limits.PAGE_ROWS + 1:04d}.html"


def slice_pages(data: RunData) -> list[SlicePage]:
    """Return the pages beside the report; none where its own table holds every slice."""
    if limits.table_fits(data):
        return []
    size = limits.PAGE_ROWS
    return [
        SlicePage(page_of(begin + 1), data.items[begin : begin + size])
        for begin in range(0, len(data.items), size)
    ]


def links_from(rows: Sequence[SliceItem], pages: Sequence[SlicePage]) -> Link:
    """Return the addresses of slices for a page that holds `rows` itself."""
    here = {item.anchor for item in rows}

    def link(item: SliceItem) -> str:
        if item.anchor in here or not pages:
            return f"#{item.anchor}"
        return f"{page_of(item.number)}#{item.anchor}"

    return link


def remove_stale(folder: Path, pages: Sequence[SlicePage]) -> None:
    """Remove the pages of slices that an earlier report of the same run left in its folder."""
    names = {page.name for page in pages}
    for file in folder.glob("slices-*.html"):
        if _PAGE_NAME.fullmatch(file.name) and file.name not in names:
            file.unlink()
