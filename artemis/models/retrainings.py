"""Records of retrainings: what was trained, how it went, what was decided, and where it is.

``<workspace>/retrainings/<id>/retraining.json`` is rewritten after every stage, so that a
retraining that was ended goes on where it was, and a report can be made of it at any time.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError

from artemis.errors import RunRecordError
from artemis.models.decisions import DecisionRecord, Verdict, read_decisions
from artemis.models.manifest import Evaluation
from artemis.system.files import write_text_atomic

RECORD_NAME: Final = "retraining.json"
CHANGED_NAME: Final = "changed.parquet"

CHANGED_SCHEMA: Final = pa.schema(
    [
        pa.field("model", pa.string(), nullable=False),
        pa.field("slice_id", pa.string(), nullable=False),
        pa.field("truth", pa.string(), nullable=False),
        pa.field("champion", pa.string(), nullable=False),
        pa.field("champion_confidence", pa.float32(), nullable=False),
        pa.field("challenger", pa.string(), nullable=False),
        pa.field("challenger_confidence", pa.float32(), nullable=False),
        pa.field("jpeg", pa.binary(), nullable=False),
    ]
)
"""Locked slices that champion and challenger answer differently, with a thumbnail."""

Status = Literal["running", "done", "failed"]
Start = Literal["champion", "imagenet"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class EpochRow(_Part):
    """One finished epoch of one model; `macro_f1` is of held-out slices, None without any."""

    model: str
    stage: str
    number: int
    of: int
    loss: float | None
    accuracy: float
    macro_f1: float | None
    seconds: float


class DataSummary(_Part):
    """What the retraining was made of. Numbers of images, and of groups.

    `group_unknown` is how many images there are of which neither patient nor group is given, and
    copies and slices of one study or file alone are held together; None if it was not counted.
    """

    sha256: str
    images: int
    groups: int
    trained_on: int
    calibrated_on: int
    locked: int
    per_category: dict[str, int]
    per_source: dict[str, int]
    reviewed: int
    unavailable: int
    bad_images: int
    corrected: int
    plane_predicted: int
    left_out: int
    group_unknown: int | None = None


class Outcome(_Part):
    """What became of one model.

    Attributes
    ----------
    started_from : str
        In words: weights of which version, and how many slices calibrated, or first weights, and
        why. See `artemis.training.inputs.choose_start`.
    evaluation, champion_evaluation : Evaluation
        On the locked slices; of the champion out of fold where it was trained on them.
    champion_provenance : str
        See `artemis.training.gate.evidence.Provenance`.
    decision : DecisionRecord
        The gate's, as recorded.
    """

    version: str
    sha256: str
    side: int
    started_from: str
    evaluation: Evaluation
    champion: str | None
    champion_evaluation: Evaluation | None
    champion_provenance: str | None
    decision: DecisionRecord
    changed: int


class RetrainingRecord(_Part):
    """A retraining, from its start on.

    `champions` are the versions, by model, that there were when it began; a model without one is
    not among them. `policy` is the SHA-256 of the gate's policy of that time. `diverged` says, of
    each model whose answers are not finite, why there is no outcome of it.
    """

    format: Literal[1] = 1
    id: str
    key: str
    status: Status
    reason: str | None = None
    started: datetime
    finished: datetime | None = None
    artemis_version: str
    start: Start
    models: list[str]
    champions: dict[str, str] = {}
    policy: str | None = None
    data: DataSummary | None = None
    audit: str | None = None
    audit_counts: dict[str, int] = {}
    trained: dict[str, str] = {}
    started_from: dict[str, str] = {}
    diverged: dict[str, str] = {}
    outcomes: dict[str, Outcome] = {}
    epochs: list[EpochRow] = []
    seconds: dict[str, float] = {}
    report: str | None = None


def new_record(
    key: str, start: Start, models: list[str], champions: dict[str, str], version: str
) -> RetrainingRecord:
    """Return the record of a retraining that begins now."""
    now = datetime.now(UTC)
    return RetrainingRecord(
        id=f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}",
        key=key,
        status="running",
        started=now,
        artemis_version=version,
        start=start,
        models=models,
        champions=champions,
    )


def retrainings_root(workspace: Path) -> Path:
    """Return the folder of all retrainings of a workspace."""
    return workspace / "retrainings"


def write_record(workspace: Path, record: RetrainingRecord) -> Path:
    """Write a record into its folder, atomically, and return the folder."""
    folder = retrainings_root(workspace) / record.id
    write_text_atomic(folder / RECORD_NAME, record.model_dump_json(indent=2) + "\n")
    return folder


def read_record(folder: str | Path) -> RetrainingRecord:
    """Read the record of a retraining's folder.

    Raises
    ------
    RunRecordError
        If it is missing or damaged.
    """
    path = Path(folder) / RECORD_NAME
    try:
        return RetrainingRecord.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RunRecordError(
            f"{path}: expected the record of a retraining. Received: {error.strerror}. "
            "List the folder above for those there are."
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        raise RunRecordError(
            f"{path}: expected the record of a retraining. Received: {first['msg']} at "
            f"{'.'.join(map(str, first['loc'])) or 'the top'}. "
            "Restore it from a backup; other retrainings pass it over."
        ) from error


def unfinished(workspace: Path, key: str, champions: dict[str, str]) -> RetrainingRecord | None:
    """Return the latest retraining with the same inputs that was ended before it was done.

    Its own promotions are its work and no other input; a champion that changed otherwise, while
    its model was still to be judged, makes another retraining of it. Records that cannot be read
    are passed over, see `damaged`.

    Parameters
    ----------
    workspace : Path
        Of the retrainings.
    key : str
        Of the inputs.
    champions : dict of str to str
        Versions by model, as they are now.
    """
    for record in _records(workspace):
        if isinstance(record, RunRecordError):
            continue
        if record.key == key and record.status != "done" and _fits(workspace, record, champions):
            return record
    return None


def damaged(workspace: Path) -> list[RunRecordError]:
    """Return what is wrong with each record of a workspace that cannot be read, newest first."""
    return [record for record in _records(workspace) if isinstance(record, RunRecordError)]


def _records(workspace: Path) -> Iterator[RetrainingRecord | RunRecordError]:
    for path in sorted(retrainings_root(workspace).glob(f"*/{RECORD_NAME}"), reverse=True):
        try:
            yield read_record(path.parent)
        except RunRecordError as error:
            yield error


def _fits(workspace: Path, record: RetrainingRecord, champions: dict[str, str]) -> bool:
    return all(
        model in record.outcomes
        or champions.get(model) == record.champions.get(model)
        or _promoted(workspace, model, champions.get(model), record.trained.get(model))
        for model in record.models
    )


def _promoted(workspace: Path, model: str, champion: str | None, trained: str | None) -> bool:
    """Return whether a champion is what the retraining trained, and the gate promoted it."""
    return (
        champion is not None
        and champion == trained
        and any(
            decision.verdict is Verdict.PROMOTE and decision.subject.version == champion
            for decision in read_decisions(workspace, model)
        )
    )
