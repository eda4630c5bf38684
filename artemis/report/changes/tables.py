"""The tables of two runs compared: their schemas, and the rows of changed predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa

from artemis.answers.review import ReviewReason
from artemis.labels import Category
from artemis.report.changes.truth import became
from artemis.schemas import PREDICTIONS_SCHEMA

ANSWER: Final = (
    "model_version",
    "path",
    "frame",
    "category",
    "confidence",
    "p_tumor",
    "ood_score",
    "doubt",
    "needs_review",
    "review_reasons",
    "trained_on",
    "out_of_fold_category",
)
"""Columns of `predictions` that a row of `CHANGED_SCHEMA` has of either run."""

CHANGED_SCHEMA: Final = pa.schema(
    [
        pa.field("model", pa.string(), nullable=False),
        pa.field("slice_id", pa.string(), nullable=False),
        pa.field("changed", pa.string(), nullable=False),  # tumor, plane or both
        pa.field("true_tumor", pa.string()),  # null where the truth is not known
        pa.field("true_plane", pa.string()),
        pa.field("became", pa.string()),  # right, wrong or still_wrong
        *(
            PREDICTIONS_SCHEMA.field(name).with_name(f"{name}_{run}")
            for name in ANSWER
            for run in "ab"
        ),
        pa.field("run_id_a", pa.string(), nullable=False),
        pa.field("run_id_b", pa.string(), nullable=False),
    ]
)
"""A row for every slice and model whose category differs between run A and run B."""

UNMATCHED_SCHEMA: Final = pa.schema(
    [
        pa.field("run", pa.string(), nullable=False),  # a or b: the run that the row is of
        pa.field("kind", pa.string(), nullable=False),  # only_here or answered_only_here
        pa.field("slice_id", pa.string()),
        pa.field("path", pa.string(), nullable=False),
        pa.field("frame", pa.int32(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("other_status", pa.string()),  # in the other run, where it has the slice
        pa.field("other_reason_code", pa.string()),
        pa.field("run_id", pa.string(), nullable=False),
    ]
)
"""A row for every slice that only one run holds, or only one run classified."""


def surest(row: Mapping[str, Any]) -> tuple[bool, float, str]:
    """Return what changed rows are sorted by: the less sure of both answers."""
    far = any(
        ReviewReason.OUT_OF_DISTRIBUTION in row[f"review_reasons_{side}"] for side in ("a", "b")
    )
    return far, -min(row["confidence_a"], row["confidence_b"]), row["slice_id"]


def changed_row(
    model: str, a: Mapping[str, Any], b: Mapping[str, Any], truth: Category | None
) -> dict[str, Any]:
    """Return the row of `CHANGED_SCHEMA` of two answers to one slice, rows of `predictions`."""
    tumor, plane = a["tumor"] != b["tumor"], a["plane"] != b["plane"]
    kind = "both" if tumor and plane else "tumor" if tumor else "plane"
    return {
        "model": model,
        "slice_id": a["slice_id"],
        "changed": kind,
        "true_tumor": truth and truth.tumor,
        "true_plane": truth and truth.plane,
        "became": became(truth, a["category"], b["category"]),
        **{
            f"{name}_{run}": answer[name]
            for name in (*ANSWER, "run_id")
            for run, answer in (("a", a), ("b", b))
        },
    }
