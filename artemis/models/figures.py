"""A model's figures as tables of words: for the terminal, the model card and documents alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from artemis.labels import PLANES, TUMORS
from artemis.models.manifest import (
    ClassFigures,
    Interval,
    Mistake,
    Randomisation,
    Shortcuts,
    SourceFigures,
    StudyFigures,
)
from artemis.said import class_words, percent, visible

METRICS: Final = {
    "accuracy": "Accuracy, twelve categories",
    "macro_f1": "Macro F1, twelve categories",
    "tumor_accuracy": "Accuracy, tumour type",
    "plane_accuracy": "Accuracy, plane",
    "accuracy_surest_80": "Accuracy on the surest 80%",
    "accuracy_surest_80_together": "Accuracy on the surest 80%, by the doubt of both models",
    "ece": "Expected calibration error, 15 bins of equal width (lower is better)",
    "ece_equal_mass": "Expected calibration error, 15 bins of equal mass (lower is better)",
    "ece_uncalibrated": "Expected calibration error before calibration, equal width "
    "(lower is better)",
    "brier": "Brier score (lower is better)",
    "brier_by_patient": "Brier score, every patient group weighing the same (lower is better)",
    "nll": "Negative log likelihood, nats (lower is better)",
    "nll_by_patient": "Negative log likelihood, every patient group weighing the same, nats "
    "(lower is better)",
    "aurc": "Area under the risk-coverage curve (lower is better)",
    "aurc_together": "Area under the risk-coverage curve, by the doubt of both models "
    "(lower is better)",
    "pointing_game": "Pointing game: the hottest place of the evidence lies in the tumour box",
    "energy_in_box": "Share of the evidence inside the tumour box",
    "heat_outside_head": "Share of the evidence outside the head (lower is better)",
}
"""Figures in the order in which they are shown, in words."""

UNDEFINED: Final = "-"
"""What stands for a figure that is undefined."""

_FEW_GROUPS: Final = 20
_NAMED_COLUMNS: Final = 6
_SLICE_DIGITS: Final = 16  # of a slice's name; enough to find it
_SHUFFLED: Final = {"heads": "those of the heads", "all": "all that were trained"}
_UNITS: Final = {"patients": "all slices of a patient", "series": "those of one plane"}
_VARIANTS: Final = {
    "as_is": "as it is",
    "blanked": "tumour box blanked",
    "only_box": "only the tumour box left",
}


@dataclass(frozen=True, slots=True)
class Table:
    """A table of words: the first column names what the others tell of.

    Attributes
    ----------
    caption : str
        What it is.
    head : tuple of str
        Heads of the columns.
    rows : tuple of tuple of str
        Cells; text from outside has its control characters made visible.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def figure(interval: Interval | None) -> str:
    """Return ``0.912 (0.880 to 0.941)``, or a hyphen for a figure that is undefined."""
    if interval is None:
        return UNDEFINED
    return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def few_groups(groups: int) -> str:
    """Return what is said of intervals over so few groups; nothing where there are enough.

    Percentile intervals over few clusters are too narrow (Cameron, Gelbach and Miller, Rev. Econ.
    Stat. 2008); `locked_set.min_groups` of the gate is of the same size.
    """
    if groups >= _FEW_GROUPS:
        return ""
    return f" Over fewer than {_FEW_GROUPS} groups such intervals are too narrow."


