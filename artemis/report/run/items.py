"""One slice as the pages show it, with every model's answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from artemis.answers.review import ReviewReason
from artemis.labels import CATEGORIES, Category
from artemis.report.words import REVIEW_REASON_WORDS, UNLIKE, joined, percent, seen_words, visible


@dataclass(frozen=True, slots=True)
class Answer:
    """What one model said of one slice.

    Attributes
    ----------
    category : Category
        The answer.
    confidence : float
        Calibrated probability of the answer, in [0, 1].
    probabilities : sequence of float, (12,)
        In the order of `artemis.labels.CATEGORIES`, summing to 1.
    ood_score : float
        Distance from the training images; higher is stranger.
    needs_review : bool
        Whether this model's answer sends the slice to a human.
    review_reasons : tuple of str
        Codes of `artemis.report.words.REVIEW_REASON_WORDS`.
    set_90 : tuple of Category
        Categories that hold the truth of nine slices in ten, most probable first.
    doubt : float
        From 0 (sure) to 1, see `artemis.answers.review.doubt_of`.
    step : int
        Per cent to which the model's probabilities may be printed.
    trained_on : bool
        Whether the model was trained on this very picture.
    out_of_fold : Category, optional
        Answer of a network of the same recipe that had not seen it, where it was trained on.
    """

    category: Category
    confidence: float
    probabilities: Sequence[float]
    ood_score: float
    needs_review: bool
    review_reasons: tuple[str, ...]
    set_90: tuple[Category, ...]
    doubt: float
    step: int
    trained_on: bool = False
    out_of_fold: Category | None = None

    @property
    def far(self) -> bool:
        """Whether the slice is unlike the training images, so that probabilities mean nothing."""
        return ReviewReason.OUT_OF_DISTRIBUTION in self.review_reasons

    @property
    def seen_words(self) -> str:
        """What is said of a model that was trained on this picture; nothing of one that was not."""
        category = None if self.out_of_fold is None else self.out_of_fold.name
        return seen_words(category) if self.trained_on else ""

    def said(self, probability: float) -> str:
        """Return a probability no finer than the model's calibration deserves."""
        return UNLIKE if self.far else percent(probability, self.step)

    def top(self, count: int = 3) -> list[tuple[Category, float]]:
        """Return the `count` most probable categories, most probable first."""
        ranked = sorted(CATEGORIES, key=lambda category: -self.probabilities[category.index])
        return [(category, self.probabilities[category.index]) for category in ranked[:count]]


@dataclass(frozen=True, slots=True)
class SliceItem:
    """One slice found in the batch, classified or not.

    Attributes
    ----------
    number : int
        Position in the run, from 1.
    study_key, series_key, series_index, volume
        What the slice belongs to, and its place there, see `artemis.answers.studies`.
    place : (str, float) or None
        What slices of its series share that show the same place of the body.
    anchor : str
        Identifier of the slice's row on the page; the same in every report on the same
        files, as it is made of the slice's hash and a count of its copies.
    picture : str
        Names its picture: the slice's id, and how it is shown where that differs from the first
        of the same pixels, see `artemis.report.run.stored_pictures`.
    path : str
        Relative to the batch folder, hidden characters made visible.
    answers : mapping of str to Answer
        By model name; empty where the slice was refused or failed.
    truth : Category or None
        Where it is known beforehand, see `artemis.report.run.truth_data`.
    """

    number: int
    anchor: str
    slice_id: str
    picture: str
    path: str
    frame: int
    study_key: str | None
    series_key: str | None
    series_index: int | None
    volume: int | None
    place: tuple[str, float] | None
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
    def place_words(self) -> str | None:
        """Where it lies in its series, counted from 1."""
        if self.series_index is None:
            return None
        of = "its series" if self.volume is None else f"volume {self.volume + 1}"
        return f"slice {self.series_index + 1} of {of}"

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
        return next(iter(self.answers), None) in self.wrong_models

    @property
    def wrong_models(self) -> list[str]:
        """The models whose answers differ from a known truth."""
        if self.truth is None:
            return []
        return [model for model, given in self.answers.items() if given.category != self.truth]

    @property
    def doubt(self) -> float:
        """Doubt of the first model's answer, from 0 (sure) to 1; 0 where there is none.

        It holds what the other models say; their own doubts are of their own answers.
        """
        return next((answer.doubt for answer in self.answers.values()), 0.0)

    @property
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


def once(items: Iterable[SliceItem]) -> list[SliceItem]:
    """Return items in their order, of copies the first."""
    return list({item.slice_id: item for item in reversed([*items])}.values())[::-1]
