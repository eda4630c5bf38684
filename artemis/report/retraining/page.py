"""The report of a retraining, a pure function of its record and of the answers it changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from artemis.models.retrainings import RetrainingRecord, read_record
from artemis.report.index import RETRAININGS, write_index
from artemis.report.page import render_page
from artemis.report.retraining.changed import changed_view
from artemis.report.retraining.data import ChangedAnswer, RetrainingData, read_changed
from artemis.report.retraining.figures import comparison_view
from artemis.report.retraining.verdict import decision_view, opening
from artemis.report.retraining.views import curves_view, data_view, provenance_view
from artemis.system.files import write_text_atomic


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the page: its key (and template), heading, how to read it, and its builder."""

    key: str
    title: str
    caption: str
    build: Callable[[RetrainingData], dict[str, Any]]


SECTIONS: Final = (
    Section(
        key="decision",
        title="The decision and its checks",
        caption="What the gate checked before a challenger may take the champion\u2019s place. "
        "All must pass; one that keeps the challenger out weighs more than one that needs a "
        "person. What did not pass stands first.",
        build=decision_view,
    ),
    Section(
        key="comparison",
        title="Champion against challenger",
        caption="Both on the same locked slices, of groups that the challenger was not trained "
        "on: a group is a patient, as far as patients are known, with whatever copies there are. "
        "Brackets are 95% intervals over resampled groups. A difference is challenger minus "
        "champion; one whose interval holds zero may be chance.",
        build=comparison_view,
    ),
    Section(
        key="changed",
        title="Changed predictions",
        caption="Locked slices that the two answer differently. Look at those that broke first: "
        "they are the price of what was mended. An answer is right where both tumour and plane "
        "are. Within each kind the answers that the challenger is surest of come first.",
        build=changed_view,
    ),
    Section(
        key="curves",
        title="Training curves",
        caption="How each stage of training went, from epoch to epoch; the axis ends where the "
        "stage was to end. Loss should fall and flatten; a rise, or a jump, means that training "
        "was not stable. Where training accuracy goes on rising while held-out macro F1 does "
        "not, the model learns its pictures by heart. Curves are shown only: no epoch is chosen "
        "by them.",
        build=curves_view,
    ),
    Section(
        key="data",
        title="The data",
        caption="What the models were made of. A category or a source with few images is one on "
        "which every figure above is uncertain.",
        build=data_view,
    ),
    Section(
        key="provenance",
        title="Timings and provenance",
        caption="All that is needed to tell this retraining from another and to find its files, "
        "below the workspace. Equal hashes are equal files. Unfold what you need.",
        build=provenance_view,
    ),
)


def build_retraining_page(record: RetrainingRecord, changed: Sequence[ChangedAnswer]) -> str:
    """Return the page of a retraining as HTML text; the same inputs give the same bytes.

    Parameters
    ----------
    record : RetrainingRecord
        Of a retraining that runs, is done or failed.
    changed : sequence of ChangedAnswer
        Of every model.
    """
    data = RetrainingData(record, changed)
    return render_page(
        "retraining.html.j2",
        data=data,
        record=record,
        opening=opening(data),
        sections=[
            {
                "key": section.key,
                "title": section.title,
                "caption": section.caption,
                "view": section.build(data),
            }
            for section in SECTIONS
        ],
    )


def write_retraining_report(workspace: Path, folder: Path, reports: Path) -> Path:
    """Write the page of a retraining, and the page that lists all reports; return the former.

    Parameters
    ----------
    workspace : Path
        Holds the runs that the list names.
    folder : Path
        ``<workspace>/retrainings/<id>``. Only ``retraining.json`` and ``changed.parquet``
        are read.
    reports : Path
        Folder of the reports, see `artemis.runs.reports_root`. The page is
        ``retrainings/<id>/index.html`` in it, and appears whole or not at all.

    Raises
    ------
    RunRecordError
        If the record is missing or damaged, or the table is unreadable or of another schema.
    """
    folder, reports = folder.resolve(), reports.resolve()
    page = build_retraining_page(read_record(folder), read_changed(folder))
    # The folder's name, not the record's id: an edited record must not lead out of the reports.
    target = reports / RETRAININGS / folder.name / "index.html"
    write_text_atomic(target, page)
    write_index(workspace / "runs", reports)
    return target
