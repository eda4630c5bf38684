"""A run as the pages need it: one item a slice, with every model's answer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import pandas as pd

from artemis.errors import RunRecordError
from artemis.labels import CATEGORIES, CATEGORY_NAMES, PROBABILITY_COLUMNS, Category
from artemis.predictions import QUALITY_COLUMNS, plain_rows, read_studies, read_table
from artemis.report.stored_pictures import stored_pictures
from artemis.report.study_data import StudyEntry, study_entries
from artemis.report.truth_data import Truth, from_folders
from artemis.report.words import (
    REVIEW_REASON_WORDS,
    UNLIKE,
    confidence_step,
    joined,
    percent,
    visible,
)
from artemis.review import ReviewReason
from artemis.runs import RunRecord, read_record
from artemis.studies import with_series

_ANCHOR_DIGITS: Final = 16
_COPIES_NAMED: Final = 5
_NOT_HEXADECIMAL: Final = re.compile(r"[^0-9a-f]")


@dataclass(frozen=True, slots=True)
class Answer:
    """What one model said of one slice.

    Attributes
    ----------
    category : Category
        The answer.
    confidence : float
        Calibrated probability of the answer, in [0, 1].
    probabilities : tuple of float, (12,)
        In the order of `artemis.labels.CATEGORIES`, summing to 1.
    ood_score : float
        Distance from the training images; higher is stranger.
    needs_review : bool
        Whether this model's answer sends the slice to a human.
    review_reasons : tuple of str
        Codes of `artemis.report.words.REVIEW_REASON_WORDS`.
    set_90 : tuple of Category or None
        Categories that hold the truth of nine slices in ten, most probable first; None where
        the model has no such sets.
    doubt : float
        From 0 (sure) to 1, see `artemis.review.doubt_of`.
    step : int
        Per cent to which the model's probabilities may be printed.
    """

    category: Category
    confidence: float
    probabilities: tuple[float, ...]
    ood_score: float
    needs_review: bool
    review_reasons: tuple[str, ...]
    set_90: tuple[Category, ...] | None
    doubt: float
    step: int

    @property
    def far(self) -> bool:
        """Whether the slice is unlike the training images, so that probabilities mean nothing."""
        return ReviewReason.OUT_OF_DISTRIBUTION in self.review_reasons

    def said(self, probability: float) -> str:
        """Return a probability no finer than the model's calibration deserves."""
        return UNLIKE if self.far else percent(probability, self.step)

    def top(self, count: int = 3) -> list[tuple[Category, float]]:
        """Return the `count` most probable categories, most probable first."""
        ranked = sorted(CATEGORIES, key=lambda category: -self.probabilities[category.index])
        return [(category, self.probabilities[category.index]) for category in ranked[:count]]


@dataclass(frozen=True)
class SliceItem:
    """One slice found in the batch, classified or not.

    Attributes
    ----------
    number : int
        Position in the run, from 1.
    study_key, series_key, series_index
        What the slice belongs to, and its place there, see `artemis.studies`.
    anchor : str
        Identifier of the slice's row on the page; the same in every report on the same
        files, as it is made of the slice's hash and a count of its copies.
    path : str
        Relative to the batch folder, hidden characters made visible.
    answers : mapping of str to Answer
        By model name; empty where the slice was refused or failed.
    truth : Category or None
        Where it is known beforehand, see `artemis.report.truth_data`.
    """

    number: int
    anchor: str
    slice_id: str
    path: str
    frame: int
    study_key: str | None
    series_key: str | None
    series_index: int | None
    header_plane: str | None
    format: str | None
    size: str | None
    quality: Mapping[str, float | None]
    status: str
    reason_code: str | None
    reason: str | None
    answers: Mapping[str, Answer]
    truth: Category | None = None

    @property
    def folder(self) -> str:
        """Folder part of the path with its closing slash, or nothing."""
        return self.path[: self.path.rfind("/") + 1]

    @property
    def name(self) -> str:
        """Last part of the path."""
        return self.path[self.path.rfind("/") + 1 :]

    @property
    def needs_review(self) -> bool:
        """Whether the first model's answer sends the slice to a human.

        Where the models disagree, it does; a weaker model's own doubts alone do not, or
        most slices would be in the queue.
        """
        return any(answer.needs_review for answer in [*self.answers.values()][:1])

    @property
    def wrong(self) -> bool:
        """Whether the first model's answer differs from a known truth."""
        first = next((answer.category for answer in self.answers.values()), None)
        return None not in (first, self.truth) and first != self.truth

    @property
    def doubt(self) -> float:
        """Doubt of the first model's answer, from 0 (sure) to 1; 0 where there is none.

        It holds what the other models say; their own doubts are of their own answers.
        """
        return next((answer.doubt for answer in self.answers.values()), 0.0)

    @cached_property
    def disagreement(self) -> str | None:
        """What the models disagree on: ``tumour``, ``plane``, ``both``, or None."""
        tumor = len({answer.category.tumor for answer in self.answers.values()}) > 1
        plane = len({answer.category.plane for answer in self.answers.values()}) > 1
        if tumor and plane:
            return "both"
        return "tumour" if tumor else "plane" if plane else None

    @property
    def codes(self) -> list[str]:
        """Codes of the reasons why a human should look, or why it was not classified."""
        if self.status != "ok":
            return [self.reason_code] if self.reason_code else []
        given = (answer.review_reasons for answer in self.answers.values())
        return [*dict.fromkeys(code for codes in given for code in codes)]

    def review_words(self) -> list[str]:
        """Return why a human should look, in plain words, naming models where not all agree.

        A code without words of its own is returned as it is.
        """
        by_code: dict[str, list[str]] = {}
        for model, answer in self.answers.items():
            for code in answer.review_reasons:
                by_code.setdefault(code, []).append(model)
        phrases = []
        for code, models in by_code.items():
            phrase = REVIEW_REASON_WORDS.get(code, visible(code))
            everybody = len(models) == len(self.answers)
            phrases.append(phrase if everybody else f"{phrase} ({joined(models)})")
        return phrases


