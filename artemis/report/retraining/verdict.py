"""The top of a retraining's page, and the gate's checks: what was decided, by whom, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from artemis.models.decisions import POLICY, Action, Check, DecisionRecord, Verdict
from artemis.models.retrainings import Outcome
from artemis.report.retraining.data import RetrainingData
from artemis.report.retraining.words import (
    CONSEQUENCES,
    check_words,
    signed,
    with_minus,
)
from artemis.report.words import counted, moment, number, visible

_NAMED: Final = 3
_ORDER: Final = (Verdict.KEEP, Verdict.NEEDS_HUMAN)
_FATES: Final = {
    Verdict.PROMOTE: "promoted",
    Verdict.KEEP: "kept out",
    Verdict.NEEDS_HUMAN: "needs a person",
}


def opening(data: RetrainingData) -> Mapping[str, Any]:
    """Return what stands at the top: a sentence a model, warnings, counts, and who decided."""
    return {
        "in_short": in_short(data),
        "sentences": [
            *_state(data),
            *(sentence_on(*outcome) for outcome in data.outcomes),
            *(kept_out(*one) for one in data.record.diverged.items()),
        ],
        "notices": notices(data),
        "readouts": readouts(data),
        "so_far": so_far(data) if data.record.status != "done" else [],
        "decided": [(model, decided(outcome.decision)) for model, outcome in data.outcomes],
    }


def in_short(data: RetrainingData) -> str:
    """Return what became of each model, in the few words that a title has room for."""
    status = data.record.status
    fates = [f"{visible(model)} {_FATES[fate_of(one)]}" for model, one in data.outcomes]
    fates += [f"{visible(model)} {_FATES[Verdict.KEEP]}" for model in data.record.diverged]
    return ", ".join([*([] if status == "done" else [status]), *fates]) or "nothing decided"


def sentence_on(model: str, outcome: Outcome) -> str:
    """Return what became of a model and why, in one sentence."""
    decision, subject = outcome.decision, f"{visible(model)} {visible(outcome.version)}"
    fate = fate_of(outcome)
    if decision.action is not Action.GATE:
        became = "was promoted" if fate is Verdict.PROMOTE else "did not become the champion"
        return f"{subject} {became}: {visible(decision.reason)}"
    if fate is Verdict.PROMOTE:
        first = "" if decision.previous_champion else " as the first champion"
        passed = f"all {counted(len(decision.checks), 'check')} passed"
        return f"{subject} was promoted{first}: {passed}{_macro_f1(decision)}."
    failed = _not_passed(decision.checks)
    if fate is Verdict.KEEP:
        return f"{subject} was kept out: {failed}."
    return f"{subject} needs a person: nothing forbids its use, but {failed}."


def kept_out(model: str, reason: str) -> str:
    """Return that a model without finite answers was kept out and why, in one sentence."""
    return f"{visible(model)} was kept out: {visible(reason)}"


def promotion(model: str, outcome: Outcome) -> str:
    """Return the command by which a person promotes what needs one; else nothing."""
    if fate_of(outcome) is not Verdict.NEEDS_HUMAN:
        return ""
    name, version = visible(model), visible(outcome.version)
    return f"artemis-cli models promote {name}@{version} --by NAME --reason WHY"


def fate_of(outcome: Outcome) -> Verdict:
    """Return what became of a challenger: by the champion there is now, then by the verdict."""
    if outcome.decision.new_champion == outcome.version:
        return Verdict.PROMOTE
    human = outcome.decision.verdict is Verdict.NEEDS_HUMAN
    return Verdict.NEEDS_HUMAN if human else Verdict.KEEP


def decided(decision: DecisionRecord) -> str:
    """Return when and by whom a decision was taken, and which champion there is after it."""
    who = (
        "the gate\u2019s policy, without a person"
        if decision.by == POLICY
        else f"{visible(decision.by)}, a person"
    )
    before, now = decision.previous_champion, decision.new_champion
    if now is None:
        champion = "There is no champion."
    elif now == before:
        champion = f"{visible(now)} stays the champion."
    else:
        after = f" after {visible(before)}" if before else ""
        champion = f"{visible(now)} is the champion{after}."
    return f"Decided by {who}, {moment(decision.decided)}. {champion}"


def _macro_f1(decision: DecisionRecord) -> str:
    difference = decision.figures.get("difference_macro_f1")
    if difference is None:
        return ""
    return f"; its macro F1 differs from the champion\u2019s by {signed(difference)}"


def _not_passed(checks: list[Check]) -> str:
    failed = in_order([check for check in checks if not check.passed])
    names = [check_words(check) for check in failed[:_NAMED]]
    names = [name[:1].lower() + name[1:] for name in names]
    more = [f"{number(len(failed) - _NAMED)} more"] if len(failed) > _NAMED else []
    listed = f": {'; '.join([*names, *more])}" if names else ""
    return f"{number(len(failed))} of {counted(len(checks), 'check')} did not pass{listed}"


def in_order(checks: list[Check]) -> list[Check]:
    """Return checks as a reader wants them: what forbids, what needs a person, what passed."""
    return sorted(
        checks, key=lambda check: len(_ORDER) if check.passed else _ORDER.index(check.on_failure)
    )


def _state(data: RetrainingData) -> list[str]:
    record = data.record
    decided_on = len(record.outcomes) + len(record.diverged)
    of = f"{number(decided_on)} of {counted(len(data.models), 'model')}"
    if record.status == "running":
        return [f"This retraining has not finished: {of} decided so far."]
    if record.status == "failed":
        return [f"This retraining failed: {of} decided before it did."]
    return [] if decided_on else ["This retraining is done, and decided on no model."]


def notices(data: RetrainingData) -> list[str]:
    """Return what a reader must know of the page: an end before time, and counts that differ."""
    record = data.record
    found = []
    if record.status == "failed":
        found.append(f"Why it failed: {visible(record.reason or 'no reason was recorded')}")
    if record.status == "running":
        found.append(
            "This page shows what was finished when it was made. If no process works on it any "
            "more, start the same retraining again: it goes on where it was."
        )
    for model, outcome in data.outcomes:
        held = sum(row.model == model for row in data.changed)
        if held != outcome.changed:
            found.append(
                f"The record counts {counted(outcome.changed, 'changed prediction')} of "
                f"{visible(model)} and the table holds {number(held)}; one of them is not whole."
            )
    return found


def readouts(data: RetrainingData) -> list[tuple[str, str]]:
    """Return the counts at the top: label and figure."""
    summary = data.record.data
    if summary is None:
        return []
    shown = [
        ("Images", number(summary.images)),
        ("Patient groups" if summary.group_unknown == 0 else "Groups", number(summary.groups)),
        ("Trained on", number(summary.trained_on)),
        ("Locked", number(summary.locked)),
        ("Reviewed labels", number(summary.reviewed)),
    ]
    if data.record.outcomes:
        changed = sum(outcome.changed for _, outcome in data.outcomes)
        shown.append(("Changed predictions", number(changed)))
    return shown


def so_far(data: RetrainingData) -> list[tuple[str, str]]:
    """Return what a retraining that is not done has finished, by stage and model."""
    record = data.record
    images = f"{counted(record.data.images, 'image')} read" if record.data else "not read yet"
    audited = (
        f"done, {counted(sum(record.audit_counts.values()), 'finding')}"
        if record.audit
        else "not done yet"
    )
    return [
        ("Data", images),
        ("Audit", audited),
        *((visible(model), _progress(data, model)) for model in data.models),
    ]


def _progress(data: RetrainingData, model: str) -> str:
    record = data.record
    if model in record.outcomes:
        return "trained, measured and decided"
    if model in record.diverged:
        return "kept out, since its answers are not finite"
    if model in record.trained:
        return "trained, not decided yet"
    rows = [row for row in record.epochs if row.model == model]
    if not rows:
        return "not begun"
    last = rows[-1]
    return f"{visible(last.stage)}, epoch {number(last.number)} of {number(last.of)}"


def decision_view(data: RetrainingData) -> dict[str, Any]:
    """Return what the section on the decision shows: the checks of each model."""
    return {"models": [_decision(data, model, outcome) for model, outcome in data.outcomes]}


def _decision(data: RetrainingData, model: str, outcome: Outcome) -> dict[str, Any]:
    decision = outcome.decision
    name, version = visible(model), visible(outcome.version)
    rows = [
        {
            "name": check_words(check),
            "expected": with_minus(check.expected),
            "received": with_minus(check.received),
            "passed": check.passed,
            "style": "s-ok"
            if check.passed
            else "s-failed"
            if check.on_failure is Verdict.KEEP
            else "s-review",
            "result": "passed" if check.passed else CONSEQUENCES[check.on_failure],
        }
        for check in in_order(decision.checks)
    ]
    return {
        "style": f"m{data.models.index(model) % 4}",
        "name": f"{name} {version}",
        "reason": with_minus(decision.reason),
        "rows": rows,
        "passed": sum(check.passed for check in decision.checks),
        "command": promotion(model, outcome),
    }
