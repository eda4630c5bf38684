"""The page that lists the runs of a workspace, and its other pages by kind."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from html import unescape
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

from artemis.report.page import render_page
from artemis.report.plots.trends import left_out_words, trends, whole_runs
from artemis.report.words import DASH, counted, joined, number, visible
from artemis.runs import RunRecord, newest_runs
from artemis.system.files import write_text_atomic

if TYPE_CHECKING:
    from artemis.batches.mirror import Mirror

RETRAININGS: Final = "retrainings"
"""Folder of the retrainings' pages below that of the reports."""

COMPARISONS: Final = "comparisons"
"""Folder of the comparisons of two runs below that of the reports."""

DRIFT: Final = "drift"
"""Folder of the pages about a batch's drift below that of the reports."""


class Listed(NamedTuple):
    """Other pages of one kind.

    Attributes
    ----------
    key, pattern : str
        Folder below the reports, and what of it holds a page each.
    title, caption : str
        Heading, and what the pages say.
    order : str
        In which order they stand, as a sentence.
    titled : bool
        Whether their folders' names say too little, and the pages' own titles stand beside.
    by_title : bool
        Whether they are sorted by these titles; else by folder, the last first.
    of_runs : bool
        Whether their folders are named by runs, and the names of the batches stand beside.
    """

    key: str
    pattern: str
    title: str
    caption: str
    order: str = "The newest first."
    titled: bool = False
    by_title: bool = False
    of_runs: bool = False


LISTED: Final = (
    Listed(
        COMPARISONS,
        "*",
        "Comparisons",
        "Two runs side by side: which predictions changed.",
        "By their first run, the newest first.",
        of_runs=True,
    ),
    Listed(
        DRIFT,
        "*",
        "Drift",
        "How far a batch lies from the training images, or from another run.",
        "By their run, the newest first.",
        of_runs=True,
    ),
    Listed(
        RETRAININGS,
        "*",
        "Retrainings",
        "What was trained, what the gate decided and why.",
        titled=True,
    ),
    Listed(
        "models",
        "*/*",
        "Model cards",
        "What a model is for, how it was measured, where it fails.",
        "By model, its newest version first.",
    ),
    Listed(
        "audits",
        "*",
        "Audits of data",
        "What is wrong with labelled pictures, with each finding.",
        titled=True,
    ),
    Listed("conflicts", "", "Conflicts", "Slices whose reviewers disagree, for a third person."),
    Listed(
        "explained",
        "*",
        "Slices explained",
        "One slice each: the first digits of its hash, and its file.",
        "By name of the file.",
        titled=True,
        by_title=True,
    ),
    Listed("benchmark", "", "Benchmark", "How fast this machine classifies, and beside what."),
)
"""Other pages below the reports, in the order of the list."""

_TITLE: Final = re.compile(r"<title>(.*?) · Artemis</title>", re.DOTALL)
_HEAD: Final = 8192  # characters of a page in which its title stands


def write_index(runs: Path, reports: Path, mirror: Mirror | None = None) -> Path:
    """Write the page that lists all runs of a workspace; return it.

    Parameters
    ----------
    runs : Path
        ``<workspace>/runs``. Of each run ``run.json`` is read.
    reports : Path
        Folder of the reports; the page is ``index.html`` in it.
    mirror : Mirror, optional
        What both folders lie in, if that is one: the store's other runs and pages are listed
        too, and the page is pushed.
    """
    elsewhere: set[str] = set()
    if mirror is not None:
        mirror.pull_records()
        elsewhere = mirror.pages()
    page = build_index(reports, [*newest_runs(runs)], reports / "index.html", elsewhere)
    if mirror is not None:
        mirror.push(page)
    return page


def build_index(
    reports_dir: Path,
    records: Sequence[RunRecord],
    target: Path,
    elsewhere: Collection[str] = (),
) -> Path:
    """Write the list of runs, newest first, each with a link to its report, and how they went.

    Parameters
    ----------
    reports_dir : Path
        Folder of the reports; a run is linked where ``<reports_dir>/<run_id>/index.html``
        exists, and every other page that is there, see `LISTED`.
    records : sequence of RunRecord
        The runs, in any order.
    target : Path
        The page, usually ``<reports_dir>/index.html``. It appears whole or not at all.
    elsewhere : collection of str
        Pages below `reports_dir` that are linked though they are not in this copy of it.

    Returns
    -------
    Path
        `target`.
    """
    there = _pages(reports_dir) | set(elsewhere)
    newest_first = sorted(records, key=lambda record: record.run_id, reverse=True)
    page = render_page(
        "index.html.j2",
        opening=_opening(records),
        rows=[_row(record, there, reports_dir, target) for record in newest_first],
        statuses=sorted({record.status.value for record in records}),
        trends=trends(records),
        not_plotted=left_out_words(records),
        lists=_lists(there, reports_dir, target, {r.run_id: _batch(r) for r in records}),
    )
    write_text_atomic(target, page)
    return target