@dataclass(frozen=True)
class RunData:
    """A run's record and tables.

    Attributes
    ----------
    record : RunRecord
        The content of ``run.json``.
    models : tuple of str
        Names in the record's order, then any others that have predictions.
    items : tuple of SliceItem
        Every slice found, in the order of the chunks.
    thumbnails : mapping of str to bytes
        JPEG files by slice id.
    overlays : mapping of str to bytes
        JPEG files with the evidence of `mapping_model`, by slice id.
    views, view_evidence : mapping of str to bytes
        Larger pictures of the most doubtful slices, as the models see them, by slice id: JPEG
        files, and PNG files with the evidence alone to be laid over them.
    studies : tuple of StudyEntry
        Answers for series and studies of several slices.
    truth_words : str
        Where the slices' truth is from.
    """

    record: RunRecord
    models: tuple[str, ...]
    items: tuple[SliceItem, ...]
    thumbnails: Mapping[str, bytes]
    overlays: Mapping[str, bytes]
    views: Mapping[str, bytes]
    view_evidence: Mapping[str, bytes]
    studies: tuple[StudyEntry, ...] = ()
    truth_words: str = ""

    @cached_property
    def ok(self) -> list[SliceItem]:
        """Slices that were classified."""
        return [item for item in self.items if item.status == "ok"]

    @cached_property
    def known(self) -> list[SliceItem]:
        """Classified slices whose truth is known."""
        return [item for item in self.ok if item.truth is not None]

    @cached_property
    def rejected(self) -> list[SliceItem]:
        """Slices that were refused or failed."""
        return [item for item in self.items if item.status != "ok"]

    @cached_property
    def review(self) -> list[SliceItem]:
        """Slices that need a human, the most doubtful first."""
        return sorted(
            (item for item in self.items if item.needs_review),
            key=lambda item: (-item.doubt, item.number),
        )

    @cached_property
    def copies(self) -> dict[str, list[int]]:
        """Numbers of the slices of the same pixels, ascending, by slice id."""
        numbers: dict[str, list[int]] = {}
        for item in self.items:
            numbers.setdefault(item.slice_id, []).append(item.number)
        return numbers

    def copy_words(self, item: SliceItem) -> str | None:
        """Return which slices are of the same pixels, ``same picture as slices 4 and 9``."""
        others = [str(number) for number in self.copies[item.slice_id] if number != item.number]
        if not others:
            return None
        more = len(others) - _COPIES_NAMED
        named = others[:_COPIES_NAMED] + ([f"{more} more"] if more > 0 else [])
        return f"same picture as slice{'s' * (len(others) > 1)} {joined(named)}"

    @cached_property
    def framed(self) -> bool:
        """Whether any file holds more than one frame, so that a frame's number says something."""
        return any(item.frame for item in self.items)

    @property
    def mapping_model(self) -> str | None:
        """The model whose evidence is drawn: the first that maps it."""
        return next((model.name for model in self.record.models if model.evidence_maps), None)

    def count(self, status: str) -> int:
        """Return the number of slices of a status."""
        return sum(item.status == status for item in self.items)

    def answers(self, model: str) -> Iterator[Answer]:
        """Yield the answers of one model in the order of the slices."""
        return (item.answers[model] for item in self.items if model in item.answers)

    def table_path(self, name: str) -> str:
        """Return where a table of this run lies, relative to the workspace."""
        return f"runs/{self.record.run_id}/{name}/"


