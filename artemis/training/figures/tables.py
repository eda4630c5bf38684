"""An evaluation as Markdown tables: for the terminal, the model card and the documents alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from artemis.labels import CATEGORY_NAMES, PLANES, TUMORS
from artemis.models.manifest import ClassFigures, Evaluation, Interval, Shortcuts
from artemis.training.figures.evaluate import plane_confusion, tumor_confusion

METRICS: Final = {
    "accuracy": "Accuracy, twelve categories",
    "macro_f1": "Macro F1, twelve categories",
    "tumor_accuracy": "Accuracy, tumour type",
    "plane_accuracy": "Accuracy, plane",
    "accuracy_surest_80": "Accuracy on the surest 80 %",
    "accuracy_surest_80_together": "Accuracy on the surest 80 %, by the doubt of both models",
    "ece": "Expected calibration error, 15 bins of equal width (lower is better)",
    "ece_equal_mass": "Expected calibration error, 15 bins of equal mass (lower is better)",
    "ece_uncalibrated": "Expected calibration error before calibration, equal width",
    "brier": "Brier score (lower is better)",
    "nll": "Negative log likelihood, nats (lower is better)",
    "aurc": "Area under the risk-coverage curve (lower is better)",
    "aurc_together": "Area under the risk-coverage curve, by the doubt of both models",
    "pointing_game": "Pointing game: the hottest place of the evidence lies in the tumour box",
    "energy_in_box": "Share of the evidence inside the tumour box",
    "heat_outside_head": "Share of the evidence outside the head (lower is better)",
}
"""Figures in the order in which they are shown, in words."""

_VARIANTS: Final = {
    "as_is": "as it is",
    "blanked": "tumour box blanked",
    "only_box": "only the tumour box left",
}


def figure(interval: Interval | None) -> str:
    """Return ``0.912 (0.880 to 0.941)``, or a hyphen for a figure that is undefined."""
    if interval is None:
        return "-"
    return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table; all columns but the first are aligned to the right."""
    lines = ["| " + " | ".join(header) + " |", "|---|" + "---:|" * (len(header) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)])


def metrics_table(evaluation: Evaluation) -> str:
    """Return the figures over all slices."""
    return table(
        ("metric", "value (95 % interval)"),
        [
            (words, figure(evaluation.metrics[name]))
            for name, words in METRICS.items()
            if name in evaluation.metrics
        ],
    )


def class_table(what: str, figures: dict[str, ClassFigures]) -> str:
    """Return precision and recall of tumour types or categories."""
    return table(
        (what, "images", "precision", "recall"),
        [(n, f.images, figure(f.precision), figure(f.recall)) for n, f in figures.items()],
    )


def source_table(evaluation: Evaluation) -> str:
    """Return figures by source; macro F1 is over the tumour types that occur in it."""
    return table(
        ("source", "images", "groups", "accuracy", "tumour accuracy", "tumour macro F1"),
        [
            (
                name,
                of.images,
                of.groups,
                figure(of.accuracy),
                figure(of.tumor_accuracy),
                figure(of.tumor_macro_f1),
            )
            for name, of in evaluation.per_source.items()
        ],
    )


def confusion_table(names: Sequence[str], confusion: Sequence[Sequence[int]]) -> str:
    """Return a confusion matrix: a row a truth, a column an answer."""
    return table(
        ("truth \\ answer", *names),
        [(name, *row) for name, row in zip(names, confusion, strict=True)],
    )


def shortcut_table(shortcuts: Shortcuts) -> str:
    """Return the shortcut tests."""
    rows: list[tuple[str, int, str]] = [
        (f"tumour named, {words}", shortcuts.images, figure(shortcuts.tumor_accuracy[name]))
        for name, words in _VARIANTS.items()
        if name in shortcuts.tumor_accuracy
    ]
    if "blanked_none" in shortcuts.tumor_accuracy:
        none = figure(shortcuts.tumor_accuracy["blanked_none"])
        rows.append(('"none" answered, tumour box blanked', shortcuts.images, none))
    rows += [
        (
            f"source read off the features of {probe.tumor} ({' or '.join(probe.sources)}; "
            f"chance {1 / len(probe.sources):.2f})",
            probe.images,
            f"{probe.balanced_accuracy:.3f}",
        )
        for probe in shortcuts.probes
    ]
    return table(("test", "images", "share (95 % interval)"), rows)


def price_table(price: dict[str, float]) -> str:
    """Return how much better each figure looks on a random split than by patient."""
    return table(
        ("price of the leak", "random minus patient"),
        [(METRICS[name], f"{value:+.3f}") for name, value in price.items()],
    )


def describe(title: str, evaluation: Evaluation) -> str:
    """Return an evaluation in full, as Markdown."""
    confusion = np.asarray(evaluation.confusion)
    parts = [
        f"## {title}",
        f"{evaluation.protocol} {evaluation.images} images of {evaluation.groups} groups; 95 % "
        "intervals by bootstrap over the groups.",
        metrics_table(evaluation),
        class_table("tumour type", evaluation.per_tumor),
        class_table("category", evaluation.per_category),
        source_table(evaluation),
        confusion_table(TUMORS, tumor_confusion(confusion).tolist()),
        confusion_table(PLANES, plane_confusion(confusion).tolist()),
        confusion_table(CATEGORY_NAMES, confusion.tolist()),
    ]
    if evaluation.shortcuts is not None:
        parts += ["### Shortcut tests", shortcut_table(evaluation.shortcuts)]
    return "\n\n".join(parts) + "\n"
