"""Reviewed labels of a workspace: imported from a reviewer's CSV, resolved slice by slice.

``labels/part-*.parquet`` holds every label ever imported, a row a label. Parts are only
added. What holds for a slice is worked out on reading (`read_reviewed`):

- a reviewer's later label replaces his earlier one;
- an adjudication settles all labels up to its time, later labels count anew; when who made it
  says otherwise himself, nothing is settled by it any more;
- ``unsure`` abstains beside labels that decide;
- reviewers who disagree make a ``conflict``: the newest does not win, and the slice trains
  nothing, also where the data set itself gives it a label.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from artemis.errors import LabelsError
from artemis.predictions import read_table
from artemis.reviews.reviewed_file import DECIDING, Row, read_rows, wrong_lines
from artemis.system.files import atomic_path

LABELS_SCHEMA: Final = pa.schema(
    [
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("slice_id", pa.string(), nullable=False),
        pa.field("verdict", pa.string(), nullable=False),
        pa.field("tumor", pa.string()),
        pa.field("plane", pa.string()),
        pa.field("reviewer", pa.string(), nullable=False),
        pa.field("confidence", pa.int8()),
        pa.field("reviewed_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("adjudication", pa.bool_(), nullable=False),
        pa.field("note", pa.string()),
        pa.field("imported_at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)

REVIEWED_COLUMNS: Final = (
    "slice_id",
    "state",
    "tumor",
    "plane",
    "reviewers",
    "confidence",
    "reviewed_at",
    "run_ids",
)
CONFLICT_COLUMNS: Final = (
    "slice_id",
    "reviewer",
    "verdict",
    "tumor",
    "plane",
    "reviewed_at",
    "confidence",
    "note",
    "run_id",
)
_FACTS: Final = [name for name in LABELS_SCHEMA.names if name != "imported_at"]
_BAD: Final = ("bad_image", None)
_UNSURE: Final = ("unsure", None)

_Label = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did.

    Attributes
    ----------
    rows : int
        Labels in the file.
    added : int
        Labels that were new.
    known : int
        Labels that the workspace had already, or that the file repeats.
    states : dict of str to int
        Slices of the workspace by state, after the import.
    conflicts : pandas.DataFrame
        The labels of every slice in conflict, see `read_conflicts`.
    """

    rows: int
    added: int
    known: int
    states: dict[str, int]
    conflicts: pd.DataFrame


def import_labels(file: str | Path, workspace: str | Path) -> ImportReport:
    """Take the labels of a reviewer's CSV into a workspace: all of them, or none.

    Parameters
    ----------
    file : str or Path
        CSV with the columns of `artemis.reviews.reviewed_file.COLUMNS`.
    workspace : str or Path
        Holds the runs that the labels are of.

    Raises
    ------
    LabelsError
        If the file or any line of it is wrong; the message names every line (the first 20
        of many), and nothing is imported.
    RunRecordError
        If the tables of a run that it names are damaged.
    """
    file, workspace = Path(file), Path(workspace)
    rows = read_rows(file)
    _check_slices(file, rows, workspace)
    new = _new_rows(file, rows, _stored(workspace))
    if new:
        _append(workspace, new)
    labels = _stored(workspace)
    resolved = resolve(labels)
    return ImportReport(
        rows=len(rows),
        added=len(new),
        known=len(rows) - len(new),
        states={str(k): int(v) for k, v in resolved["state"].value_counts().sort_index().items()},
        conflicts=_conflicts(labels),
    )


def read_conflicts(workspace: str | Path) -> pd.DataFrame:
    """Return the labels in force of every slice whose reviewers disagree, a row a label.

    Returns
    -------
    pandas.DataFrame
        ``slice_id``, ``reviewer``, ``verdict``, ``tumor``, ``plane``, ``reviewed_at`` (UTC),
        ``confidence`` (1 to 5), ``note`` and ``run_id``; what a label lacks is missing. The rows
        of a slice stand together, by time.

    Raises
    ------
    LabelsError
        If a part of the labels cannot be read.
    """
    return _conflicts(_stored(Path(workspace)))


def _conflicts(labels: list[dict[str, Any]]) -> pd.DataFrame:
    rows = [
        {name: label[name] for name in CONFLICT_COLUMNS}
        for _, of in _by_slice(labels)
        if _state(in_force := _in_force(of))[0] == "conflict"
        for label in in_force
    ]
    conflicts = pd.DataFrame(rows, columns=list(CONFLICT_COLUMNS))
    return conflicts.astype({"confidence": "Int8"})


def read_reviewed(workspace: str | Path) -> pd.DataFrame:
    """Return what the reviewers of a workspace say, a row a slice.

    Returns
    -------
    pandas.DataFrame
        ``slice_id``; ``state``: ``agreed`` (two reviewers or more, or an adjudication),
        ``single`` (one reviewer), ``conflict``, ``unsure`` or ``bad_image``; ``tumor`` and
        ``plane`` (None unless agreed or single); ``reviewers`` (sorted list of initials);
        ``confidence`` (lowest given of the labels in force, 1 to 5, or missing);
        ``reviewed_at`` (latest, UTC); ``run_ids`` (sorted list of the runs reviewed).

    Raises
    ------
    LabelsError
        If a part of the labels cannot be read.
    """
    return resolve(_stored(Path(workspace)))


