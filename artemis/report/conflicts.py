"""The page on which a third person settles the slices that reviewers answered differently."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from artemis.ingest.identity import IdentityKey
from artemis.predictions import plain_rows
from artemis.report.index import write_index
from artemis.report.page import render_page
from artemis.report.run import limits
from artemis.report.run.build import SCRIPTS, page_frame
from artemis.report.run.card_pictures import card_pictures
from artemis.report.run.data import RunData, load_run
from artemis.report.run.evidence import EVIDENCE_READING, evidence_legend, evidence_words
from artemis.report.run.items import SliceItem
from artemis.report.run.listings import safe_facts
from artemis.report.run.stored_pictures import take
from artemis.report.words import CATEGORY_WORDS, counted, joined, sentence, visible
from artemis.reviews.reviewed import read_conflicts
from artemis.runs import IDENTITY_KEY, RunPaths
from artemis.system.files import write_text_atomic

CONFLICTS: Final = "conflicts"
"""Folder of the page below the reports."""

_UNSURE: Final = "unsure"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one reviewer says of a slice, in words.

    Attributes
    ----------
    said : str
        ``<tumor> <plane>``, ``bad_image`` or ``unsure``.
    words : str
        The same in words.
    """

    reviewer: str
    said: str
    words: str
    reviewed_at: datetime
    confidence: int | None
    note: str | None


