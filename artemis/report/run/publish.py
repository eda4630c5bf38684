"""Write a run's page, and the page that lists all runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from artemis.report.index import write_index
from artemis.report.run.build import build_report
from artemis.runs import read_record, reports_of

if TYPE_CHECKING:
    from artemis.batches.mirror import Mirror


def write_report(run_dir: Path, mirror: Mirror | None = None) -> Path:
    """Write a run's page and the page that lists all runs; return the former.

    Where they go, see `artemis.runs.reports_of`. With a mirror that the run lies in, both pages are
    pushed to its store as well.
    """
    run_dir = run_dir.resolve()
    record = read_record(run_dir)
    reports = reports_of(run_dir, record)
    target = build_report(run_dir, reports / record.run_id / "index.html")
    if mirror is not None:
        mirror.push_below(target.parent)
    write_index(run_dir.parent, reports, mirror)
    return target