def once(items: Iterable[SliceItem]) -> list[SliceItem]:
    """Return items in their order, of copies the first."""
    return list({item.slice_id: item for item in reversed([*items])}.values())[::-1]


_AnswersBySlice = dict[tuple[str, int], dict[str, Answer]]
"""Answers by path and frame, then by model."""


def load_run(run_dir: Path, truth: Truth | None = None) -> RunData:
    """Read a run's record and tables.

    Parameters
    ----------
    run_dir : Path
        ``<workspace>/runs/<run_id>``.
    truth : Truth, optional
        What is known of the slices; by default what the names of their folders say.

    Raises
    ------
    RunRecordError
        If the record or a table cannot be read, or a prediction is of a category that
        this version of Artemis does not know.
    """
    record = read_record(run_dir)
    truth = truth or from_folders(record.batch)
    steps = {model.name: confidence_step(model.ece) for model in record.models}
    answers, answering = _answers(run_dir, steps)
    models = dict.fromkeys([*(model.name for model in record.models), *answering])
    pictures = stored_pictures(run_dir)
    slices = read_table(run_dir, "slices")
    slices["series_key"] = with_series(slices)["series_key"]
    return RunData(
        record=record,
        models=tuple(models),
        items=tuple(_items(slices, answers, tuple(models), truth)),
        thumbnails=pictures["jpeg"],
        overlays=pictures["overlay"],
        views=pictures["view_jpeg"],
        view_evidence=pictures["view_evidence"],
        studies=study_entries([*plain_rows(read_studies(run_dir))], tuple(models)),
        truth_words=truth.words,
    )


def _answers(run_dir: Path, steps: Mapping[str, int]) -> tuple[_AnswersBySlice, list[str]]:
    by_slice: _AnswersBySlice = {}
    models: dict[str, None] = {}
    for row in plain_rows(read_table(run_dir, "predictions")):
        if row["category"] not in CATEGORY_NAMES:
            raise RunRecordError(
                f"{run_dir / 'predictions'}: expected the twelve categories of this version of "
                f"Artemis. Received {row['category']!r}. Make the report with the version that "
                "made the run, or classify again."
            )
        models[row["model"]] = None
        by_slice.setdefault((row["path"], row["frame"]), {})[row["model"]] = Answer(
            category=CATEGORIES[CATEGORY_NAMES.index(row["category"])],
            confidence=row["confidence"],
            probabilities=tuple(row[column] for column in PROBABILITY_COLUMNS),
            ood_score=row["ood_score"],
            needs_review=row["needs_review"],
            review_reasons=tuple(row["review_reasons"]),
            set_90=_categories(row["set_90"]),
            doubt=row["doubt"],
            step=steps.get(row["model"], confidence_step(None)),
        )
    return by_slice, list(models)


def _categories(names: Iterable[str] | None) -> tuple[Category, ...] | None:
    if names is None:
        return None
    return tuple(CATEGORIES[CATEGORY_NAMES.index(name)] for name in names)


def _items(
    slices: pd.DataFrame, answers: _AnswersBySlice, models: tuple[str, ...], truth: Truth
) -> Iterator[SliceItem]:
    copies: Counter[str] = Counter()
    for number, row in enumerate(plain_rows(slices), start=1):
        slice_id = row["slice_id"] or ""
        stem = _NOT_HEXADECIMAL.sub("", slice_id)[:_ANCHOR_DIGITS] or "unread"
        copies[stem] += 1
        given = answers.get((row["path"], row["frame"]), {})
        yield SliceItem(
            number=number,
            anchor=f"slice-{stem}-{copies[stem]}",
            slice_id=slice_id,
            path=visible(row["path"]),
            frame=row["frame"],
            study_key=row["study_key"],
            series_key=row["series_key"],
            series_index=None if row["series_index"] is None else int(row["series_index"]),
            header_plane=visible(row["header_plane"]) if row["header_plane"] else None,
            format=visible(row["format"]) if row["format"] else None,
            size=_size(row["width"], row["height"]),
            quality={name: row[name] for name in QUALITY_COLUMNS},
            status=row["status"],
            reason_code=row["reason_code"],
            reason=visible(row["reason"]) if row["reason"] else None,
            answers={model: given[model] for model in models if model in given},
            truth=truth.of(row["path"], row["frame"], row["slice_id"]),
        )


def _size(width: float | None, height: float | None) -> str | None:
    # pandas holds whole numbers with gaps as floats.
    return f"{int(width)}\u00a0\u00d7\u00a0{int(height)}" if width and height else None
