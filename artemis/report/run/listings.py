"""What the sections that list slices, models and settings show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import PurePath
from typing import Any, Final

from artemis.ingest.reasons import REMEDIES
from artemis.labels import PLANES, TUMORS
from artemis.models.card.limits import known_limits, rarely_seen
from artemis.report.run import limits
from artemis.report.run.data import RunData
from artemis.report.run.evidence import EVIDENCE_READING, evidence_legend, evidence_words
from artemis.report.run.items import SliceItem, once
from artemis.report.run.truth_data import FOLDERS
from artemis.report.words import (
    DASH,
    REVIEW_REASON_WORDS,
    TUMOR_WORDS,
    duration,
    moment,
    sentence,
    share_of,
    visible,
)

_REMEDIES: Final[Mapping[str, str]] = {str(code): text for code, text in REMEDIES.items()}

_FIELD_WORDS: Final[Mapping[str, str]] = {
    "version": "Version",
    "sha256": "SHA-256",
    "ood_threshold": "Out-of-distribution threshold",
    "side": "Input side, pixels",
    "accuracy": "Accuracy",
    "macro_f1": "Macro F1",
    "ece": "Expected calibration error",
    "protocol": "Measured on",
    "evidence_maps": "Maps its evidence",
    "set_thresholds": "Thresholds of the sets of plausible categories",
}
"""Words for what a run records of a model; a field without words is shown by its name."""


@dataclass(frozen=True, slots=True)
class RefusalGroup:
    """The inputs of one reason: how many, what to do, and those that are shown."""

    status: str
    reason: str
    remedy: str | None
    count: int
    rows: list[tuple[SliceItem, str]]


def review_view(data: RunData) -> dict[str, Any]:
    """Return the most doubtful slices with their evidence, and how many wait in all."""
    return {
        "items": limits.review_cards(data),
        "found": len(once(data.review)),
        "evidence": evidence_words(data),
        "evidence_reading": EVIDENCE_READING,
        "legend": evidence_legend(),
        "facts": lambda item: safe_facts(item, framed=item.path in data.framed),
    }


def safe_facts(item: SliceItem, *, framed: bool) -> list[str]:
    """Return what the header and the file say of a slice that names nobody.

    Its frame only where its file is `framed`, holding more than one.
    """
    facts = [
        f"frame {item.frame}" if framed else None,
        item.place_words,
        f"{item.header_plane} by its header" if item.header_plane else None,
        item.size,
        item.format,
    ]
    return [fact for fact in facts if fact]


def _reasons(rows: Sequence[SliceItem]) -> list[tuple[str, str]]:
    """Return code and words of every reason in the rows: to review first, then refusals."""
    review = {
        code
        for item in rows
        if item.needs_review
        for answer in item.answers.values()
        for code in answer.review_reasons
    }
    known = [code for code in REVIEW_REASON_WORDS if code in review]
    others = {item.reason_code for item in rows if item.status != "ok" and item.reason_code}
    return [
        *((code, REVIEW_REASON_WORDS[code]) for code in known),
        *((code, _words(code)) for code in sorted((review | others) - {*known})),
    ]


def table_view(data: RunData, rows: Sequence[SliceItem] | None = None) -> dict[str, Any]:
    """Return the rows of the table of slices and the words its filter offers.

    Parameters
    ----------
    data : RunData
        The run.
    rows : sequence of SliceItem, optional
        Those of a page of slices; by default those of the report's own table.
    """
    rows = limits.table_items(data) if rows is None else rows
    first_of: dict[str, SliceItem] = {}
    for item in rows:
        first_of.setdefault(item.picture, item)
    return {
        "rows": rows,
        "style": _table_style(rows),
        "first": rows[: limits.FIRST_ROWS],
        "chunks": [
            rows[begin : begin + limits.CHUNK_ROWS]
            for begin in range(limits.FIRST_ROWS, len(rows), limits.CHUNK_ROWS)
        ],
        "found": len(data.items),
        "first_of": first_of,
        "happened": happened,
        "shortened": any(map(_is_shortened, rows)),
        "tumors": [sentence(TUMOR_WORDS[tumor]) for tumor in TUMORS],
        "planes": [sentence(plane) for plane in PLANES],
        "reasons": _reasons(rows),
    }


def _words(reason_code: str) -> str:
    """Return a reason as people read it; the tables hold it with underscores."""
    return visible(reason_code).replace("_", " ")


def _is_shortened(item: SliceItem) -> bool:
    """Return whether the table of slices leaves out a part of a name or sentence."""
    if len(item.path) > limits.ROW_NAME:
        return True
    return item.status != "ok" and len(happened(item)) > limits.ROW_SENTENCE


def _table_style(rows: Sequence[SliceItem]) -> str:
    """Return the table's classes: a column that no header fills is not shown."""
    return "list slices" if any(item.header_plane for item in rows) else "list slices no-plane"


