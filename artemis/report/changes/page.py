"""The page of two runs side by side, and its tables as Parquet and CSV beside it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from artemis.answers.review import ReviewReason
from artemis.labels import CATEGORY_NAMES, PLANES, TUMORS
from artemis.predictions import write_part
from artemis.report.changes.compare import CHANGED_CARDS, RunChanges, compare_runs
from artemis.report.changes.links import Links, places, report_links
from artemis.report.changes.tables import CHANGED_SCHEMA, UNMATCHED_SCHEMA
from artemis.report.changes.words import (
    change_words,
    other_words,
    readouts,
    truth_of_card,
    truth_words,
    unmatched_title,
    verdict,
)
from artemis.report.index import COMPARISONS, write_index
from artemis.report.page import render_page
from artemis.report.run.comparison import matrix_of
from artemis.report.run.limits import THUMBNAIL_CHARACTERS
from artemis.report.tabular import csv_text
from artemis.report.words import (
    CATEGORY_WORDS,
    STATUS_WORDS,
    WITHHELD,
    confidence_words,
    number,
    seen_words,
    sentence,
    share_of,
    visible,
)
from artemis.runs import RunRecord, read_record, reports_of
from artemis.system.files import write_text_atomic

if TYPE_CHECKING:
    from artemis.batches.mirror import Mirror

UNMATCHED_ROWS: Final = 200
"""Rows shown of each list of slices that only one run holds or classified."""

_SHORT: Final = 12  # digits of a hash that tell slices apart on a page


@dataclass(frozen=True, slots=True)
class ComparisonFiles:
    """What a comparison wrote, and its counts."""

    page: Path
    tables: tuple[Path, ...]
    changes: RunChanges


def write_comparison(run_a: Path, run_b: Path, mirror: Mirror | None = None) -> ComparisonFiles:
    """Compare two runs; write page and tables below the reports of run B's workspace.

    ``comparisons/<A>--<B>/`` gets ``index.html``, and ``changed`` and ``unmatched`` each as
    Parquet and CSV. The same two runs, with the same reports there, give the same bytes.

    Parameters
    ----------
    run_a, run_b : Path
        ``<workspace>/runs/<run_id>``.
    mirror : Mirror, optional
        What both lie in, if that is one; its store gets the same files.

    Raises
    ------
    RunRecordError
        See `artemis.report.changes.compare.compare_runs`.
    """
    run_a, run_b = run_a.resolve(), run_b.resolve()
    changes = compare_runs(run_a, run_b)
    reports = reports_of(run_b, read_record(run_b))
    # The folders' names, not the records' ids: an edited record must not lead elsewhere.
    folder = reports / COMPARISONS / f"{run_a.name}--{run_b.name}"
    changed = [row for model in changes.models for row in model.changed]
    tables = (
        *_write_table(folder, "changed", changed, CHANGED_SCHEMA),
        *_write_table(folder, "unmatched", changes.unmatched, UNMATCHED_SCHEMA),
    )
    page = folder / "index.html"
    shown = [row for model in changes.models for row in model.changed[:CHANGED_CARDS]]
    links = [
        report_links(reports, run_dir, places(shown, name))
        for name, run_dir in (("a", run_a), ("b", run_b))
    ]
    write_text_atomic(page, comparison_page(changes, links))
    if mirror is not None:
        mirror.push_below(folder)
    write_index(run_b.parent, reports, mirror)
    return ComparisonFiles(page, tables, changes)


def _write_table(
    folder: Path, name: str, rows: Sequence[Mapping[str, Any]], schema: pa.Schema
) -> tuple[Path, Path]:
    parquet, text = folder / f"{name}.parquet", folder / f"{name}.csv"
    write_part(parquet, rows, schema)
    write_text_atomic(text, csv_text(schema.names, rows))
    return parquet, text


def comparison_page(changes: RunChanges, links: Sequence[Links] = ({}, {})) -> str:
    """Return two runs side by side as HTML text, with links to the slices in either's report."""
    pictures = _Pictures(changes.thumbnails)
    return render_page(
        "changes.html.j2",
        runs=[
            _run(name, run, source)
            for name, run, source in zip(
                "AB", (changes.first, changes.second), changes.truth_words, strict=True
            )
        ],
        verdict=verdict(changes),
        readouts=readouts(changes),
        linked=any(links),
        models=[_model(changes, order, pictures, links) for order in range(len(changes.models))],
        models_of_one=[(name.upper(), visible(model)) for name, model in changes.models_of_one],
        unmatched=_unmatched_view(changes),
        framed=_framed(changes),
    )


def _framed(changes: RunChanges) -> bool:
    """Return whether a frame's number says something: a listed file holds more than one."""
    changed = (row["frame_b"] for model in changes.models for row in model.changed)
    return any(changed) or any(row["frame"] for row in changes.unmatched)


