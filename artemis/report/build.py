"""The report of one run, a pure function of its ``run.json`` and Parquet tables."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from artemis.files import write_text_atomic
from artemis.report.data import RunData, load_run
from artemis.report.limits import embedded_thumbnails
from artemis.report.page import render_page
from artemis.report.sections import SECTIONS, caption_facts, limit_facts
from artemis.report.verdict import opening
from artemis.report.words import visible


def build_report(run_dir: Path, target: Path) -> Path:
    """Write the report of a run as one self-contained HTML file.

    Parameters
    ----------
    run_dir : Path
        ``<workspace>/runs/<run_id>``. Only ``run.json`` and the tables `slices`,
        `predictions` and `thumbnails` are read, never a scan; the same inputs give the same
        bytes.
    target : Path
        The page; its folder is made. It appears whole or not at all.

    Returns
    -------
    Path
        `target`.

    Raises
    ------
    RunRecordError
        If the record or a table is missing, unreadable or of another schema.
    """
    write_text_atomic(target, report_page(load_run(run_dir)))
    return target


def report_page(data: RunData) -> str:
    """Return the report of a run as HTML text."""
    facts = caption_facts(data)
    sections = [
        {
            "key": section.key,
            "title": section.title,
            "caption": section.caption.format_map(facts),
            "figures": [
                (figure.key, figure.title, figure.caption.format_map(facts))
                for figure in section.figures
            ],
            "view": section.build(data),
        }
        for section in SECTIONS
        if section.present(data)
    ]
    thumbnails = embedded_thumbnails(data)
    return render_page(
        "report.html.j2",
        data=data,
        record=data.record,
        batch_name=visible(PurePosixPath(data.record.batch).name or data.record.batch),
        opening=opening(data),
        sections=sections,
        limits=limit_facts(),
        thumbnails=thumbnails,
        thumbnails_left_out=len(data.thumbnails) - len(thumbnails),
    )
