"""A run as the pages need it: one item a slice, with every model's answer."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final

from artemis.answers.studies import place_of, series_of
from artemis.errors import RunRecordError
from artemis.ingest.border import message_name
from artemis.labels import CATEGORIES, CATEGORY_NAMES, PROBABILITY_COLUMNS
from artemis.predictions import plain_rows, read_studies, table_rows
from artemis.report.run.anchors import Anchors
from artemis.report.run.items import Answer, SliceItem
from artemis.report.run.kept_truth import truth_of
from artemis.report.run.stored_pictures import stored_pictures
from artemis.report.run.study_data import StudyEntry, study_entries
from artemis.report.run.truth_data import Truth
from artemis.report.words import (
    confidence_step,
    joined,
    visible,
)
from artemis.runs import RunRecord, read_record
from artemis.schemas import QUALITY_COLUMNS
from artemis.system.files import raw_path

_BY_NAME: Final = {category.name: category for category in CATEGORIES}
_COPIES_NAMED: Final = 5


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
        JPEG files by `SliceItem.picture`.
    overlays : mapping of str to bytes
        JPEG files with the evidence of `mapping_model`, by the same.
    views, view_evidence : mapping of str to bytes
        Larger pictures of the most doubtful slices, as the models see them, by the same: JPEG
        files, and PNG files with the evidence alone to be laid over them.
    studies : tuple of StudyEntry
        Answers for series and studies of several slices.
    truth_words : str
        Where the slices' truth is from.
    withheld : frozenset of str
        Ids of slices without pictures, see `artemis.report.run.stored_pictures.RunPictures`.
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
    withheld: frozenset[str] = frozenset()

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
    def copies(self) -> dict[str, list[SliceItem]]:
        """Slices of the same pixels, in the run's order, by slice id."""
        copies: dict[str, list[SliceItem]] = {}
        for item in self.items:
            copies.setdefault(item.slice_id, []).append(item)
        return copies

    def copy_words(self, item: SliceItem) -> str | None:
        """Return which slices are of the same pixels, ``same picture as slices 4 and 9``."""
        others = [one for one in self.copies[item.slice_id] if one.number != item.number]
        alike = [one for one in others if one.picture == item.picture]
        otherwise = [one for one in others if one.picture != item.picture]
        words = [
            *([f"same picture as {_named(alike)}"] if alike else []),
            *([f"same pixels in another window as {_named(otherwise)}"] if otherwise else []),
        ]
        return ", ".join(words) or None

    @cached_property
    def framed(self) -> frozenset[str]:
        """Paths of files that hold more than one frame, so that a frame's number says something."""
        return frozenset(item.path for item in self.items if item.frame)

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


_AnswersBySlice = dict[tuple[str, int], dict[str, Answer]]
"""Answers by path and frame, then by model."""


def load_run(run_dir: Path) -> RunData:
    """Read a run's record and tables.

    Parameters
    ----------
    run_dir : Path
        ``<workspace>/runs/<run_id>``.

    Raises
    ------
    RunRecordError
        If the record or a table cannot be read, or a prediction is of a category that
        this version of Artemis does not know.
    """
    record = read_record(run_dir)
    truth = truth_of(run_dir, record.batch)
    steps = {model.name: confidence_step(model.ece) for model in record.models}
    answers, answering = _answers(run_dir, steps)
    models = dict.fromkeys([*(model.name for model in record.models), *answering])
    pictures = stored_pictures(run_dir)
    return RunData(
        record=record,
        models=tuple(models),
        items=tuple(_items(run_dir, answers, tuple(models), truth, pictures.other_looks)),
        thumbnails=pictures.columns["jpeg"],
        overlays=pictures.columns["overlay"],
        views=pictures.columns["view_jpeg"],
        view_evidence=pictures.columns["view_evidence"],
        studies=study_entries([*plain_rows(read_studies(run_dir))], tuple(models)),
        truth_words=truth.words,
        withheld=pictures.withheld,
    )


