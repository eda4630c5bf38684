"""Where the slices of a comparison stand in the reports of its two runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from artemis.predictions import plain_rows, read_table
from artemis.report.run.anchors import Anchors
from artemis.report.run.paging import page_of

Place = tuple[str, int]
"""Path relative to the batch folder, and frame."""

Links = Mapping[Place, str]
"""Addresses of slices in a run's report, as seen from the page of the comparison."""


def report_links(reports: Path, run_dir: Path, wanted: Collection[Place]) -> Links:
    """Return the addresses of slices in a run's report; none where it has no report.

    A report with pages of slices beside it shows each on its own page.

    Parameters
    ----------
    reports : Path
        Folder of the reports; that of the comparison is two folders below it.
    run_dir : Path
        ``<workspace>/runs/<run_id>``.
    wanted : collection of (str, int)
        Path and frame of the slices.
    """
    folder = reports / run_dir.name
    if not wanted or not (folder / "index.html").is_file():
        return {}
    paged = (folder / page_of(1)).is_file()
    slices = read_table(run_dir, "slices", ("path", "frame", "slice_id"))
    anchors, found = Anchors(), {}
    for number, row in enumerate(plain_rows(slices), start=1):
        anchor, place = anchors.next(row["slice_id"]), (row["path"], row["frame"])
        if place in wanted:
            page = page_of(number) if paged else "index.html"
            found[place] = f"../../{quote(run_dir.name)}/{page}#{anchor}"
    return found


def places(rows: Iterable[Mapping[str, Any]], run: str) -> set[Place]:
    """Return where the slices of changed predictions lie in run ``a`` or ``b``."""
    return {(row[f"path_{run}"], row[f"frame_{run}"]) for row in rows}
