"""The records of changes of a champion, as pure functions; `artemis.models.champions` acts.

Each takes the records there are, oldest first, and the champion's version of now, both read
while the model's lock is held.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from artemis.errors import ModelError
from artemis.models.decisions import (
    POLICY,
    Action,
    Check,
    Decision,
    DecisionRecord,
    ModelVersion,
    PersonName,
    Verdict,
    decision_id,
    decision_time,
)


def promotion_record(
    records: Sequence[DecisionRecord],
    current: str | None,
    model: str,
    subject: ModelVersion,
    by: str,
    reason: str,
) -> DecisionRecord:
    """Return the record of a person's promotion.

    Raises
    ------
    ModelError
        If no person or no reason is given.
    """
    gate = last_verdict(records, subject)
    if not reason.strip():
        said = f"The gate said {gate.verdict}: {gate.reason}" if gate else "The gate never saw it."
        raise ModelError(
            f"--reason: expected why a person promotes {model}@{subject.version}. Received none. "
            f"{said} Give the reason; it is recorded."
        )
    return _person(
        records,
        Action.PROMOTE,
        model=model,
        subject=subject,
        by=by,
        reason=reason,
        previous_champion=current,
        new_champion=subject.version,
        gate_decision=gate.id if gate else None,
    )


def in_use(model: str, version: str, pointer: Path) -> ModelError:
    """Return the error that says that a file names a version as the champion already."""
    return ModelError(
        f"{model}@{version}: expected a version that is not in use. Received the one that "
        f"{pointer} names already. Nothing was changed or recorded, and nothing is left to do."
    )


def rollback_record(
    records: Sequence[DecisionRecord],
    current: str | None,
    model: str,
    subject: ModelVersion,
    by: str,
    reason: str,
) -> DecisionRecord:
    """Return the record of a person's return to an earlier champion.

    Raises
    ------
    ModelError
        If no person is named.
    """
    return _person(
        records,
        Action.ROLLBACK,
        model=model,
        subject=subject,
        by=by,
        reason=reason.strip() or "Back to the champion before.",
        previous_champion=current,
        new_champion=subject.version,
    )


def verdict_record(
    records: Sequence[DecisionRecord],
    current: str | None,
    decision: Decision,
    training_set_sha256: str,
) -> DecisionRecord:
    """Return the record of the gate's verdict.

    A verdict to promote becomes one to keep if the champion is no longer the one that the
    gate compared with.
    """
    valid = _against(decision, current)
    decided = decision_time(records)
    return DecisionRecord(
        id=decision_id(decided),
        decided=decided,
        action=Action.GATE,
        model=valid.model,
        subject=valid.challenger,
        by=POLICY,
        reason=valid.reason,
        previous_champion=current,
        new_champion=valid.challenger.version if valid.verdict is Verdict.PROMOTE else current,
        verdict=valid.verdict,
        checks=valid.checks,
        figures=valid.figures,
        inputs=valid.inputs | {"training_set": training_set_sha256},
    )


def last_verdict(records: Sequence[DecisionRecord], subject: ModelVersion) -> DecisionRecord | None:
    """Return the gate's latest verdict on a version, or None."""
    verdicts = [r for r in records if r.action is Action.GATE and r.subject == subject]
    return verdicts[-1] if verdicts else None


def carried_out(
    records: Sequence[DecisionRecord], subject: ModelVersion, current: str | None
) -> DecisionRecord | None:
    """Return the gate's latest verdict on a version, or None if it is to promote and did not.

    A process that is killed after its record leaves the champion as it was. That is seen by what
    the records after it and `current` say of the champion: none of them names the version.
    """
    verdict = last_verdict(records, subject)
    if verdict is None or verdict.verdict is not Verdict.PROMOTE:
        return verdict
    since = records[records.index(verdict) + 1 :]
    champions = {*(record.previous_champion for record in since), current}
    return verdict if subject.version in champions else None


def _against(decision: Decision, current: str | None) -> Decision:
    if decision.verdict is not Verdict.PROMOTE:
        return decision
    compared = decision.champion.version if decision.champion else None
    check = Check(
        name="champion_unchanged",
        passed=compared == current,
        expected=f"the champion {compared} that the challenger was compared with",
        received=f"{current}",
    )
    changes: dict[str, Any] = {"checks": [*decision.checks, check]}
    if not check.passed:
        changes |= {"verdict": Verdict.KEEP, "reason": f"Kept, since not passed: {check}."}
    return decision.model_copy(update=changes)


def check_person(by: str, option: str = "--by") -> None:
    """Raise if a record would not take this as the name of who decides.

    Raises
    ------
    ModelError
        Naming the option that it was given by.
    """
    if by.strip().lower() == POLICY:
        raise ModelError(
            f"{option}: expected the name of a person. Received {by!r}, which stands for the gate. "
            "Give your own name."
        )
    try:
        TypeAdapter(PersonName).validate_python(by)
    except ValidationError as error:
        raise _untold(option, by, error) from error


def _person(records: Sequence[DecisionRecord], action: Action, **fields: Any) -> DecisionRecord:
    check_person(fields["by"])
    decided = decision_time(records)
    try:
        return DecisionRecord(
            id=decision_id(decided), decided=decided, action=action, verdict=None, **fields
        )
    except ValidationError as error:
        field = str(error.errors()[0]["loc"][0])
        raise _untold(f"--{field}", fields[field], error) from error


def _untold(option: str, given: str, error: ValidationError) -> ModelError:
    return ModelError(
        f"{option}: expected text of a sensible length. Received {given!r}: "
        f"{error.errors()[0]['msg']}. Correct it; it is recorded."
    )
