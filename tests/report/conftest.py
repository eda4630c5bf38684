"""Real run folders: a real ``run.json``, real Parquet parts, real JPEG thumbnails."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from artemis.labels import CATEGORIES, PROBABILITY_COLUMNS, TUMORS
from artemis.predictions import part_name, write_part
from artemis.runs import (
    Counts,
    ModelRecord,
    RunPaths,
    RunRecord,
    RunStatus,
    create_run,
    write_record,
)
from artemis.schemas import PREDICTIONS_SCHEMA, SLICES_SCHEMA, STUDIES_SCHEMA, THUMBNAILS_SCHEMA
from artemis.settings import Settings
from tests.report.browsing import browser, open_page  # noqa: F401 - fixtures of every module here

RUN_ID = "20260301T120000Z-0a1b2c"
MODELS = ("mobilenet_v2", "baseline")
HOSTILE = "</script><img src=x onerror=alert(1)>.png"
REFUSED = (
    ("photo.jpg", "colour_picture", "expected greyscale. Received three differing channels."),
    ("ct/scan.dcm", "modality", "expected modality MR. Received CT."),
)
FAILED = (
    ("broken.png", "truncated", "expected a whole PNG. Received its first half."),
    ("empty.nii.gz", "empty_file", "expected a scan. Received a file of 0 bytes."),
)


@dataclass
class Tables:
    """Rows of a run's tables, to be changed by a test before they are written."""

    slices: list[dict[str, Any]] = field(default_factory=list)
    predictions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    thumbnails: list[dict[str, Any]] = field(default_factory=list)
    studies: list[dict[str, Any]] = field(default_factory=list)