def _stored(workspace: Path) -> list[dict[str, Any]]:
    """Return every label ever imported, each once."""
    labels: dict[tuple[Any, ...], dict[str, Any]] = {}
    for path in sorted((workspace / "labels").glob("part-*.parquet")):
        try:
            table = pq.ParquetFile(path).read().select(LABELS_SCHEMA.names).cast(LABELS_SCHEMA)
            found = table.to_pylist()
        except (OSError, KeyError, ValueError, pa.ArrowException) as error:
            raise LabelsError(
                f"{path}: expected reviewed labels as Artemis writes them. "
                f"Received: {type(error).__name__}. Restore the file from a backup."
            ) from error
        for label in found:
            # Two imports of one file at the same time may each have written its labels.
            labels.setdefault(_facts(label), label)
    return list(labels.values())


def _facts(label: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(label[name] for name in _FACTS)


def _check_slices(file: Path, rows: list[Row], workspace: Path) -> None:
    known: dict[str, set[str]] = {}
    problems = []
    for row in rows:
        run_id, slice_id = row.values["run_id"], row.values["slice_id"]
        if run_id not in known:
            run = workspace / "runs" / run_id
            known[run_id] = set(read_table(run, "slices", ("slice_id",))["slice_id"].dropna())
        if not known[run_id]:
            problems.append((row.line, f"expected a run of {workspace}. Received {run_id!r}"))
        elif slice_id not in known[run_id]:
            problems.append((row.line, f"expected a slice of run {run_id}. Received {slice_id!r}"))
    if problems:
        raise wrong_lines(file, problems)


def _new_rows(file: Path, rows: list[Row], stored: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the labels that are not stored yet; one that contradicts another is wrong."""

    def moment(label: dict[str, Any]) -> tuple[Any, ...]:
        return label["slice_id"], label["reviewer"], label["reviewed_at"]

    seen = {moment(label): _facts(label) for label in stored}
    new, problems = [], []
    for row in rows:
        before = seen.get(moment(row.values))
        if before is None:
            seen[moment(row.values)] = _facts(row.values)
            new.append(row.values)
        elif before != _facts(row.values):
            what = (
                "expected one label of a reviewer for a slice and time. Received another one. "
                "Who changed a label gives it a later reviewed_at"
            )
            problems.append((row.line, what))
    if problems:
        raise wrong_lines(file, problems)
    return new


def _append(workspace: Path, rows: list[dict[str, Any]]) -> None:
    """Write a part, named by what is in it, so that no other part can be replaced by it."""
    text = "\n".join(repr(_facts(row)) for row in rows)
    name = f"part-{hashlib.sha256(text.encode()).hexdigest()[:16]}.parquet"
    imported = datetime.now(UTC)
    table = pa.Table.from_pylist([row | {"imported_at": imported} for row in rows], LABELS_SCHEMA)
    with atomic_path(workspace / "labels" / name) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def _by_slice(labels: Sequence[_Label]) -> list[tuple[str, list[_Label]]]:
    of: dict[str, list[_Label]] = {}
    for label in sorted(labels, key=lambda label: (label["slice_id"], label["reviewed_at"])):
        of.setdefault(label["slice_id"], []).append(label)
    return list(of.items())


def _in_force(labels: Sequence[_Label]) -> list[_Label]:
    """Return the labels of a slice that count, given all of them by time."""
    last = {label["reviewer"]: label for label in labels}
    settling = (
        label["reviewed_at"]
        for label in labels
        if label["adjudication"] and _opinion(last[label["reviewer"]]) == _opinion(label)
    )
    settled = max(settling, default=None)
    latest: dict[str, _Label] = {}
    for label in labels:
        time = label["reviewed_at"]
        if settled is None or time > settled or (label["adjudication"] and time == settled):
            latest.pop(label["reviewer"], None)  # its place is that of the later one
            latest[label["reviewer"]] = label
    return list(latest.values())


def resolve(labels: Sequence[_Label]) -> pd.DataFrame:
    """Return what labels come to, a row a slice, as `read_reviewed` does of a workspace's.

    Parameters
    ----------
    labels : sequence of mapping
        By column of `artemis.reviews.reviewed_file.COLUMNS`, as its `Row.values` are.
    """
    rows = []
    for slice_id, of in _by_slice(labels):
        counting = _in_force(of)
        state, tumor, plane = _state(counting)
        confidences = [c for label in counting if (c := label["confidence"]) is not None]
        rows.append(
            {
                "slice_id": slice_id,
                "state": state,
                "tumor": tumor,
                "plane": plane,
                "reviewers": sorted(label["reviewer"] for label in counting),
                "confidence": min(confidences, default=None),
                "reviewed_at": max(label["reviewed_at"] for label in counting),
                "run_ids": sorted({label["run_id"] for label in of}),
            }
        )
    reviewed = pd.DataFrame(rows, columns=list(REVIEWED_COLUMNS))
    return reviewed.astype({"confidence": "Int8"})


def _opinion(label: _Label) -> tuple[str | None, str | None]:
    """Return tumour and plane, or `_BAD` or `_UNSURE`."""
    without = {"bad_image": _BAD, "unsure": _UNSURE}
    return without.get(label["verdict"], (label["tumor"], label["plane"]))


def _state(labels: Sequence[_Label]) -> tuple[str, str | None, str | None]:
    """Return what the labels in force come to: state, tumour and plane."""
    opinions = {_opinion(label) for label in labels} - {_UNSURE}
    if len(opinions) != 1:
        return ("conflict" if opinions else "unsure"), None, None
    (opinion,) = opinions
    if opinion == _BAD:
        return "bad_image", None, None
    reviewers = sum(label["verdict"] in DECIDING for label in labels)
    settled = any(label["adjudication"] for label in labels)
    return ("agreed" if reviewers > 1 or settled else "single"), *opinion