@dataclass(frozen=True, slots=True)
class Conflict:
    """A slice whose reviewers disagree.

    Attributes
    ----------
    slice_id, run_id : str
        The slice, and the latest run reviewed.
    judgements : tuple of Judgement
        Those in force, by time.
    item : SliceItem or None
        The slice in that run; None where the run is gone.
    """

    slice_id: str
    run_id: str
    judgements: tuple[Judgement, ...]
    item: SliceItem | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values; ``path`` and ``frame`` are null where the run is gone."""
        return {
            "slice_id": self.slice_id,
            "run_id": self.run_id,
            "path": self.item and self.item.path,
            "frame": self.item and self.item.frame,
            "labels": [
                asdict(one) | {"reviewed_at": one.reviewed_at.isoformat()}
                for one in self.judgements
            ],
        }

    @property
    def since(self) -> str:
        """Time of the latest judgement; what was settled before it is open again."""
        return max(one.reviewed_at for one in self.judgements).isoformat()

    @property
    def reviewers(self) -> list[str]:
        """Who judged the slice: a third person is none of them."""
        return [one.reviewer for one in self.judgements]

    @property
    def opinions(self) -> dict[str, str]:
        """What can be chosen: each answer once, with its words and who gave it."""
        by: dict[tuple[str, str], list[str]] = {}
        for one in self.judgements:
            if one.said != _UNSURE:
                by.setdefault((one.said, one.words), []).append(one.reviewer)
        return {said: f"{words} ({joined(who)})" for (said, words), who in by.items()}


@dataclass(frozen=True, slots=True)
class ConflictPage:
    """The page, and the conflicts that it shows or names."""

    page: Path
    conflicts: tuple[Conflict, ...]


def write_conflicts(workspace: Path, reports: Path) -> ConflictPage:
    """Write the page of a workspace's conflicts, ``conflicts/index.html`` below the reports.

    It is written also where there is none, so that no settled conflict stays on an old page.

    Parameters
    ----------
    workspace : Path
        Holds the labels and the runs that they are of.
    reports : Path
        Folder of the reports.

    Raises
    ------
    LabelsError
        If a part of the labels cannot be read.
    RunRecordError
        If a run that was reviewed is damaged.
    """
    found = _conflicts(workspace)
    runs = {
        run_id: load_run(RunPaths(workspace, run_id).root)
        for run_id in sorted({one.run_id for one in found}, reverse=True)
        if RunPaths(workspace, run_id).record.is_file()
    }
    placed = _placed(found, runs)
    page = reports / CONFLICTS / "index.html"
    write_text_atomic(page, conflicts_page(placed, runs, _store(workspace)))
    write_index(workspace / "runs", reports)
    return ConflictPage(page, placed)


def _store(workspace: Path) -> str:
    """Return under which name a browser keeps what is settled: another for each workspace.

    It keeps one store for all files that it opens, and a run's folder may have been copied.
    """
    key = workspace / IDENTITY_KEY
    known = IdentityKey.load_or_create(key).fingerprint if key.is_file() else "unkeyed"
    return f"{CONFLICTS}-{known}"


def conflicts_page(conflicts: Sequence[Conflict], runs: Mapping[str, RunData], store: str) -> str:
    """Return the page as HTML text.

    Parameters
    ----------
    conflicts : sequence of Conflict
        In the order in which they are shown.
    runs : mapping of str to RunData
        The runs that they are of, the newest first.
    store : str
        Under which a browser keeps what is settled.
    """
    shown = [one for one in conflicts if one.item is not None][: limits.SUMMARY_ROWS]
    items = [one.item for one in shown if one.item is not None]
    data = _gathered(items, shown, runs)
    view: dict[str, Any] = {
        "verdict": verdict(len(conflicts)),
        "gone": [one.slice_id for one in conflicts if one.item is None],
        "left_out": sum(one.item is not None for one in conflicts) - len(shown),
        "rows": shown,
        "cards": shown[: limits.REVIEW_CARDS],
        "framed": (framed := any(one.frame for one in items)),
        "facts": lambda item: safe_facts(item, framed=framed),
        "data": data,
        "settling": True,
        "review_store": store,
    }
    if data is None:
        return render_page("conflicts.html.j2", **view)
    shown_large = card_pictures(data, items[: limits.REVIEW_CARDS], limits.CARD_CHARACTERS)
    thumbnails = limits.embedded_thumbnails(data, rows=items)
    frame = page_frame(data, items, (), thumbnails, shown_large)
    legend = {
        "legend": evidence_legend(),
        "evidence": evidence_words(data),
        "evidence_reading": EVIDENCE_READING,
    }
    return render_page("conflicts.html.j2", scripts=SCRIPTS, **(frame | legend | view))


def verdict(count: int) -> str:
    """Return the sentence that stands first."""
    if not count:
        return "No slice is in conflict: reviewers agree, or a third person has decided."
    return (
        f"The reviewers of {counted(count, 'slice')} disagree. Somebody else should decide; "
        "until then no model is trained on them."
    )


def _conflicts(workspace: Path) -> list[Conflict]:
    by_slice: dict[str, list[dict[str, Any]]] = {}
    for row in plain_rows(read_conflicts(workspace)):
        by_slice.setdefault(row["slice_id"], []).append(row)
    return [
        Conflict(slice_id, rows[-1]["run_id"], tuple(_judgement(row) for row in rows))
        for slice_id, rows in by_slice.items()
    ]


def _judgement(row: Mapping[str, Any]) -> Judgement:
    category = f"{row['tumor']}_{row['plane']}"
    named = row["tumor"] is not None
    return Judgement(
        reviewer=row["reviewer"],
        said=f"{row['tumor']} {row['plane']}" if named else row["verdict"],
        words=sentence(CATEGORY_WORDS[category] if named else row["verdict"].replace("_", " ")),
        reviewed_at=row["reviewed_at"],
        confidence=row["confidence"],
        note=visible(row["note"]) if row["note"] else None,
    )


def _placed(found: Sequence[Conflict], runs: Mapping[str, RunData]) -> tuple[Conflict, ...]:
    """Return conflicts with their slices, the most doubtful first, numbered in that order."""
    items: dict[tuple[str, str], SliceItem] = {}
    for run_id, data in runs.items():
        for item in data.items:
            items.setdefault((run_id, item.slice_id), item)
    placed = [replace(one, item=items.get((one.run_id, one.slice_id))) for one in found]
    placed.sort(key=lambda one: (one.item is None, -(one.item.doubt if one.item else 0)))
    return tuple(
        replace(one, item=one.item and replace(one.item, number=place))
        for place, one in enumerate(placed, start=1)
    )


def _gathered(
    items: Sequence[SliceItem], shown: Sequence[Conflict], runs: Mapping[str, RunData]
) -> RunData | None:
    """Return the slices of several runs as if of one, under the newest run's record."""
    if not shown:
        return None
    of = {one.slice_id: runs[one.run_id] for one in shown}
    withheld = frozenset[str]().union(*(run.withheld for run in runs.values()))

    def gathered(kind: Callable[[RunData], Mapping[str, bytes]]) -> dict[str, bytes]:
        files: dict[str, bytes] = {}
        for run in runs.values():
            own = (slice_id for slice_id in of if of[slice_id] is run)
            files |= take(kind(run), (one for one in own if one not in withheld))
        return files

    newest = next(iter(runs.values()))
    return RunData(
        record=newest.record,
        models=tuple(dict.fromkeys(model for run in of.values() for model in run.models)),
        items=tuple(items),
        thumbnails=gathered(lambda run: run.thumbnails),
        overlays=gathered(lambda run: run.overlays),
        views=gathered(lambda run: run.views),
        view_evidence=gathered(lambda run: run.view_evidence),
        withheld=withheld,
    )