def _answers(run_dir: Path, steps: Mapping[str, int]) -> tuple[_AnswersBySlice, list[str]]:
    by_slice: _AnswersBySlice = {}
    models: dict[str, None] = {}
    shared: dict[tuple[Any, ...], tuple[Any, ...]] = {}  # most slices say one of a few
    for row in table_rows(run_dir, "predictions"):
        if row["category"] not in CATEGORY_NAMES:
            raise RunRecordError(
                f"{run_dir / 'predictions'}: expected the twelve categories of this version of "
                f"Artemis. Received {row['category']!r}. Make the report with the version that "
                "made the run, or classify again."
            )
        models[row["model"]] = None
        reasons = tuple(row["review_reasons"])
        set_90 = tuple(CATEGORIES[CATEGORY_NAMES.index(name)] for name in row["set_90"])
        by_slice.setdefault((row["path"], row["frame"]), {})[row["model"]] = Answer(
            category=CATEGORIES[CATEGORY_NAMES.index(row["category"])],
            confidence=row["confidence"],
            probabilities=array("f", (row[column] for column in PROBABILITY_COLUMNS)),
            ood_score=row["ood_score"],
            needs_review=row["needs_review"],
            review_reasons=shared.setdefault(reasons, reasons),
            set_90=shared.setdefault(set_90, set_90),
            doubt=row["doubt"],
            step=steps.get(row["model"], confidence_step(None)),
            trained_on=row["trained_on"],
            out_of_fold=_BY_NAME.get(row["out_of_fold_category"]),
        )
    return by_slice, list(models)


def _items(
    run_dir: Path,
    answers: _AnswersBySlice,
    models: tuple[str, ...],
    truth: Truth,
    other_looks: Mapping[tuple[str, int], str],
) -> Iterator[SliceItem]:
    anchors = Anchors()
    for number, row in enumerate(table_rows(run_dir, "slices"), start=1):
        slice_id = row["slice_id"] or ""
        given = answers.get((row["path"], row["frame"]), {})
        yield SliceItem(
            number=number,
            anchor=anchors.next(slice_id),
            slice_id=slice_id,
            picture=other_looks.get((row["path"], row["frame"]), slice_id),
            path=visible(row["path"]),
            frame=row["frame"],
            study_key=row["study_key"],
            series_key=series_of(row),
            series_index=row["series_index"],
            volume=row["volume"],
            place=place_of(row),
            header_plane=visible(row["header_plane"]) if row["header_plane"] else None,
            format=visible(row["format"]) if row["format"] else None,
            size=_size(row["width"], row["height"]),
            quality={name: row[name] for name in QUALITY_COLUMNS},
            status=row["status"],
            reason_code=row["reason_code"],
            reason=_reason(row["path"], row["reason"]),
            answers={model: given[model] for model in models if model in given},
            truth=truth.of(row["path"], row["frame"], row["slice_id"]),
        )


def _reason(path: str, reason: str | None) -> str | None:
    """Return a refusal's sentence without the file's name before it, which stands beside it."""
    if not reason:
        return None
    name = message_name(raw_path(path))
    return visible(reason.removeprefix(f"{name}: "))


def _named(items: Sequence[SliceItem]) -> str:
    """Return the numbers of slices in words, ``slices 4 and 9``."""
    more = len(items) - _COPIES_NAMED
    numbers = [str(item.number) for item in items[:_COPIES_NAMED]]
    named = numbers + ([f"{more} more"] if more > 0 else [])
    return f"slice{'s' * (len(items) > 1)} {joined(named)}"


@lru_cache(256)  # one text for the many slices of a size
def _size(width: float | None, height: float | None) -> str | None:
    # pandas holds whole numbers with gaps as floats.
    return f"{int(width)}\u00a0\u00d7\u00a0{int(height)}\u00a0px" if width and height else None