def refusals_view(data: RunData) -> dict[str, Any]:
    """Return the refused and failed inputs in groups of one reason, the largest group first."""

    def reason(item: SliceItem) -> tuple[str, str]:
        return item.status, item.reason_code or "no_reason_recorded"

    grouped = [
        (key, list(items)) for key, items in groupby(sorted(data.rejected, key=reason), reason)
    ]
    left = limits.REFUSAL_ROWS
    groups = []
    for (status, code), items in sorted(grouped, key=lambda group: (-len(group[1]), group[0])):
        rows = [(item, happened(item)) for item in items[:left]]
        left -= len(rows)
        groups.append(RefusalGroup(status, _words(code), _REMEDIES.get(code), len(items), rows))
    shown = sum(len(group.rows) for group in groups)
    return {"groups": groups, "found": len(data.rejected), "shown": shown}


def happened(item: SliceItem) -> str:
    """Return a refusal's sentence without the remedy behind it, which stands beside it."""
    text = (item.reason or "").removesuffix(_REMEDIES.get(item.reason_code or "", "")).strip()
    return sentence(text) or "No sentence was recorded."


def cards_view(data: RunData) -> dict[str, Any]:
    """Return what the run recorded of each model, as label and value, and its known limits."""
    cards = []
    for model in data.record.models:
        fields = model.model_dump(mode="json")
        name = visible(fields.pop("name"))
        del fields["folder"]  # of the machine; the hash says which model it was
        del fields["seen"], fields["trained_on"]  # the distributions draw what is compared
        del fields["public_data"]  # the limits below are said accordingly
        fields |= {key: _rounded(fields[key], 3) for key in ("accuracy", "macro_f1", "ece")}
        fields["ood_threshold"] = _rounded(model.ood_threshold, 2)
        fields["set_thresholds"] = ", ".join(
            f"{TUMOR_WORDS.get(tumor, tumor)} {limit:.3f}"
            for tumor, limit in model.set_thresholds.items()
        )
        rows = [(_FIELD_WORDS.get(key, key), _plain(value)) for key, value in fields.items()]
        cards.append((name, rows, rarely_seen(model.trained_on)))
    public = all(model.public_data for model in data.record.models)
    return {"cards": cards, "limits": known_limits(public)}


def provenance_view(data: RunData) -> dict[str, Any]:
    """Return how the run was made: command, times, versions, settings, counts and tables."""
    record = data.record
    whole = sum(record.timings.values())
    return {
        "command": visible(record.command),
        "run": [(label, visible(value)) for label, value in _facts_of_run(data)],
        "versions": [(visible(k), visible(v)) for k, v in sorted(record.versions.items())],
        "settings": flattened(record.settings.model_dump(mode="json")),
        "counts": [(k.replace("_", " "), v) for k, v in record.counts.model_dump().items()],
        "timings": [
            (
                visible(stage),
                duration(seconds),
                share_of(round(1000 * seconds), round(1000 * whole)),
            )
            for stage, seconds in record.timings.items()
        ],
        "tables": [
            ("slices", "a row for every slice found, also those refused or failed"),
            ("predictions", "a row for every classified slice and model, with all probabilities"),
            ("thumbnails", "the small pictures of this page"),
            *([] if data.truth_words == FOLDERS else [("truth", "the labels that it was given")]),
            *(
                [("studies", "a row for every series and study of several slices, and model")]
                if data.studies
                else []
            ),
        ],
    }


def _facts_of_run(data: RunData) -> list[tuple[str, str]]:
    """Return when, of what and by what a run was made, each with its label."""
    record = data.record
    finished = record.finished
    elapsed = (finished - record.created).total_seconds() if finished else None
    return [
        ("Run", record.run_id),
        ("Status", record.status.value),
        ("Batch", PurePath(record.batch).name or record.batch),
        ("Started", moment(record.created)),
        ("Finished", moment(finished) if finished else "not finished"),
        ("Elapsed", duration(elapsed) if elapsed is not None else DASH),
        ("Slices classified a second", f"{len(data.ok) / elapsed:.1f}" if elapsed else DASH),
        *([("Shard of the batch", str(record.shard))] if record.shard else []),
        *([("Merged from", ", ".join(record.merged))] if record.merged else []),
        *([("Store", record.store)] if record.store else []),
        *([("Networks run by", record.runtime)] if record.runtime else []),
        ("Prefect flow run", record.prefect_flow_run_id or DASH),
        ("Prefect task runs", str(record.tasks)),
    ]


def flattened(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return nested settings as dotted names and values in words."""
    flat: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat.extend(flattened(value, f"{prefix}{name}."))
        else:
            flat.append((f"{prefix}{name}", _plain(value)))
    return flat


def _rounded(value: float | None, digits: int) -> str | None:
    return None if value is None else f"{value:.{digits}f}"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not set" if value is None else visible(str(value))
