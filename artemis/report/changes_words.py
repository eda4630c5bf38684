"""The words of the page of two runs side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from artemis.report.changes import RunChanges
from artemis.report.words import STATUS_WORDS, counted, joined, number, visible

_CHANGES: Final[Mapping[str, str]] = {
    "tumor": "another tumour",
    "plane": "another plane",
    "both": "another tumour and plane",
}

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
        ("Only in A", number(len(changes.unmatched_of("a", "only_here"))), "s-refused"),
        ("Only in B", number(len(changes.unmatched_of("b", "only_here"))), "s-refused"),
        (
            "Classified in one only",
            number(sum(row["kind"] == "answered_only_here" for row in changes.unmatched)),
            "s-refused",
        ),
        ("Copies, counted once", f"{number(first)} in A, {number(second)} in B", ""),
    ]
