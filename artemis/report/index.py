"""The page that lists the runs, comparisons and retrainings of a workspace."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import quote

from artemis.files import write_text_atomic
from artemis.report.page import render_page
from artemis.report.trends import left_out_words, mean_doubt, plotted_runs, trends
from artemis.report.words import DASH, joined, visible
from artemis.runs import RunRecord, list_runs

RETRAININGS: Final = "retrainings"
"""Folder of the retrainings' pages below that of the reports."""

COMPARISONS: Final = "comparisons"
"""Folder of the comparisons of two runs below that of the reports."""


def write_index(runs: Path, reports: Path) -> Path:
    """Write the page that lists all runs of a workspace; return it.

    Parameters
    ----------
    runs : Path
        ``<workspace>/runs``. Of each run ``run.json`` is read, and of those in the plots one
        column of the predictions.
    reports : Path
        Folder of the reports; the page is ``index.html`` in it.
    """
    records = list_runs(runs)
    doubts = {}
    for run in plotted_runs(records):
        if Path(run.run_id).name == run.run_id:  # an edited record must not point elsewhere
            doubt = mean_doubt(runs / run.run_id, [model.name for model in run.models])
            if doubt is not None:
                doubts[run.run_id] = doubt
    return build_index(reports, records, reports / "index.html", doubts)


def build_index(
    reports_dir: Path,
    records: Sequence[RunRecord],
    target: Path,
    doubts: Mapping[str, float] | None = None,
) -> Path:
    """Write the list of runs, newest first, each with a link to its report, and how they went.

    Parameters
    ----------
    reports_dir : Path
        Folder of the reports; a run is linked where ``<reports_dir>/<run_id>/index.html``
        exists, and a retraining or comparison is listed where its page does.
    records : sequence of RunRecord
        The runs, in any order.
    target : Path
        The page, usually ``<reports_dir>/index.html``. It appears whole or not at all.
    doubts : mapping of str to float, optional
        Mean doubt by run id, see `artemis.report.trends.mean_doubt`.

    Returns
    -------
    Path
        `target`.
    """
    doubts = doubts or {}
    newest_first = sorted(records, key=lambda record: record.run_id, reverse=True)
    page = render_page(
        "index.html.j2",
        rows=[_row(record, doubts, reports_dir, target) for record in newest_first],
        statuses=sorted({record.status.value for record in records}),
        trends=trends(records, doubts),
        not_plotted=left_out_words(records),
        comparisons=_pages(reports_dir, COMPARISONS, target),
        retrainings=_pages(reports_dir, RETRAININGS, target),
    )
    write_text_atomic(target, page)
    return target


def _row(
    record: RunRecord, doubts: Mapping[str, float], reports_dir: Path, target: Path
) -> dict[str, Any]:
    doubt = doubts.get(record.run_id)
    return {
        "record": record,
        "batch": visible(PurePosixPath(record.batch).name or record.batch),
        "models": visible(joined([f"{m.name} {m.version}" for m in record.models])),
        "doubt": DASH if doubt is None else f"{doubt:.2f}",
        "link": _link(reports_dir, record.run_id, target),
    }


def _pages(reports_dir: Path, folder: str, target: Path) -> list[tuple[str, str]]:
    """Return name and address of the pages below a folder of the reports, the newest first."""
    return [
        (page.parent.name, _address(page, target))
        for page in sorted(reports_dir.glob(f"{folder}/*/index.html"), reverse=True)
    ]


def _link(reports_dir: Path, run_id: str, target: Path) -> str | None:
    """Return the address of a run's report relative to `target`, or None where it has none."""
    if Path(run_id).name != run_id:  # an edited record must not point outside the reports
        return None
    report = reports_dir / run_id / "index.html"
    if not report.is_file():
        return None
    return _address(report, target)


def _address(page: Path, target: Path) -> str:
    return quote(Path(os.path.relpath(page, target.parent)).as_posix())
