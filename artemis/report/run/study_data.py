"""The answers for series and studies as the pages need them: one entry with every model's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from artemis.answers.review import ReviewReason
from artemis.labels import TUMORS
from artemis.report.words import STUDY_REASON_WORDS, joined, visible


@dataclass(frozen=True, slots=True)
class StudyAnswer:
    """What one model says of a series or study.

    Attributes
    ----------
    tumor : str
        One of `artemis.labels.TUMORS`.
    confidence : float
        Its probability by the rule, in [0, 1].
    probabilities : tuple of float, (4,)
        In the order of `artemis.labels.TUMORS`.
    supporting : tuple of str
        Ids of the slices that speak most for it, the first most.
    review_reasons : tuple of str
        Codes of `artemis.report.words.STUDY_REASON_WORDS`.
    """

    tumor: str
    confidence: float
    probabilities: tuple[float, ...]
    supporting: tuple[str, ...]
    review_reasons: tuple[str, ...]

    @property
    def far(self) -> bool:
        """Whether most supporting slices are unlike the training images: no number is said."""
        return ReviewReason.OUT_OF_DISTRIBUTION in self.review_reasons


@dataclass(frozen=True, slots=True)
class StudyEntry:
    """A series, or a study of several, with the answer of each model.

    Attributes
    ----------
    study_key, series_key : str or None
        Keyed hashes; no series key in the entry of a study as a whole.
    slices, classified : int
        How many were found, and how many distinct ones have an answer.
    planes : tuple of str
        What it shows.
    rule : str
        One of `artemis.answers.study_rules.RULES`.
    answers : mapping of str to StudyAnswer
        By model name.
    """

    study_key: str | None
    series_key: str | None
    slices: int
    classified: int
    planes: tuple[str, ...]
    rule: str
    answers: Mapping[str, StudyAnswer]

    @property
    def needs_review(self) -> bool:
        """Whether the first model's answer sends it to a human."""
        return any(answer.review_reasons for answer in [*self.answers.values()][:1])

    def review_words(self) -> str:
        """Return why a human should look, in plain words, naming models where not all agree."""
        by_code: dict[str, list[str]] = {}
        for model, answer in self.answers.items():
            for code in answer.review_reasons:
                by_code.setdefault(code, []).append(model)
        return "; ".join(
            STUDY_REASON_WORDS.get(code, visible(code))
            + ("" if len(models) == len(self.answers) else f" ({joined(models)})")
            for code, models in by_code.items()
        )


def study_entries(
    rows: Iterable[Mapping[str, Any]], models: tuple[str, ...]
) -> tuple[StudyEntry, ...]:
    """Return the entries of a table `studies` in its order, models in that of the run.

    Of a study whose slices are all of one series only that series has an entry, since it says
    the same.
    """
    grouped: dict[tuple[str | None, str | None], dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        grouped.setdefault((row["study_key"], row["series_key"]), {})[row["model"]] = row
    entries = [_entry(*keys, by_model, models) for keys, by_model in grouped.items()]
    whole = {(one.study_key, one.slices) for one in entries if one.series_key is not None}
    return tuple(
        one
        for one in entries
        if one.series_key is not None or (one.study_key, one.slices) not in whole
    )


def _entry(
    study_key: str | None,
    series_key: str | None,
    by_model: Mapping[str, Mapping[str, Any]],
    models: tuple[str, ...],
) -> StudyEntry:
    first = next(iter(by_model.values()))
    return StudyEntry(
        study_key=study_key,
        series_key=series_key,
        slices=first["slices"],
        classified=first["classified"],
        planes=tuple(first["planes"]),
        rule=first["rule"],
        answers={
            model: StudyAnswer(
                tumor=row["tumor"],
                confidence=row["confidence"],
                probabilities=tuple(row[f"p_{tumor}"] for tumor in TUMORS),
                supporting=tuple(row["supporting"]),
                review_reasons=tuple(row["review_reasons"]),
            )
            for model in models
            if (row := by_model.get(model)) is not None
        },
    )
