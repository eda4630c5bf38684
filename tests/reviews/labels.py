"""A reviewer's labels of the slices of one run, as the page exports them."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from artemis.reviews.reviewed import import_labels
from artemis.reviews.reviewed_file import COLUMNS

RUN = "20260301T120000Z-abc123"
SLICES = [f"{k:064x}" for k in range(1, 6)]


def label(number: int = 1, reviewer: str = "AB", hour: int = 9, **changes: Any) -> dict[str, str]:
    return {
        "run_id": RUN,
        "slice_id": SLICES[number - 1],
        "verdict": "correct",
        "tumor": "glioma",
        "plane": "coronal",
        "reviewer": reviewer,
        "confidence": "4",
        "reviewed_at": f"2026-03-02T{hour:02d}:00:00Z",
        "note": "",
        "adjudication": "",
    } | changes


def text_of(*labels: dict[str, str]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS)
    writer.writeheader()
    writer.writerows(labels)
    return stream.getvalue()


def bring(workspace: Path, *labels: dict[str, str]) -> Any:
    file = workspace / "review.csv"
    file.write_text(text_of(*labels), encoding="utf-8", newline="")
    return import_labels(file, workspace)


def parts(workspace: Path) -> list[Path]:
    return sorted((workspace / "labels").glob("*"))
