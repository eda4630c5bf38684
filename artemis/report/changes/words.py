"""The words of the page of two runs side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from artemis.labels import category_of
from artemis.report.changes.compare import ModelChanges, RunChanges
from artemis.report.changes.truth import RIGHT, STILL_WRONG, WRONG, Known, Pair
from artemis.report.words import (
    CATEGORY_WORDS,
    STATUS_WORDS,
    counted,
    joined,
    number,
    share_of,
    visible,
)

_CHANGES: Final[Mapping[str, str]] = {
    "tumor": "another tumour",
    "plane": "another plane",
    "both": "another tumour and plane",
}

_BECAME: Final[Mapping[str, tuple[str, str]]] = {
    RIGHT: ("became right", "now right"),
    WRONG: ("became wrong", "now wrong, right before"),
    STILL_WRONG: ("stayed wrong", "still wrong"),
}
"""What a changed answer became: of several, and of one."""

_READOUTS: Final = (("Became right", RIGHT, "s-ok"), ("Became wrong", WRONG, "s-failed"))

_UNMATCHED: Final[Mapping[str, str]] = {
    "only_here": "Only in run {run}",
    "answered_only_here": "Classified only in run {run}, found in both",
}


def change_words(kind: str) -> str:
    """Return what a prediction changed in: ``tumor``, ``plane`` or ``both``."""
    return _CHANGES[kind]


def unmatched_title(kind: str, run: str) -> str:
    """Return the title of a list of slices that run ``a`` or ``b`` alone holds or classified."""
    return _UNMATCHED[kind].format(run=run.upper())


def other_words(status: str | None, reason_code: str | None) -> str:
    """Return what became of a slice in the other run, ``refused: too small``, or nothing."""
    if status is None:
        return ""
    reason = f": {visible(reason_code).replace('_', ' ')}" if reason_code else ""
    return f"{STATUS_WORDS.get(status, visible(status))}{reason}"


def truth_of_card(row: Mapping[str, Any], contradicted: Known) -> str:
    """Return what is known of a changed slice, and what its answer became; nothing if nothing."""
    if contradicted:
        both = joined([f"as {CATEGORY_WORDS[one.name]}" for one in contradicted])
        return f"Known {both}: a contradiction, so its truth counts as unknown."
    if row["became"] is None:
        return ""
    truth = category_of(row["true_tumor"], row["true_plane"])
    return f"In truth {CATEGORY_WORDS[truth.name]}: {_BECAME[row['became']][1]}."


def truth_words(model: ModelChanges) -> list[str]:
    """Return whether a model's changes are for the better, as sentences."""
    known = model.rightness
    said = [*_changed_words(model), _right_words(model)] if known.known else []
    if known.contradicted:
        said.append(
            f"What is known of {counted(known.contradicted, 'slice')} contradicts itself, so "
            f"{'its' if known.contradicted == 1 else 'their'} truth counts as unknown."
        )
    return said or ["No truth is known of these slices."]


def _changed_words(model: ModelChanges) -> list[str]:
    counts = model.became
    if not model.changed:
        return []
    whole = sum(counts.values())
    if not whole:
        return ["No truth is known of the changed answers."]
    became = joined([f"{number(n) if n else 'none'} {_BECAME[k][0]}" for k, n in counts.items()])
    rows = [row for row in model.changed if row["became"]]
    seen = sum(row["trained_on_a"] for row in rows), sum(row["trained_on_b"] for row in rows)
    trained = _trained_words(model, seen, whole)
    but = f"; {trained}" if trained else ""
    return [f"Of {counted(whole, 'changed answer')} whose truth is known {became}{but}."]


def _right_words(model: ModelChanges) -> str:
    known = model.rightness
    words = (
        f"Of {counted(known.known, 'slice')} in both runs whose truth is known, "
        f"{_right(known.right, known.known)}"
    )
    trained = _trained_words(model, known.trained_on, known.known)
    if not trained:
        return f"{words}."
    words = f"{words}, but {trained}, so these figures flatter."
    if not known.unseen:
        return words
    answers = counted(known.unseen, "answer")
    fair = _right(known.unseen_right, known.unseen)
    return f"{words} Of {answers} by networks that had not seen the picture, {fair}."


def _right(right: Pair, whole: int) -> str:
    first, second = (f"{number(n)} ({share_of(n, whole)})" for n in right)
    are = "is" if right[0] == 1 else "are"
    more = right[1] - right[0]
    if not more:
        return f"{first} {are} right in run A and as many in run B"
    change = f"{number(abs(more))} {'more' if more > 0 else 'fewer'}"
    return f"{first} {are} right in run A and {second} in run B, {change}"


def _trained_words(model: ModelChanges, seen: Pair, whole: int) -> str:
    """Return which version was trained on how many of the slices; nothing of none."""
    first, second = ("all" if n == whole else number(n) for n in seen)
    if seen[0] == seen[1]:
        who = "the model was" if model.version_a == model.version_b else "both versions were"
        return f"{who} trained on {first} of them" if seen[0] else ""
    said = {"A": f"trained on {first} of them", "B": f"trained on {second} of them"}
    return joined(
        [
            f"the version of run {run} was {words}"
            for (run, words), n in zip(said.items(), seen, strict=True)
            if n
        ]
    )


def verdict(changes: RunChanges) -> str:
    """Return what changed in one sentence, counts first."""
    if not changes.in_both:
        return "The two runs have no slice in common, so no prediction can have changed."
    if not changes.models:
        return (
            f"{counted(changes.in_both, 'slice')} in both runs, but no model that answered in "
            "both: nothing can be compared."
        )
    said = []
    for model in changes.models:
        versions = (
            f"version {visible(model.version_a)} in both"
            if model.version_a == model.version_b
            else f"version {visible(model.version_a)} to {visible(model.version_b)}"
        )
        said.append(
            f"{number(len(model.changed))} of {counted(model.slices, 'prediction')} of "
            f"{visible(model.model)} changed ({versions})"
        )
    return f"{joined(said)}."


def readouts(changes: RunChanges) -> list[tuple[str, str, str]]:
    """Return the counts at the top of the page: label, figure and style class."""
    first, second = changes.copies
    return [
        ("Slices in both", number(changes.in_both), ""),
        *(
            (f"Changed, {visible(model.model)}", number(len(model.changed)), "s-review")
            for model in changes.models
        ),
        *(
            (f"{title}, {visible(model.model)}", number(model.became[kind]), style)
            for model in changes.models
            if any(model.became.values())
            for title, kind, style in _READOUTS
        ),
        ("Only in A", number(len(changes.unmatched_of("a", "only_here"))), "s-refused"),
        ("Only in B", number(len(changes.unmatched_of("b", "only_here"))), "s-refused"),
        (
            "Classified in one only",
            number(sum(row["kind"] == "answered_only_here" for row in changes.unmatched)),
            "s-refused",
        ),
        ("Copies, counted once", f"{number(first)} in A, {number(second)} in B", ""),
    ]
