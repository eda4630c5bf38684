"""An evaluation as Markdown: for the terminal and the file beside its results."""

from __future__ import annotations

import numpy as np

from artemis.labels import CATEGORY_NAMES, PLANES, TUMORS
from artemis.models.card.markdown import markdown_table
from artemis.models.figures import (
    METRICS,
    class_table,
    confusion_table,
    few_groups,
    metrics_table,
    plane_confusion,
    rules_table,
    shortcut_table,
    subset_table,
    table_of,
    together_table,
    tumor_confusion,
)
from artemis.models.manifest import Evaluation


def price_table(price: dict[str, float]) -> str:
    """Return how much better each figure looks on a random split than by patient."""
    rows = [(METRICS[name], f"{value:+.3f}") for name, value in price.items()]
    return markdown_table(
        table_of("Price of the leak", ("price of the leak", "random minus patient"), rows)
    )


def describe(title: str, evaluation: Evaluation) -> str:
    """Return an evaluation in full, as Markdown."""
    confusion = np.asarray(evaluation.confusion)
    tables = [
        metrics_table(evaluation.metrics),
        class_table("tumour type", evaluation.per_tumor),
        class_table("category", evaluation.per_category),
        subset_table("source", evaluation.per_source),
        subset_table("plane", evaluation.per_plane),
        confusion_table(TUMORS, tumor_confusion(confusion).tolist()),
        confusion_table(PLANES, plane_confusion(confusion).tolist()),
        confusion_table(CATEGORY_NAMES, confusion.tolist()),
    ]
    parts = [
        f"## {title}",
        f"{evaluation.protocol} {evaluation.images} images of {evaluation.groups} groups; 95% "
        f"intervals by bootstrap over the groups.{few_groups(evaluation.groups)}",
        *(markdown_table(one) for one in tables),
    ]
    if evaluation.studies is not None:
        both = (together_table(evaluation.studies), rules_table(evaluation.studies))
        parts += ["### Several slices together", *map(markdown_table, both)]
    if evaluation.shortcuts is not None:
        parts += ["### Shortcut tests", markdown_table(shortcut_table(evaluation.shortcuts))]
    return "\n\n".join(parts) + "\n"
