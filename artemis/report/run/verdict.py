"""The top of the page: the verdict in one sentence, the counts, and what a reader must know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from artemis.labels import TUMORS
from artemis.report.plots.svg import share_bar
from artemis.report.run.data import RunData
from artemis.report.run.truth import pairs_of, seen_share
from artemis.report.words import (
    STATUS_WORDS,
    TUMOR_WORDS,
    counted,
    joined,
    number,
    sentence,
    share_of,
    visible,
)
from artemis.runs import RunStatus


def verdict(data: RunData) -> str:
    """Return what became of the batch in one sentence, with every count that is not zero."""
    found, ok = len(data.items), len(data.ok)
    if not found:
        return "No slice was found in this batch."
    files = counted(len({item.path for item in data.items}), "file")
    rest = _rejections(data)
    if not ok:
        none = "The only slice" if found == 1 else f"None of the {number(found)} slices"
        outcome = "could not be classified" if found == 1 else "could be classified"
        return f"{none} in {files} {outcome}: {joined(rest)}."
    if not rest:
        every = "The only slice" if found == 1 else f"All {number(found)} slices"
        opening = f"{every} in {files} {'was' if found == 1 else 'were'} classified"
    else:
        were = "was" if ok == 1 else "were"
        listed = joined([f"{number(ok)} {were} classified", *rest])
        opening = f"Of {counted(found, 'slice')} in {files}, {listed}"
    return f"{opening}; {_review(data)}."


def _rejections(data: RunData) -> list[str]:
    counts = {status: data.count(status) for status in ("refused", "failed")}
    return [f"{number(count)} {STATUS_WORDS[status]}" for status, count in counts.items() if count]


def _review(data: RunData) -> str:
    waiting = len(data.review)
    if not waiting:
        return "none of the answers calls for a second look"
    who = "it" if len(data.items) == 1 else number(waiting)
    return f"{who} should be looked at by a person first"


def findings(data: RunData) -> list[tuple[str, str]]:
    """Return, for each model, its name and its answers counted by tumour in words."""
    lines = []
    for model in data.models:
        counts = Counter(answer.category.tumor for answer in data.answers(model))
        words = [f"{number(counts[tumor])} {TUMOR_WORDS[tumor]}" for tumor in TUMORS]
        lines.append((model, joined(words) + _rightness(data, model)))
    return lines


def _rightness(data: RunData, model: str) -> str:
    known = pairs_of(data, model)
    if not known:
        return ""
    right = sum(answer.category == truth for truth, answer in known)
    slices = counted(len(known), "slice")
    words = f"; right in {share_of(right, len(known))} of {slices} whose truth is known"
    seen = seen_share(known)
    if seen is None:
        return words
    fair = f" ({share_of(seen.unseen.hits, seen.unseen.of)} by networks that had not seen them)"
    which = f"{number(seen.slices)} of" if seen.others.of else "all of"
    return f"{words}, but trained on {which} them{fair * bool(seen.unseen.of)}"


def readouts(data: RunData) -> list[tuple[str, str, str]]:
    """Return the counts at the top: label, figure, and the style class of its colour.

    The coloured ones are the parts of `status_bar`, and their key.
    """
    shown = [
        ("Files", number(len({item.path for item in data.items})), ""),
        ("Slices", number(len(data.items)), ""),
        ("Classified", number(len(data.ok)), ""),
        ("No review", number(len(data.ok) - len(data.review)), "s-ok"),
        ("To review", number(len(data.review)), "s-review"),
        ("Refused", number(data.count("refused")), "s-refused"),
        ("Failed", number(data.count("failed")), "s-failed"),
    ]
    if len(data.models) > 1:
        compared = [item for item in data.ok if len(item.answers) > 1]
        agreeing = sum(item.disagreement is None for item in compared)
        shown.append(("Models agree", share_of(agreeing, len(compared)), ""))
    return shown


def status_bar(data: RunData) -> Markup:
    """Return the bar of what became of the slices."""
    waiting, refused, failed = len(data.review), data.count("refused"), data.count("failed")
    clear = len(data.ok) - waiting
    words = (
        f"Of {counted(len(data.items), 'slice')}: {number(clear)} classified and not to review, "
        f"{number(waiting)} to review, {number(refused)} refused, {number(failed)} failed."
    )
    parts = (("s-ok", clear), ("s-review", waiting), ("s-refused", refused), ("s-failed", failed))
    return share_bar(parts, words)


def notices(data: RunData) -> list[str]:
    """Return what may make the page incomplete: an unfinished run, or counts that differ."""
    record = data.record
    found = []
    if record.status is RunStatus.FAILED:
        found.append(f"This run failed: {visible(record.error or 'no error was recorded')}")
    elif record.status is RunStatus.RUNNING:
        found.append("This run had not finished when the page was made; more may follow.")
    if record.status is not RunStatus.RUNNING and record.counts.slices != len(data.items):
        found.append(
            f"The record counts {counted(record.counts.slices, 'slice')} and the tables hold "
            f"{number(len(data.items))}; parts of the run are missing."
        )
    for model in data.models:
        missing = sum(model not in item.answers for item in data.ok)
        if missing:
            found.append(
                f"{model} gave no answer for {counted(missing, 'slice')} of "
                f"{number(len(data.ok))} that could be classified."
            )
    return found


def opening(data: RunData) -> Mapping[str, Any]:
    """Return everything that the top of the page shows."""
    return {
        "verdict": verdict(data),
        "findings": findings(data),
        "readouts": readouts(data),
        "bar": status_bar(data),
        "notices": [sentence(text) for text in notices(data)],
    }