def table_of(caption: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """Return a table of any values; thousands of a count have commas."""
    written = tuple(
        tuple(f"{cell:,}" if type(cell) is int else visible(str(cell)) for cell in row)
        for row in rows
    )
    return Table(caption, tuple(head), written)


def metrics_table(
    metrics: Mapping[str, Interval],
    names: Sequence[str] = tuple(METRICS),
    caption: str = "Figures over all slices",
) -> Table:
    """Return those of the named figures that were measured."""
    return table_of(
        caption,
        ("metric", "value (95% interval)"),
        [(METRICS[name], figure(metrics[name])) for name in names if name in metrics],
    )


def class_table(what: str, figures: Mapping[str, ClassFigures]) -> Table:
    """Return precision and recall of tumour types or categories."""
    return table_of(
        f"By {what}",
        (what, "images", "precision", "recall"),
        [
            (class_words(name), f.images, figure(f.precision), figure(f.recall))
            for name, f in figures.items()
        ],
    )


def subset_table(what: str, figures: Mapping[str, SourceFigures]) -> Table:
    """Return figures by source or by plane; macro F1 is over the tumour types that occur in it."""
    head = (what, "images", "groups", "accuracy", "tumour accuracy", "tumour macro F1")
    rows = [
        (
            name,
            of.images,
            of.groups,
            figure(of.accuracy),
            figure(of.tumor_accuracy),
            figure(of.tumor_macro_f1),
            figure(of.plane_accuracy),
        )
        for name, of in figures.items()
    ]
    return table_of(f"By {what}", (*head, "plane accuracy"), rows)


def confusion_table(
    names: Sequence[str], confusion: Sequence[Sequence[int]], caption: str = "Confusion"
) -> Table:
    """Return a confusion matrix: a row a truth, a column an answer.

    Many columns are headed by their numbers, which the rows explain: twelve names are wider
    than a terminal, and than paper.
    """
    rows = heads = [*map(class_words, names)]
    if len(rows) > _NAMED_COLUMNS:
        heads = [str(number) for number in range(1, len(rows) + 1)]
        rows = [f"{number} {name}" for number, name in zip(heads, rows, strict=True)]
    return table_of(
        caption,
        ("truth / answer", *heads),
        [(name, *row) for name, row in zip(rows, confusion, strict=True)],
    )


def tumor_confusion(confusion: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the 4x4 confusion of tumour types of a 12x12 confusion."""
    folded: NDArray[np.int64] = confusion.reshape(len(TUMORS), len(PLANES), len(TUMORS), -1).sum(
        axis=(1, 3)
    )
    return folded


def plane_confusion(confusion: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the 3x3 confusion of planes of a 12x12 confusion."""
    folded: NDArray[np.int64] = confusion.reshape(len(TUMORS), len(PLANES), len(TUMORS), -1).sum(
        axis=(0, 2)
    )
    return folded


def shortcut_table(shortcuts: Shortcuts) -> Table:
    """Return the shortcut tests."""
    rows: list[tuple[str, int, str]] = [
        (f"tumour named, {words}", shortcuts.images, figure(shortcuts.tumor_accuracy[name]))
        for name, words in _VARIANTS.items()
        if name in shortcuts.tumor_accuracy
    ]
    if "blanked_none" in shortcuts.tumor_accuracy:
        none = figure(shortcuts.tumor_accuracy["blanked_none"])
        rows.append(('"none" answered, tumour box blanked', shortcuts.images, none))
    if (control := shortcuts.control) is not None:
        rows += [
            (f"tumour named, {words}", control.images, figure(one))
            for words, one in (
                ("a patch of that size blanked elsewhere in the head", control.control),
                ("tumour box blanked, of the same slices", control.blanked),
                ("difference of these two", control.difference),
            )
        ]
    rows += [
        (
            f"source read off the features of {probe.tumor} ({' or '.join(probe.sources)}; "
            f"chance {1 / len(probe.sources):.2f})",
            probe.images,
            f"{probe.balanced_accuracy:.3f}",
        )
        for probe in shortcuts.probes
    ]
    return table_of("Shortcut tests", ("test", "images", "share (95% interval)"), rows)


def together_table(studies: StudyFigures) -> Table:
    """Return how slices answer together, against each by itself."""
    units = {"patients": studies.patients, "series": studies.series}
    return table_of(
        "Tumour type of several slices together",
        ("together", "studies", "slices", "right together", "mean of the slices", "difference"),
        [
            (
                _UNITS[unit],
                of.studies,
                of.slices,
                figure(of.accuracy),
                figure(of.by_slice),
                figure(of.gain),
            )
            for unit, of in units.items()
            if of is not None
        ],
    )


def rules_table(studies: StudyFigures) -> Table:
    """Return how the rules compare on the patients, as they are and diluted."""
    added = sorted({count for one in studies.rules.values() for count in one.diluted})
    return table_of(
        "Rules that make one answer of several slices",
        ("rule", "right", *(f"{count} slices without tumour added" for count in added), "Brier"),
        [
            (
                name.replace("_", " ") + (" (used)" if name == studies.rule else ""),
                figure(of.accuracy),
                *(f"{of.diluted[count]:.3f}" for count in added),
                f"{of.brier:.3f}",
            )
            for name, of in studies.rules.items()
        ],
    )


def randomisation_table(found: Randomisation) -> Table:
    """Return the evidence of shuffled weights against the network's own."""
    rows = [("none", UNDEFINED, UNDEFINED, UNDEFINED, _number(found.pointing_game))]
    rows += [
        (
            _SHUFFLED[name],
            _number(one.correlation),
            _number(one.absolute),
            f"{one.slices:,}",
            _number(one.pointing_game),
        )
        for name, one in found.shuffled.items()
    ]
    head = ("weights shuffled", "rank correlation", "its magnitude", "slices", "pointing game")
    return table_of("Evidence with shuffled weights", head, rows)


def _number(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:.3f}"


def bins_table(caption: str, bins: Sequence[Mapping[str, float]]) -> Table:
    """Return the bins of a reliability diagram, with the slices in each."""
    return table_of(
        caption,
        ("bin", "slices", "mean confidence", "right"),
        [
            (k, int(one["images"]), percent(one["confidence"]), percent(one["accuracy"]))
            for k, one in enumerate(bins, 1)
        ],
    )


def mistakes_table(mistakes: Sequence[tuple[Mistake, str, int]]) -> Table:
    """Return mistakes, each with its confidence as it is said to people and its copies."""
    return table_of(
        "The most confident mistakes",
        ("no.", "patient group", "source", "truth", "answer", "confidence", "slice"),
        [
            (
                k,
                one.group,
                one.source,
                class_words(one.truth),
                class_words(one.answer),
                words,
                one.slice_id[:_SLICE_DIGITS] + (f", {copies} copies" if copies > 1 else ""),
            )
            for k, (one, words, copies) in enumerate(mistakes, 1)
        ],
    )
