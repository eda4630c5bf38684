"""How right a run's answers are where the truth is known: the two factors, apart and together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from markupsafe import Markup

from artemis.labels import CATEGORIES, CATEGORY_NAMES, PLANES, TUMORS, Category
from artemis.report.plots.reliability import CAPTION as RELIABILITY_CAPTION
from artemis.report.plots.reliability import reliability_plot
from artemis.report.run.comparison import Matrix, matrix_of
from artemis.report.run.data import RunData
from artemis.report.run.items import Answer, SliceItem, once
from artemis.report.run.limits import ERROR_ROWS
from artemis.report.words import CATEGORY_WORDS, DASH, counted, number, percent, sentence

_Z: Final = 1.959964  # of a 95% interval
_BINS: Final = 10

Pair = tuple[Category, Answer]
"""The truth of a slice, and one model's answer."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share of slices, `hits` of `of`, with its 95% interval in words."""

    hits: int
    of: int

    @property
    def words(self) -> str:
        """``91% (84 to 95%)``, or a dash where there is no slice."""
        if not self.of:
            return DASH
        low, high = wilson(self.hits, self.of)
        return f"{percent(self.hits / self.of)} ({100 * low:.0f} to {100 * high:.0f}%)"


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One category: its slices in truth, and how it was found and named."""

    words: str
    slices: int
    recall: Share
    precision: Share


@dataclass(frozen=True, slots=True)
class SeenShare:
    """Slices that a model was trained on, among those whose truth is known.

    Attributes
    ----------
    slices : int
        How many.
    unseen : Share
        How often networks of the same recipe that had not seen them were right.
    others : Share
        How often the model itself is right on the slices that it was not trained on.
    """

    slices: int
    unseen: Share
    others: Share

    @property
    def words(self) -> str:
        """The same as a sentence."""
        figures = [
            f"networks of the same recipe that had not seen them were right in {self.unseen.words} "
            f"of {number(self.unseen.of)}" * bool(self.unseen.of),
            f"on the {counted(self.others.of, 'other slice')} it is right in {self.others.words}"
            * bool(self.others.of),
        ]
        which = f"{number(self.slices)} of" if self.others.of else "all"
        trained = f"It was trained on {which} these pictures, so the figures flatter"
        return "; ".join([trained, *filter(None, figures)]) + "."


@dataclass(frozen=True, slots=True)
class ModelTruth:
    """How one model did on the slices whose truth is known.

    Attributes
    ----------
    model : str
        Its name.
    seen : SeenShare or None
        Of the slices that it was trained on; None where there is none.
    shares : list of (str, Share)
        Right category, tumour and plane.
    errors : list of (str, int, str)
        Right, wrong tumour alone, wrong plane alone, both wrong: words, slices, share.
    categories, tumors, planes : Matrix
        Rows are the truth, columns the answers.
    classes : list of ClassRow
        The twelve categories.
    reliability : Markup or None
        Diagram; None where every slice is unlike the training images.
    """

    model: str
    seen: SeenShare | None
    shares: list[tuple[str, Share]]
    errors: list[tuple[str, int, str]]
    categories: Matrix
    tumors: Matrix
    planes: Matrix
    classes: list[ClassRow]
    reliability: Markup | None


def wilson(hits: int, of: int) -> tuple[float, float]:
    """Return the 95% interval of a share (Wilson, J. Am. Stat. Assoc. 1927), in [0, 1].

    Parameters
    ----------
    hits : int
        From 0 to `of`.
    of : int
        At least 1.
    """
    share, z2 = hits / of, _Z**2
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z / (1 + z2 / of) * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)


def truth_view(data: RunData) -> dict[str, Any]:
    """Return what the section on the known truth shows."""
    models = [
        model_truth(model, pairs_of(data, model), f"m{order % 4}")
        for order, model in enumerate(data.models)
    ]

    def surest(item: SliceItem) -> tuple[bool, float, int]:
        first = next(iter(item.answers.values()))
        return first.far, -first.confidence, item.number  # what is not said is not the surest

    wrong = sorted((item for item in data.known if item.wrong), key=surest)
    return {
        "models": models,
        "source": data.truth_words,
        "known": len(data.known),
        "ok": len(data.ok),
        "wrong": once(wrong)[:ERROR_ROWS],
        "found": len(once(wrong)),
        "kind": error_kind,
        "reliability_caption": RELIABILITY_CAPTION,
    }


def pairs_of(data: RunData, model: str) -> list[Pair]:
    """Return the truth and a model's answer of every slice that has both."""
    return [
        (item.truth, item.answers[model])
        for item in data.known
        if item.truth is not None and model in item.answers
    ]