class _Pictures:
    """Pictures as addresses, as long as they fit on the page."""

    def __init__(self, thumbnails: Mapping[str, bytes]) -> None:
        self._thumbnails = thumbnails
        self._left = THUMBNAIL_CHARACTERS

    def address(self, slice_id: str) -> str:
        jpeg = self._thumbnails.get(slice_id, b"")
        address = f"data:image/jpeg;base64,{b64encode(jpeg).decode('ascii')}"
        if not jpeg or len(address) > self._left:
            return ""
        self._left -= len(address)
        return address


def _run(name: str, record: RunRecord, source: str) -> dict[str, Any]:
    return {
        "name": name,
        "record": record,
        "batch": visible(PurePosixPath(record.batch).name or record.batch),
        "truth": visible(source) or "not known",
        "finished": record.status.value == "completed",
        "artemis": visible(record.versions.get("artemis-mri", "not recorded")),
        "models": [(visible(m.name), visible(m.version), visible(m.sha256)) for m in record.models],
    }


def _model(
    changes: RunChanges, order: int, pictures: _Pictures, links: Sequence[Links]
) -> dict[str, Any]:
    model = changes.models[order]
    calibration = [
        next((m.ece for m in run.models if m.name == model.model), None)
        for run in (changes.first, changes.second)
    ]
    same = {
        "tumour and plane": model.same,
        "tumour": sum(model.tumors.get((tumor, tumor), 0) for tumor in TUMORS),
        "plane": sum(model.planes.get((plane, plane), 0) for plane in PLANES),
    }
    shown = model.changed[:CHANGED_CARDS]
    return {
        "style": f"m{order % 4}",
        "name": visible(model.model),
        "versions": (visible(model.version_a), visible(model.version_b)),
        "slices": model.slices,
        "truth": truth_words(model),
        "agreement": [(what, number(n), share_of(n, model.slices)) for what, n in same.items()],
        "tumor": matrix_of(model.tumors, TUMORS, TUMORS, diagonal=True),
        "plane": matrix_of(model.planes, PLANES, PLANES, diagonal=True),
        "found": len(model.changed),
        "cards": [
            _card(row, pictures.address(row["slice_id"]), calibration, links)
            | {"no_picture": WITHHELD if row["slice_id"] in changes.withheld else "no picture"}
            | {"truth": truth_of_card(row, model.contradicted.get(row["slice_id"], ()))}
            for row in shown
        ],
    }


def _card(
    row: Mapping[str, Any],
    picture: str,
    calibration: Sequence[float | None],
    links: Sequence[Links],
) -> dict[str, Any]:
    answers = []
    for name, run, ece, of in zip("AB", "ab", calibration, links, strict=True):
        far = ReviewReason.OUT_OF_DISTRIBUTION.value in row[f"review_reasons_{run}"]
        answers.append(
            {
                "name": name,
                "link": of.get((row[f"path_{run}"], row[f"frame_{run}"]), ""),
                "category": sentence(CATEGORY_WORDS[row[f"category_{run}"]]),
                "index": CATEGORY_NAMES.index(row[f"category_{run}"]),
                "confidence": confidence_words(row[f"confidence_{run}"], ece, far=far),
                "width": 0 if far else round(100 * row[f"confidence_{run}"], 1),
                "review": row[f"needs_review_{run}"],
                "seen": seen_words(row[f"out_of_fold_category_{run}"])
                if row[f"trained_on_{run}"]
                else "",
            }
        )
    paths = [f"{row[f'path_{run}']}" for run in "ab"]
    return {
        "picture": picture,
        "slice": visible(row["slice_id"][:_SHORT]),
        "path": visible(paths[1]),
        "frame": row["frame_b"],
        "other_path": visible(paths[0]) if paths[0] != paths[1] else "",
        "changed": change_words(row["changed"]),
        "answers": answers,
    }


def _unmatched_view(changes: RunChanges) -> list[dict[str, Any]]:
    lists = []
    for kind in ("only_here", "answered_only_here"):
        for run in "ab":
            rows = changes.unmatched_of(run, kind)
            lists.append(
                {
                    "key": f"{kind.replace('_', '-')}-{run}",
                    "title": unmatched_title(kind, run),
                    "found": len(rows),
                    "other": kind == "answered_only_here",
                    "rows": [
                        {
                            "path": visible(row["path"]),
                            "frame": row["frame"],
                            "slice": visible((row["slice_id"] or "")[:_SHORT]),
                            "status": row["status"],
                            "status_words": STATUS_WORDS.get(row["status"], row["status"]),
                            "other": other_words(row["other_status"], row["other_reason_code"]),
                        }
                        for row in rows[:UNMATCHED_ROWS]
                    ],
                }
            )
    return lists
