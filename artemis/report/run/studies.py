"""What the section of studies shows: each answer with its slices, and along the slices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from artemis.labels import TUMORS
from artemis.report.plots.sparkline import sparkline
from artemis.report.run import limits
from artemis.report.run.data import RunData
from artemis.report.run.items import SliceItem
from artemis.report.run.study_data import StudyAnswer, StudyEntry
from artemis.report.words import (
    TUMOR_WORDS,
    UNLIKE,
    confidence_step,
    counted,
    joined,
    percent,
    sentence,
    visible,
)

_KEY_DIGITS = 8


@dataclass(frozen=True, slots=True)
class StudyCard:
    """A series or study on the page.

    Attributes
    ----------
    entry : StudyEntry
        Its answers.
    title : str
        What it is, by its keys.
    where : str
        File of its first slice.
    strip : list of (SliceItem, str)
        The supporting slices of the first model, and the probability of its answer in each.
    copies : bool
        Whether some classified slices are copies of others, which count and are drawn once.
    places : int or None
        Of a series that shows places several times, how many there are.
    trace : Markup or None
        The probability along the slices of a series; slices of several have no order. A slice
        unlike the training images is a gap: the probability of such a one means nothing.
        So is one that was refused or failed.
    gaps : str
        Of which slices there are gaps, in words; empty for none.
    rule : str
        How the slices' answers became one, in words.
    """

    entry: StudyEntry
    title: str
    where: str
    strip: list[tuple[SliceItem, str]]
    copies: bool
    places: int | None
    trace: Markup | None
    gaps: str
    rule: str


def studies_view(data: RunData) -> dict[str, Any]:
    """Return the studies that are shown, those that need a human first, and how many there are."""
    of_study, of_series = _members(data)
    # A study is said no finer than its slices.
    steps = {model.name: confidence_step(model.ece) for model in data.record.models}
    cards = []
    for entry in limits.shown_studies(data):
        whole = entry.series_key is None
        members = (
            of_study[entry.study_key] if whole else of_series[entry.study_key, entry.series_key]
        )
        along = [] if whole else _along(members)
        repeated = _repeats(along)
        cards.append(
            StudyCard(
                entry=entry,
                title=_title(entry, members),
                where=members[0].path,
                strip=_strip(entry, members),
                copies=sum(bool(item.answers) for item in members) > entry.classified,
                places=len(along) if repeated else None,
                trace=None if whole else _trace(entry, along, steps),
                gaps=_gaps(along),
                rule=_rule_words(entry.rule, "place" if repeated else "slice"),
            )
        )
    return {"cards": cards, "found": len(data.studies), "tumors": TUMORS, "steps": steps}


def _rule_words(rule: str, unit: str = "slice") -> str:
    """Return how a rule of `artemis.answers.study_rules.RULES` makes one answer, in words."""
    head, _, count = rule.rpartition("_")
    if head == "mean_of_top" and count.isdecimal():
        return f"by one {unit}" if count == "1" else f"by the mean of up to {count} {unit}s"
    return visible(f"by {rule.replace('_', ' ')}")


def _members(
    data: RunData,
) -> tuple[dict[str | None, list[SliceItem]], dict[tuple[str | None, str | None], list[SliceItem]]]:
    """Return the slices of each study, and of each series of a study, in their order."""
    of_study: dict[str | None, list[SliceItem]] = {}
    of_series: dict[tuple[str | None, str | None], list[SliceItem]] = {}
    for item in sorted(data.items, key=lambda item: (item.series_index or 0, item.number)):
        of_study.setdefault(item.study_key, []).append(item)
        of_series.setdefault((item.study_key, item.series_key), []).append(item)
    return of_study, of_series


def _along(members: list[SliceItem]) -> list[list[SliceItem]]:
    """Return the places of a series as they are drawn, each with its slices, of copies one.

    Of what could not be read the place is not known: it is left out, unless that is so of all.
    """
    placed = [item for item in members if item.series_index is not None] or members
    first_of: dict[str, SliceItem] = {}
    places: dict[Any, list[SliceItem]] = {}
    for item in placed:
        if not item.answers or first_of.setdefault(item.slice_id, item) is item:
            places.setdefault(item.place or item.number, []).append(item)
    return [*places.values()]


def _repeats(along: list[list[SliceItem]]) -> bool:
    """Return whether a place is seen in several classified slices."""
    return any(sum(bool(item.answers) for item in place) > 1 for place in along)


def _gaps(along: list[list[SliceItem]]) -> str:
    """Return which places leave a gap in a line, in words."""
    answers = [[item.answers for item in place if item.answers] for place in along]
    kinds = {
        UNLIKE: any(
            all(given[model].far for given in place if model in given)
            for place in answers
            for model in (place[0] if place else ())
        ),
        "not classified": not all(answers),
    }
    return ", or ".join(words for words, there in kinds.items() if there)


def _title(entry: StudyEntry, members: list[SliceItem]) -> str:
    study = f"Study {visible(entry.study_key[:_KEY_DIGITS])}" if entry.study_key else ""
    if entry.series_key is None:
        series = len({item.series_key for item in members} - {None})
        return f"{study}, all {series} series" if series > 1 else study
    is_file = entry.series_key.startswith("file-")
    volumes = len({item.volume for item in members} - {None})
    if volumes > 1:
        return f"{volumes} volumes of one file"
    one = "volume" if is_file else f"series {visible(entry.series_key[:_KEY_DIGITS])}"
    return f"{study}, {one}" if study else sentence(one)


def _strip(entry: StudyEntry, members: list[SliceItem]) -> list[tuple[SliceItem, str]]:
    model, answer = next(iter(entry.answers.items()))
    first_of: dict[str, SliceItem] = {}
    for item in members:
        first_of.setdefault(item.slice_id, item)
    supporting = (first_of[one] for one in answer.supporting if one in first_of)
    return [
        (item, item.answers[model].said(_share(item, model, answer.tumor))) for item in supporting
    ]


def _trace(entry: StudyEntry, along: list[list[SliceItem]], steps: dict[str, int]) -> Markup:
    model, answer = next(iter(entry.answers.items()))
    lines = [[_mean_share(place, name, answer.tumor) for place in along] for name in entry.answers]
    marked = {
        k
        for k, place in enumerate(along)
        if any(item.slice_id in answer.supporting for item in place)
    }
    unit = "place" if _repeats(along) else "slice"
    words = (
        f"Probability of {TUMOR_WORDS[answer.tumor]} along {counted(len(along), unit)}, "
        f"{joined(list(entry.answers))}; to {model} {_range_words(along, model, answer, steps)}."
    )
    return sparkline(lines, marked, words)


def _mean_share(place: list[SliceItem], model: str, tumor: str) -> float | None:
    """Return the mean over the slices of a place of which a probability may be said, if any."""
    given = [item for item in place if model in item.answers and not item.answers[model].far]
    return sum(_share(item, model, tumor) for item in given) / len(given) if given else None


def _range_words(
    along: list[list[SliceItem]], model: str, answer: StudyAnswer, steps: dict[str, int]
) -> str:
    """Return the least and the greatest probability, of slices of which it may be said."""
    given = [item for place in along for item in place if model in item.answers]
    said = [_share(item, model, answer.tumor) for item in given if not item.answers[model].far]
    if not said:
        return f"every slice is {UNLIKE}"
    far = len(given) - len(said)
    least, most = (percent(value, steps[model]) for value in (min(said), max(said)))
    return f"from {least} to {most}" + (f" without {far} {UNLIKE}" if far else "")


def _share(item: SliceItem, model: str, tumor: str) -> float:
    answer = item.answers[model]
    planes = len(answer.probabilities) // len(TUMORS)
    start = TUMORS.index(tumor) * planes
    return min(1.0, sum(answer.probabilities[start : start + planes]))