@cache
def jpeg(seed: int, side: int = 112, quality: int = 80) -> bytes:
    """Return a picture like a head in the noise of a scanner."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    head = (x / 0.7) ** 2 + (y / 0.85) ** 2
    texture = np.kron(rng.normal(0, 18, (side // 4, side // 4)), np.ones((4, 4)))
    grey = np.where(head < 1, 110 + 70 * np.cos(6 * head) + texture, 6) + rng.normal(
        0, 3, head.shape
    )
    stream = io.BytesIO()
    Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def slice_row(path: str, frame: int = 0, **values: Any) -> dict[str, Any]:
    """Return a row of ``slices``; a column not given is missing."""
    row: dict[str, Any] = dict.fromkeys(SLICES_SCHEMA.names)
    row.update(path=path, frame=frame, status="ok", run_id=RUN_ID)
    return row | values


def thumbnail_row(slice_id: str, small: bytes, **values: Any) -> dict[str, Any]:
    """Return a row of ``thumbnails``; a picture not given is missing."""
    row: dict[str, Any] = dict.fromkeys(THUMBNAILS_SCHEMA.names)
    row.update(slice_id=slice_id, path=f"{slice_id}.png", frame=0, jpeg=small)
    return row | values


def prediction_row(
    slice_: Mapping[str, Any], model: str, category: int, confidence: float, **values: Any
) -> dict[str, Any]:
    """Return a row of ``predictions`` with the rest of the probability spread evenly."""
    answer = CATEGORIES[category]
    probabilities = np.full(12, (1 - confidence) / 11)
    probabilities[category] = confidence
    row: dict[str, Any] = {
        "slice_id": slice_["slice_id"],
        "path": slice_["path"],
        "frame": slice_["frame"],
        "model": model,
        "model_version": "1.0.0",
        "category": answer.name,
        "tumor": answer.tumor,
        "plane": answer.plane,
        "confidence": confidence,
        "p_tumor": 1 - probabilities[9:].sum(),
        **dict(zip(PROBABILITY_COLUMNS, probabilities, strict=True)),
        "set_90": [answer.name],
        "ood_score": 2.0,
        "doubt": 1 - confidence,
        "needs_review": False,
        "review_reasons": [],
        "trained_on": False,
        "out_of_fold_category": None,
        "run_id": RUN_ID,
    }
    return row | values


def typical_tables(ok: int, models: Sequence[str] = MODELS, *, rejected: bool = True) -> Tables:
    """Return the tables of a batch in which every tenth slice is in doubt.

    Slice ``i`` is of category ``i % 12``. The doubtful ones (0, 10, 20, ...) get another tumour
    from every model but the first, at a confidence that rises with ``i``.
    """
    tables = Tables(predictions={model: [] for model in models})
    rng = np.random.default_rng(1)
    for index in range(ok):
        slice_id = hashlib.sha256(str(index).encode()).hexdigest()
        row = slice_row(
            f"patient_{index // 20}/slice_{index:05d}.png",
            slice_id=slice_id,
            format="png",
            header_plane=CATEGORIES[index % 12].plane,
            width=256,
            height=240,
            mean_intensity=float(rng.normal(70, 10)),
            contrast=float(rng.normal(180, 20)),
            foreground_fraction=float(rng.uniform(0.3, 0.6)),
            entropy=float(rng.normal(6, 0.4)),
            sharpness=float(rng.gamma(4, 60)),
        )
        tables.slices.append(row)
        tables.thumbnails.append(thumbnail_row(slice_id, jpeg(index % 50), path=row["path"]))
        for order, model in enumerate(models):
            tables.predictions[model].append(_typical_prediction(row, model, order, index, ok))
    if rejected:
        for status, listed in (("refused", REFUSED), ("failed", FAILED)):
            for path, code, sentence in listed:
                text = f"{path}: {sentence}"
                tables.slices.append(slice_row(path, status=status, reason_code=code, reason=text))
    return tables


def _typical_prediction(
    row: Mapping[str, Any], model: str, order: int, index: int, ok: int
) -> dict[str, Any]:
    if index % 10:
        return prediction_row(row, model, index % 12, 0.9 + 0.08 * (index % 7) / 7 - 0.1 * order)
    reasons = ["models_disagree", *(["low_confidence"] if order else [])]
    return prediction_row(
        row,
        model,
        (index + 3 * order) % 12,
        (0.35 if order else 0.65) + 0.2 * index / max(ok, 1),
        needs_review=True,
        review_reasons=reasons,
    )


def write_run(
    workspace: Path, tables: Tables, models: Sequence[str] = MODELS, **changes: Any
) -> RunPaths:
    """Write a run folder as the flow does, in one part a table."""
    paths = create_run(workspace, RUN_ID)
    if tables.slices:
        write_part(paths.slices / part_name(0), tables.slices, SLICES_SCHEMA)
    if tables.thumbnails:
        write_part(paths.thumbnails / part_name(0), tables.thumbnails, THUMBNAILS_SCHEMA)
    if tables.studies:
        write_part(paths.studies / part_name(0), tables.studies, STUDIES_SCHEMA)
    for model, rows in tables.predictions.items():
        if rows:
            write_part(paths.predictions(model) / part_name(0), rows, PREDICTIONS_SCHEMA)
    write_record(paths, run_record(tables, models).model_copy(update=changes))
    return paths


def run_record(tables: Tables, models: Sequence[str] = MODELS) -> RunRecord:
    """Return the record that belongs to the tables."""
    created = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
    statuses = [row["status"] for row in tables.slices]
    waiting = {
        (row["path"], row["frame"])
        for rows in tables.predictions.values()
        for row in rows
        if row["needs_review"]
    }
    return RunRecord(
        run_id=RUN_ID,
        status=RunStatus.COMPLETED,
        created=created,
        finished=created + timedelta(seconds=20),
        batch="/scans/ward 7",
        command="artemis-cli classify-batch '/scans/ward 7'",
        versions={"artemis": "0.1.0", "python": "3.11.9"},
        settings=Settings(),
        models=[
            ModelRecord(
                name=name,
                version="1.0.0",
                sha256=f"{order:x}" * 64,
                side=160,
                folder=Path("models") / name / "1.0.0",
                ood_threshold=9.5,
                accuracy=0.9,
                macro_f1=0.89,
                ece=0.015,
                set_thresholds=dict.fromkeys(TUMORS, 0.7),
                protocol="Patient-disjoint.",
            )
            for order, name in enumerate(models, start=10)
        ],
        counts=Counts(
            files=len({row["path"] for row in tables.slices}),
            slices=len(statuses),
            ok=statuses.count("ok"),
            refused=statuses.count("refused"),
            failed=statuses.count("failed"),
            needs_review=len(waiting),
        ),
        timings={"ingest": 6.0, "classify": 12.5, "report": 0.5},
    )


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a run folder and gives its path."""

    def make(tables: Tables | None = None, models: Sequence[str] = MODELS, **changes: Any) -> Path:
        content = typical_tables(30, models) if tables is None else tables
        return write_run(tmp_path / "workspace", content, models, **changes).root

    return make