def _opening(records: Sequence[RunRecord]) -> str:
    """Return how many runs there are, and what became of their slices, each counted once."""
    if not records:
        return "No run has been made yet."
    slices, ok, waiting = (
        sum(getattr(record.counts, name) for record in whole_runs(records))
        for name in ("slices", "ok", "needs_review")
    )
    return (
        f"{counted(len(records), 'run')}: {number(ok)} of {counted(slices, 'slice')} classified, "
        f"{number(waiting)} for a person to look at."
    )


def _pages(reports_dir: Path) -> set[str]:
    """Return every page below the reports that the list may link, by its path below them."""
    patterns = {"*", *(f"{kind.key}/{kind.pattern}".rstrip("/") for kind in LISTED)}
    found = (page for each in patterns for page in reports_dir.glob(f"{each}/index.html"))
    return {page.relative_to(reports_dir).as_posix() for page in found if page.is_file()}


def _row(
    record: RunRecord, there: Collection[str], reports_dir: Path, target: Path
) -> dict[str, Any]:
    doubt = record.mean_doubt
    return {
        "record": record,
        "batch": _batch(record),
        "models": visible(joined([f"{m.name} {m.version}" for m in record.models])),
        "doubt": DASH if doubt is None else f"{doubt:.2f}",
        "link": _link(there, reports_dir, record.run_id, target),
    }


def _batch(record: RunRecord) -> str:
    """Return the name of a run's batch, without where it lay."""
    return visible(PurePosixPath(record.batch).name or record.batch)


def _lists(
    there: Collection[str], reports_dir: Path, target: Path, batches: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return the other pages by kind: name in words, what is beside it, and address."""
    found = []
    for kind in LISTED:
        folder = reports_dir / kind.key
        depth = len(PurePosixPath(kind.key, kind.pattern, "index.html").parts)
        below = (PurePosixPath(page) for page in there)
        pages = sorted(
            (
                folder / page.relative_to(kind.key)
                for page in below
                if page.parts[0] == kind.key and len(page.parts) == depth
            ),
            reverse=True,
        )
        listed = [
            (
                _name(page.parent.relative_to(folder), kind.title),
                _beside(kind, page, batches),
                _address(page, target),
            )
            for page in pages
        ]
        if kind.by_title:
            listed.sort(key=lambda one: ([words.casefold() for words in one[1]], one[0]))
        if listed:
            words = f"{kind.caption} {kind.order}" if len(listed) > 1 else kind.caption
            found.append({"key": kind.key, "title": kind.title, "caption": words, "pages": listed})
    return found


def _beside(kind: Listed, page: Path, batches: Mapping[str, str]) -> list[str]:
    """Return what stands beside a page's name: its title, or the batches of its runs, if known."""
    if kind.titled:
        title = _title(page)
        return [title] if title else []
    if not kind.of_runs:
        return []
    names = [batches.get(run) for run in page.parent.name.split("--")]
    return [name or DASH for name in dict.fromkeys(names)] if any(names) else []


def _title(page: Path) -> str:
    """Return a page's own title without the name of the program; nothing of one not here."""
    try:
        with page.open(encoding="utf-8", errors="replace") as text:
            found = _TITLE.search(text.read(_HEAD))
    except OSError:  # it is in the store alone, or went meanwhile: its name is enough
        return ""
    return visible(unescape(found[1])) if found else ""


def _name(place: Path, title: str) -> str:
    """Return what a page is called: two runs, a model and its version, or its folder."""
    words = " against ".join(place.as_posix().split("--")).replace("/", " ")
    return visible(title if words == "." else words)


def _link(there: Collection[str], reports_dir: Path, run_id: str, target: Path) -> str | None:
    """Return the address of a run's report relative to `target`, or None where it has none."""
    if Path(run_id).name != run_id:  # an edited record must not point outside the reports
        return None
    if f"{run_id}/index.html" not in there:
        return None
    return _address(reports_dir / run_id / "index.html", target)


def _address(page: Path, target: Path) -> str:
    return quote(Path(os.path.relpath(page, target.parent)).as_posix())
