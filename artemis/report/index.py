"""The page that lists the runs and retrainings of a workspace."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import quote

from artemis.files import write_text_atomic
from artemis.report.page import render_page
from artemis.report.words import joined, visible
from artemis.runs import RunRecord

RETRAININGS: Final = "retrainings"
"""Folder of the retrainings' pages below that of the reports."""


def build_index(reports_dir: Path, records: Sequence[RunRecord], target: Path) -> Path:
    """Write the list of runs, newest first, each with a link to its report, and of retrainings.

    Parameters
    ----------
    reports_dir : Path
        Folder of the reports; a run is linked where ``<reports_dir>/<run_id>/index.html``
        exists, and a retraining is listed where its page does.
    records : sequence of RunRecord
        The runs, in any order.
    target : Path
        The page, usually ``<reports_dir>/index.html``. It appears whole or not at all.

    Returns
    -------
    Path
        `target`.
    """
    newest_first = sorted(records, key=lambda record: record.run_id, reverse=True)
    rows = [
        {
            "record": record,
            "batch": visible(PurePosixPath(record.batch).name or record.batch),
            "models": visible(joined([f"{m.name} {m.version}" for m in record.models])),
            "link": _link(reports_dir, record.run_id, target),
        }
        for record in newest_first
    ]
    retrainings = [
        (page.parent.name, _address(page, target))
        for page in sorted(reports_dir.glob(f"{RETRAININGS}/*/index.html"), reverse=True)
    ]
    write_text_atomic(target, render_page("index.html.j2", rows=rows, retrainings=retrainings))
    return target


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
