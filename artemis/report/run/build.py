"""The report of one run, a pure function of its ``run.json`` and Parquet tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

from artemis.labels import PLANES, TUMORS
from artemis.report.page import render_page
from artemis.report.run.card_pictures import CardPicture
from artemis.report.run.data import RunData, load_run
from artemis.report.run.items import SliceItem
from artemis.report.run.limits import embedded_thumbnails, review_pictures, table_items
from artemis.report.run.listings import table_view
from artemis.report.run.paging import SlicePage, links_from, remove_stale, slice_pages
from artemis.report.run.sections import SECTIONS, caption_facts, limit_facts
from artemis.report.run.verdict import opening
from artemis.report.words import WITHHELD, visible
from artemis.reviews.reviewed_file import COLUMNS
from artemis.system.files import write_text_atomic

SCRIPTS: Final = ("page.js", "csv.js", "review.js")


def build_report(run_dir: Path, target: Path) -> Path:
    """Write the report of a run as one self-contained HTML file.

    A run whose slices do not fit in one page gets pages of slices beside it,
    ``slices-0001.html`` and on; those of an earlier, larger report are removed.

    Parameters
    ----------
    run_dir : Path
        ``<workspace>/runs/<run_id>``. Only ``run.json`` and the tables `slices`,
        `predictions`, `thumbnails`, `studies` and `truth` are read, never a scan; the same
        inputs give the same bytes.
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
    data = load_run(run_dir)
    pages = slice_pages(data)
    for page, text in slice_page_texts(data, pages, target.name):
        write_text_atomic(target.parent / page.name, text)
    write_text_atomic(target, report_page(data, pages))
    remove_stale(target.parent, pages)
    return target


def report_page(data: RunData, pages: Sequence[SlicePage] = ()) -> str:
    """Return the report of a run as HTML text, with the pages of slices that lie beside it."""
    facts = caption_facts(data)
    sections = [
        {
            "key": section.key,
            "title": section.title.format_map(facts),
            "caption": section.caption.format_map(facts),
            "reading": [text.format_map(facts) for text in section.reading],
            "figures": [
                (figure.key, figure.title, figure.caption.format_map(facts))
                for figure in section.figures
            ],
            "view": section.build(data),
        }
        for section in SECTIONS
        if section.present(data)
    ]
    return render_page(
        "report.html.j2",
        opening=opening(data),
        sections=sections,
        scripts=SCRIPTS,
        **page_frame(
            data, table_items(data), pages, embedded_thumbnails(data), review_pictures(data)
        ),
    )


def slice_page_texts(
    data: RunData, pages: Sequence[SlicePage], report: str
) -> Iterator[tuple[SlicePage, str]]:
    """Yield each page of slices beside a report and its HTML text.

    Parameters
    ----------
    data : RunData
        The run.
    pages : sequence of SlicePage
        See `artemis.report.run.paging.slice_pages`.
    report : str
        File name of the report, to lead back to.
    """
    for index, page in enumerate(pages):
        thumbnails = embedded_thumbnails(data, rows=page.rows)
        pictured = {item.picture for item in page.rows if item.picture in data.thumbnails}
        text = render_page(
            "slices.html.j2",
            page=page,
            number_of_page=index + 1,
            report=report,
            before=pages[index - 1] if index else None,
            after=pages[index + 1] if index + 1 < len(pages) else None,
            view=table_view(data, page.rows),
            caption=next(section.caption for section in SECTIONS if section.key == "slices"),
            without_room=len(pictured) - len(thumbnails),
            scripts=SCRIPTS,
            **page_frame(data, page.rows, pages, thumbnails),
        )
        yield page, text


def page_frame(
    data: RunData,
    rows: Sequence[SliceItem],
    pages: Sequence[SlicePage],
    thumbnails: Mapping[str, str],
    shown: Mapping[str, CardPicture] | None = None,
) -> dict[str, Any]:
    """Return what every page about a run needs: its pictures, its links and its limits."""
    return {
        "data": data,
        "record": data.record,
        "batch_name": visible(PurePosixPath(data.record.batch).name or data.record.batch),
        "limits": limit_facts(),
        "thumbnails": thumbnails,
        "card_pictures": shown or {},
        "pictures": {name: f"p{n}" for n, name in enumerate(thumbnails, start=1)},
        "thumbnails_left_out": len(data.thumbnails) - len(thumbnails),
        "withheld_words": WITHHELD,
        "pages": pages,
        "review_columns": COLUMNS,
        "settling": False,
        "review_store": data.record.run_id,
        "doubtful_elsewhere": _doubtful_elsewhere(data, rows) if pages else 0,
        "tumors": TUMORS,
        "planes": PLANES,
        "link": links_from(rows, pages),
    }


def _doubtful_elsewhere(data: RunData, rows: Sequence[SliceItem]) -> int:
    """Return how many pictures that need a human have no row on a page; copies count once."""
    here = {item.slice_id for item in rows}
    return len({item.slice_id for item in data.items if item.needs_review} - here)