def model_truth(model: str, pairs: Sequence[Pair], style: str = "m0") -> ModelTruth:
    """Return how one model did; its diagram is drawn in a `style` of the style sheet."""
    whole = len(pairs)
    kinds = Counter(_kind(truth, answer.category) for truth, answer in pairs)
    tumor_right = kinds["right"] + kinds["wrong plane"]
    plane_right = kinds["right"] + kinds["wrong tumour"]
    sure = [pair for pair in pairs if not pair[1].far]
    return ModelTruth(
        model=model,
        seen=seen_share(pairs),
        shares=[
            ("tumour and plane", Share(kinds["right"], whole)),
            ("tumour", Share(tumor_right, whole)),
            ("plane", Share(plane_right, whole)),
        ],
        errors=[
            (sentence(words), kinds[kind], percent(kinds[kind] / whole) if whole else DASH)
            for kind, words in _KIND_WORDS.items()
        ],
        categories=_numbered(_matrix(pairs, lambda one: one.name, CATEGORY_NAMES)),
        tumors=_matrix(pairs, lambda one: one.tumor, TUMORS),
        planes=_matrix(pairs, lambda one: one.plane, PLANES),
        classes=_classes(pairs),
        reliability=reliability_plot(reliability_bins(sure), model, style) if sure else None,
    )


def seen_share(pairs: Sequence[Pair]) -> SeenShare | None:
    """Return how many of the slices a model was trained on, and what is fair to say of them."""
    seen = [(truth, answer) for truth, answer in pairs if answer.trained_on]
    if not seen:
        return None
    asked = [(truth, answer.out_of_fold) for truth, answer in seen if answer.out_of_fold]
    others = [(truth, answer.category) for truth, answer in pairs if not answer.trained_on]
    unseen, other = (
        Share(sum(truth == answer for truth, answer in of), len(of)) for of in (asked, others)
    )
    return SeenShare(len(seen), unseen, other)


def reliability_bins(pairs: Sequence[Pair]) -> list[Mapping[str, float]]:
    """Return the ten bins of equal width that hold slices, for `reliability_plot`."""
    bins: dict[int, list[Pair]] = {}
    for pair in pairs:
        bins.setdefault(min(int(pair[1].confidence * _BINS), _BINS - 1), []).append(pair)
    return [
        {
            "images": len(of),
            "confidence": sum(answer.confidence for _, answer in of) / len(of),
            "accuracy": sum(answer.category == truth for truth, answer in of) / len(of),
        }
        for _, of in sorted(bins.items())
    ]


_KIND_WORDS: Final[Mapping[str, str]] = {
    "right": "right",
    "wrong tumour": "wrong tumour, right plane",
    "wrong plane": "right tumour, wrong plane",
    "both wrong": "both wrong",
}


def error_kind(item: SliceItem) -> str:
    """Return which factor of the first model's answer is wrong."""
    answer = next(iter(item.answers.values()))
    return _kind(item.truth, answer.category) if item.truth else DASH


def _kind(truth: Category, answer: Category) -> str:
    tumor, plane = truth.tumor == answer.tumor, truth.plane == answer.plane
    if tumor:
        return "right" if plane else "wrong plane"
    return "wrong tumour" if plane else "both wrong"


def _matrix(pairs: Sequence[Pair], of: Callable[[Category], str], labels: Sequence[str]) -> Matrix:
    counts = Counter((of(truth), of(answer.category)) for truth, answer in pairs)
    return matrix_of(counts, labels, labels, diagonal=True)


def _numbered(matrix: Matrix) -> Matrix:
    """Return the matrix of the categories with numbers over its columns, since words are long."""
    rows = tuple(
        f"{number(order)} {sentence(CATEGORY_WORDS[name])}"
        for order, name in enumerate(CATEGORY_NAMES, start=1)
    )
    return replace(matrix, rows=rows, columns=tuple(number(n + 1) for n in range(len(rows))))


def _classes(pairs: Sequence[Pair]) -> list[ClassRow]:
    true = Counter(truth.index for truth, _ in pairs)
    named = Counter(answer.category.index for _, answer in pairs)
    hit = Counter(truth.index for truth, answer in pairs if truth == answer.category)
    return [
        ClassRow(
            words=sentence(CATEGORY_WORDS[category.name]),
            slices=true[category.index],
            recall=Share(hit[category.index], true[category.index]),
            precision=Share(hit[category.index], named[category.index]),
        )
        for category in CATEGORIES
        if true[category.index] or named[category.index]
    ]
