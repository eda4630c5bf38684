"""What two runs say of the same slices: which predictions changed, and what only one holds.

Slices are the same where their content hash is (`slice_id`: decoded pixels and frame), under
whatever name; a slice counts once, however many copies a run holds. What was never decoded
has no such hash, and is the same where path and frame are. Of its truth each run says what its
labels or folders say of any of its copies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pandas as pd

from artemis.errors import RunRecordError
from artemis.labels import CATEGORY_NAMES
from artemis.predictions import plain_rows, read_table, table_rows
from artemis.report.changes.tables import ANSWER, changed_row, surest
from artemis.report.changes.truth import (
    BECAME,
    Known,
    Rightness,
    rightness,
    together,
    truth_among,
)
from artemis.report.run.kept_truth import truth_of
from artemis.report.run.stored_pictures import stored_pictures, take
from artemis.runs import RunRecord, read_record
from artemis.whole import check_completed

CHANGED_CARDS: Final = 60
"""Changed predictions of each model that are shown with their picture."""

_FOUND: Final = ("slice_id", "path", "frame", "status", "reason_code", "run_id")
_SAID: Final = (
    "slice_id",
    "run_id",
    "model",
    *ANSWER,
    "tumor",
    "plane",
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
    rightness : Rightness
        How many answers are right in either run, where the truth is known.
    contradicted : mapping of str to tuple of Category
        What is known of a changed slice, by its id, where that contradicts itself.
    """

    model: str
    version_a: str
    version_b: str
    tumors: Mapping[tuple[str, str], int]
    planes: Mapping[tuple[str, str], int]
    slices: int
    same: int
    changed: list[dict[str, Any]]
    rightness: Rightness
    contradicted: Mapping[str, Known]

    @property
    def became(self) -> dict[str, int]:
        """Changed answers whose truth is known, by what they became, see `BECAME`."""
        counts = Counter(row["became"] for row in self.changed)
        return {kind: counts[kind] for kind in BECAME}


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
    withheld : frozenset of str
        Ids of slices whose pictures either run withholds.
    truth_words : (str, str)
        Where the truth is from in A, and in B; nothing where none of its slices has one.
    """

    first: RunRecord
    second: RunRecord
    in_both: int
    copies: tuple[int, int]
    models: tuple[ModelChanges, ...]
    models_of_one: tuple[tuple[str, str], ...]
    unmatched: list[dict[str, Any]]
    thumbnails: Mapping[str, bytes]
    withheld: frozenset[str]
    truth_words: tuple[str, str]

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
    truths: dict[_Identity, Known] = field(default_factory=dict)
    truth_words: str = ""
    copies: int = 0


def compare_runs(run_a: str | Path, run_b: str | Path) -> RunChanges:
    """Return what changed from run A to run B.

    Parameters
    ----------
    run_a, run_b : str or Path
        ``<workspace>/runs/<run_id>``; they may lie in different workspaces. Only ``run.json``
        and the tables are read.

    Raises
    ------
    RunRecordError
        If a record or table cannot be read, holds a category of another version, or has lost
        rows since its run was completed.
    """
    run_a, run_b = Path(run_a), Path(run_b)
    sides = _side(run_a), _side(run_b)
    first, second = sides
    both = [key for key in first.slices if key in second.slices]
    names = [name for name in first.answers if name in second.answers]
    models = tuple(_model_changes(name, *sides) for name in names)
    wanted = {row["slice_id"] for model in models for row in model.changed[:CHANGED_CARDS]}
    thumbnails, withheld = _thumbnails((run_b, run_a), wanted)
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
        thumbnails=thumbnails,
        withheld=withheld,
        truth_words=(first.truth_words, second.truth_words),
    )


def _side(run_dir: Path) -> _Side:
    side = _Side(read_record(run_dir))
    check_completed(run_dir, side.record)
    truth = truth_of(run_dir, side.record.batch)
    identities: dict[tuple[str, int], _Identity] = {}
    for row in table_rows(run_dir, "slices"):
        place = row["path"], row["frame"]
        identity = ("", *place) if row["slice_id"] is None else (row["slice_id"], "", 0)
        identities[place] = identity
        known = side.slices.get(identity)
        side.copies += known is not None
        if known is None or (known["status"] != "ok" and row["status"] == "ok"):
            side.slices[identity] = {name: row[name] for name in _FOUND}
        category = truth.of(*place, row["slice_id"])
        if category is not None:
            side.truths[identity] = together(side.truths.get(identity, ()), (category,))
    side.truth_words = truth.words if side.truths else ""
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
    known = [together(second.truths.get(one, ()), first.truths.get(one, ())) for one in both]
    of_changed = [known[at] for at in differ.nonzero()[0]]
    truths = map(truth_among, of_changed)
    pairs = zip(plain_rows(a[differ]), plain_rows(b[differ]), truths, strict=True)
    changed = sorted((changed_row(model, *pair) for pair in pairs), key=surest)
    return ModelChanges(
        model=model,
        version_a=before.rows["model_version"].iloc[0],
        version_b=after.rows["model_version"].iloc[0],
        tumors=Counter(zip(a["tumor"], b["tumor"], strict=True)),
        planes=Counter(zip(a["plane"], b["plane"], strict=True)),
        slices=len(both),
        same=len(both) - len(changed),
        changed=changed,
        rightness=rightness(a, b, known),
        contradicted={
            slice_id: one
            for slice_id, one in zip(a["slice_id"][differ], of_changed, strict=True)
            if len(one) > 1
        },
    )


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


def _thumbnails(
    run_dirs: Sequence[Path], wanted: set[str]
) -> tuple[dict[str, bytes], frozenset[str]]:
    """Return pictures by slice, and of which either run withholds them."""
    runs = [stored_pictures(run_dir) for run_dir in run_dirs]
    withheld = frozenset[str]().union(*(run.withheld for run in runs))
    found: dict[str, bytes] = {}
    for run in runs:
        found |= take(run.columns["jpeg"], wanted - found.keys() - withheld)
    return found, withheld
