"""What two runs say of the same slices: which predictions changed, and what only one holds.

Slices are the same where their content hash is (`slice_id`: decoded pixels and frame), under
whatever name; a slice counts once, however many copies a run holds. What was never decoded
has no such hash, and is the same where path and frame are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa

from artemis.errors import RunRecordError
from artemis.labels import CATEGORY_NAMES
from artemis.predictions import plain_rows, read_table, table_rows
from artemis.report.stored_pictures import stored_pictures, take
from artemis.review import ReviewReason
from artemis.runs import RunRecord, read_record

_ANSWER_FIELDS: Final = (
    ("model_version", pa.string()),
    ("path", pa.string()),
    ("frame", pa.int32()),
    ("category", pa.string()),
    ("confidence", pa.float32()),
    ("p_tumor", pa.float32()),
    ("ood_score", pa.float32()),
    ("doubt", pa.float32()),
    ("needs_review", pa.bool_()),
)
_REASONS: Final = pa.list_(pa.string())

CHANGED_SCHEMA: Final = pa.schema(
    [
        pa.field("model", pa.string(), nullable=False),
        pa.field("slice_id", pa.string(), nullable=False),
        pa.field("changed", pa.string(), nullable=False),  # tumor, plane or both
        *(
            pa.field(f"{name}_{run}", kind, nullable=False)
            for name, kind in (*_ANSWER_FIELDS, ("review_reasons", _REASONS))
            for run in "ab"
        ),
        pa.field("run_id_a", pa.string(), nullable=False),
        pa.field("run_id_b", pa.string(), nullable=False),
    ]
)
"""A row for every slice and model whose category differs between run A and run B."""

UNMATCHED_SCHEMA: Final = pa.schema(
    [
        pa.field("run", pa.string(), nullable=False),  # a or b: the run that the row is of
        pa.field("kind", pa.string(), nullable=False),  # only_here or answered_only_here
        pa.field("slice_id", pa.string()),
        pa.field("path", pa.string(), nullable=False),
        pa.field("frame", pa.int32(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("other_status", pa.string()),  # in the other run, where it has the slice
        pa.field("other_reason_code", pa.string()),
        pa.field("run_id", pa.string(), nullable=False),
    ]
)
"""A row for every slice that only one run holds, or only one run classified."""

CHANGED_CARDS: Final = 60
"""Changed predictions of each model that are shown with their picture."""

_FOUND: Final = ("slice_id", "path", "frame", "status", "reason_code", "run_id")
_SAID: Final = (
    "slice_id",
    "run_id",
    "model",
    *(name for name, _ in _ANSWER_FIELDS),
    "tumor",
    "plane",
    "review_reasons",
)
"""Columns of `slices` and `predictions` that are compared: what is not read takes no room."""

_Identity = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class ModelChanges:
    """One model's answers to the slices that both runs classified.

    Attributes
    ----------
    model, version_a, version_b : str
        Name, and version in either run.
    tumors, planes : mapping of (str, str) to int
        Slices by the answer of A, then of B.
    slices, same : int
        Slices that both answered, and those of them with the same category.
    changed : list of dict
        Rows of `CHANGED_SCHEMA`, those of which both answers are surest first, and last those of
        slices unlike the training images, where confidence means nothing.
    """

    model: str
    version_a: str
    version_b: str
    tumors: Mapping[tuple[str, str], int]
    planes: Mapping[tuple[str, str], int]
    slices: int
    same: int
    changed: list[dict[str, Any]]

    def count(self, kind: str) -> int:
        """Return how many changed in ``tumor``, ``plane`` or ``both``."""
        return sum(row["changed"] == kind for row in self.changed)


@dataclass(frozen=True)
class RunChanges:
    """Two runs side by side.

    Attributes
    ----------
    first, second : RunRecord
        Run A and run B.
    in_both : int
        Distinct slices that both runs found.
    copies : (int, int)
        Slices of A, and of B, that are copies of another in the same run, counted once.
    models : tuple of ModelChanges
        In the order of A.
    models_of_one : tuple of (str, str)
        ``a`` or ``b``, and the name of a model that only this run used.
    unmatched : list of dict
        Rows of `UNMATCHED_SCHEMA`.
    thumbnails : mapping of str to bytes
        JPEG files by slice id, of the `CHANGED_CARDS` first changes of each model.
    """

    first: RunRecord
    second: RunRecord
    in_both: int
    copies: tuple[int, int]
    models: tuple[ModelChanges, ...]
    models_of_one: tuple[tuple[str, str], ...]
    unmatched: list[dict[str, Any]]
    thumbnails: Mapping[str, bytes]

    def unmatched_of(self, run: str, kind: str) -> list[dict[str, Any]]:
        """Return the rows of run ``a`` or ``b`` of one kind."""
        return [row for row in self.unmatched if (row["run"], row["kind"]) == (run, kind)]


@dataclass(frozen=True, slots=True)
class _Answers:
    """A model's answers: a row each, and where that of a slice lies; of copies the first."""

    rows: pd.DataFrame
    places: dict[_Identity, int]


@dataclass
class _Side:
    record: RunRecord
    slices: dict[_Identity, dict[str, Any]] = field(default_factory=dict)
    answers: dict[str, _Answers] = field(default_factory=dict)
    copies: int = 0


