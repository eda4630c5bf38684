"""Records of decisions on models: what was decided, on what grounds, and by whom.

``<workspace>/models/<name>/decisions/<UTC time>-<random>.json`` holds one decision each.
Files are written once, read-only, and sort in the order of the decisions; nothing rewrites
or removes one. The champion's history is what they say of it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError

from artemis.errors import ModelError, WorkspaceError
from artemis.models.manifest import Interval
from artemis.system.files import atomic_path

POLICY: Final = "policy"
"""Who decided, where no person did."""

_READ_ONLY: Final = 0o444


class Verdict(StrEnum):
    """What becomes of a challenger."""

    PROMOTE = "promote"
    KEEP = "keep"
    NEEDS_HUMAN = "needs_human"


class Action(StrEnum):
    """What a record is of: a verdict of the gate, or a person's promotion or rollback."""

    GATE = "gate"
    PROMOTE = "promote"
    ROLLBACK = "rollback"


class Check(BaseModel):
    """One thing that was checked, in words and figures, and what follows if it failed.

    `on_failure` is ``keep`` where the challenger must not be used, ``needs_human`` where
    nothing speaks against it but a rule cannot decide.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    passed: bool
    expected: str
    received: str
    on_failure: Literal[Verdict.KEEP, Verdict.NEEDS_HUMAN] = Verdict.KEEP

    def __str__(self) -> str:
        return f"{self.name}: expected {self.expected}, received {self.received}"


class ModelVersion(BaseModel):
    """A version of a model and the SHA-256 of its weights."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    sha256: str


class Decision(BaseModel):
    """The gate's verdict on a challenger, before it is carried out.

    `inputs` are SHA-256 by what they are of: ``policy``, ``locked_set``, ``golden_set``.
    `figures` have 95 % intervals over resampled patient groups.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    challenger: ModelVersion
    champion: ModelVersion | None
    verdict: Verdict
    reason: str
    checks: list[Check]
    figures: dict[str, Interval]
    inputs: dict[str, str]


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("only printable characters, on one line")
    return text


PersonName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    AfterValidator(_one_line),
]
"""Of who decides, as a record takes it."""

_Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]


class DecisionRecord(BaseModel):
    """One decision, as in its file.

    `subject` is the version decided on; `previous_champion` and `new_champion` are equal
    where the champion stays. `by` is ``policy`` or the name of a person. `gate_decision` is
    the record of the gate's verdict on `subject` that a person had before them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    id: str
    decided: datetime
    action: Action
    model: str
    subject: ModelVersion
    by: PersonName
    reason: _Reason
    previous_champion: str | None
    new_champion: str | None
    verdict: Verdict | None = None
    gate_decision: str | None = None
    checks: list[Check] = []
    figures: dict[str, Interval] = {}
    inputs: dict[str, str] = {}


def decisions_folder(workspace: Path, name: str) -> Path:
    """Return the folder of the decisions on a model."""
    return workspace / "models" / name / "decisions"


def decision_time(after: Iterable[DecisionRecord] = ()) -> datetime:
    """Return the UTC time of a new decision, later than every one before it.

    A clock that was set back must not change the order of the records.
    """
    latest = max((record.decided for record in after), default=None)
    now = datetime.now(UTC)
    return now if latest is None else max(now, latest + timedelta(microseconds=1))


def decision_id(decided: datetime) -> str:
    """Return a sortable id: UTC time to the microsecond and six random hex digits."""
    return f"{decided:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(3)}"


def write_decision(workspace: Path, record: DecisionRecord) -> Path:
    """Write a record to a file of its own, atomically and read-only; return the file.

    Raises
    ------
    WorkspaceError
        If there is a record of this id, or the workspace cannot be written.
    """
    path = decisions_folder(workspace, record.model) / f"{record.id}.json"
    if path.exists():
        raise WorkspaceError(
            f"{path}: expected a new decision. Received the id of one that exists; "
            "records are never rewritten. Try again for another id."
        )
    try:
        with atomic_path(path) as temporary:
            temporary.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
            temporary.chmod(_READ_ONLY)
    except OSError as error:
        raise WorkspaceError(
            f"{path}: expected a folder that can be written. Received: {error.strerror}. "
            "Choose another with --workspace or ARTEMIS_WORKSPACE."
        ) from error
    return path


def read_decisions(workspace: Path, name: str) -> list[DecisionRecord]:
    """Return every decision on a model, oldest first.

    Raises
    ------
    ModelError
        If a file is not such a record; none is passed over in silence.
    """
    return [_read(path) for path in sorted(decisions_folder(workspace, name).glob("*.json"))]


def _read(path: Path) -> DecisionRecord:
    try:
        record = DecisionRecord.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        raise ModelError(
            f"{path}: expected the record of a decision. Received: {first['msg']} at "
            f"{'.'.join(map(str, first['loc'])) or 'the top'}. Put back the file as it was "
            "written; the champion's history depends on it."
        ) from error
    if record.id != path.stem:
        raise ModelError(
            f"{path}: expected the record of decision {path.stem!r}. Received that of "
            f"{record.id!r}. Give the file its own name again."
        )
    return record


def champion_history(records: Sequence[DecisionRecord], current: str | None) -> list[str]:
    """Return the versions that a rollback can go back through; the last is the champion.

    A promotion adds a version, a rollback takes the last one away. A record whose change
    did not come about, because the process was killed in between, is seen by what the next
    one, or `current`, says of the champion, and counts for nothing.

    Parameters
    ----------
    records : sequence of DecisionRecord
        All of one model, oldest first.
    current : str or None
        The champion's version now.
    """
    changes = [record for record in records if record.new_champion != record.previous_champion]
    afterwards = [*(record.previous_champion for record in changes[1:]), current]
    history: list[str] = []
    for record, champion in zip(changes, afterwards, strict=False):  # one more if none changed
        history = _ending_with(history, record.previous_champion)
        if champion != record.previous_champion:  # else it did not come about
            rolled_back = record.action is Action.ROLLBACK
            history = (
                _ending_with(history[:-1], record.new_champion)
                if rolled_back
                else [*history, record.new_champion or ""]
            )
    return _ending_with(history, current)


def _ending_with(history: list[str], version: str | None) -> list[str]:
    if version is None:
        return []
    if version not in history:
        return [*history, version]
    kept = history.copy()
    while kept[-1] != version:
        kept.pop()
    return kept