def compare_runs(run_a: Path, run_b: Path) -> RunChanges:
    """Return what changed from run A to run B.

    Parameters
    ----------
    run_a, run_b : Path
        ``<workspace>/runs/<run_id>``; they may lie in different workspaces. Only ``run.json``
        and the tables are read.

    Raises
    ------
    RunRecordError
        If a record or table cannot be read, or holds a category of another version.
    """
    sides = _side(run_a), _side(run_b)
    first, second = sides
    both = [key for key in first.slices if key in second.slices]
    names = [name for name in first.answers if name in second.answers]
    models = tuple(_model_changes(name, *sides) for name in names)
    wanted = {row["slice_id"] for model in models for row in model.changed[:CHANGED_CARDS]}
    return RunChanges(
        first=first.record,
        second=second.record,
        in_both=len(both),
        copies=(first.copies, second.copies),
        models=models,
        models_of_one=tuple(
            (run, name)
            for run, mine, other in (("a", first, second), ("b", second, first))
            for name in mine.answers
            if name not in other.answers
        ),
        unmatched=[*_unmatched("a", first, second), *_unmatched("b", second, first)],
        thumbnails=_thumbnails((run_b, run_a), wanted),
    )


def _side(run_dir: Path) -> _Side:
    side = _Side(read_record(run_dir))
    identities: dict[tuple[str, int], _Identity] = {}
    for row in table_rows(run_dir, "slices"):
        place = row["path"], row["frame"]
        identity = ("", *place) if row["slice_id"] is None else (row["slice_id"], "", 0)
        identities[place] = identity
        known = side.slices.get(identity)
        side.copies += known is not None
        if known is None or (known["status"] != "ok" and row["status"] == "ok"):
            side.slices[identity] = {name: row[name] for name in _FOUND}
    answers = read_table(run_dir, "predictions", _SAID)
    unknown = sorted(set(answers["category"]) - set(CATEGORY_NAMES))
    if unknown:
        raise RunRecordError(
            f"{run_dir / 'predictions'}: expected the twelve categories of this version of "
            f"Artemis. Received {unknown[0]!r}. Compare with the version that made the run."
        )
    named = [model.name for model in side.record.models]
    for model in dict.fromkeys([*named, *answers["model"]]):
        of_model = answers[answers["model"] == model]
        if len(of_model):
            places: dict[_Identity, int] = {}
            rows = zip(of_model["path"], of_model["frame"], of_model["slice_id"], strict=True)
            for at, (path, frame, slice_id) in enumerate(rows):
                places.setdefault(identities.get((path, frame), (slice_id, "", 0)), at)
            side.answers[model] = _Answers(of_model, places)
    return side


def _model_changes(model: str, first: _Side, second: _Side) -> ModelChanges:
    before, after = first.answers[model], second.answers[model]
    both = [identity for identity in before.places if identity in after.places]
    a = before.rows.iloc[[before.places[identity] for identity in both]]
    b = after.rows.iloc[[after.places[identity] for identity in both]]
    differ = a["category"].to_numpy() != b["category"].to_numpy()
    pairs = zip(plain_rows(a[differ]), plain_rows(b[differ]), strict=True)
    changed = sorted((_changed_row(model, *pair) for pair in pairs), key=_surest)
    return ModelChanges(
        model=model,
        version_a=before.rows["model_version"].iloc[0],
        version_b=after.rows["model_version"].iloc[0],
        tumors=Counter(zip(a["tumor"], b["tumor"], strict=True)),
        planes=Counter(zip(a["plane"], b["plane"], strict=True)),
        slices=len(both),
        same=len(both) - len(changed),
        changed=changed,
    )


def _surest(row: Mapping[str, Any]) -> tuple[bool, float, str]:
    """Return what changed rows are sorted by: the less sure of both answers."""
    far = any(
        ReviewReason.OUT_OF_DISTRIBUTION in row[f"review_reasons_{side}"] for side in ("a", "b")
    )
    return far, -min(row["confidence_a"], row["confidence_b"]), row["slice_id"]


def _changed_row(model: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    tumor, plane = a["tumor"] != b["tumor"], a["plane"] != b["plane"]
    kind = "both" if tumor and plane else "tumor" if tumor else "plane"
    row: dict[str, Any] = {"model": model, "slice_id": a["slice_id"], "changed": kind}
    for name in (*(name for name, _ in _ANSWER_FIELDS), "review_reasons"):
        for run, answer in (("a", a), ("b", b)):
            row[f"{name}_{run}"] = answer[name]
    row["review_reasons_a"], row["review_reasons_b"] = (
        [*row["review_reasons_a"]],
        [*row["review_reasons_b"]],
    )
    return row | {"run_id_a": a["run_id"], "run_id_b": b["run_id"]}


def _unmatched(run: str, mine: _Side, other: _Side) -> list[dict[str, Any]]:
    rows = []
    for identity, row in mine.slices.items():
        found = other.slices.get(identity)
        if found is None:
            kind = "only_here"
        elif row["status"] == "ok" != found["status"]:
            kind = "answered_only_here"
        else:
            continue
        rows.append(
            {name: row[name] for name in ("slice_id", "path", "frame", "status", "run_id")}
            | {
                "run": run,
                "kind": kind,
                "other_status": found and found["status"],
                "other_reason_code": found and found["reason_code"],
            }
        )
    return rows


def _thumbnails(run_dirs: Sequence[Path], wanted: set[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for run_dir in run_dirs:
        found |= take(stored_pictures(run_dir)["jpeg"], wanted - found.keys())
    return found
