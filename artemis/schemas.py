"""The columns of a run's Parquet tables and their types; `artemis.columns` says what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pyarrow as pa

from artemis.labels import PROBABILITY_COLUMNS, TUMORS

QUALITY_COLUMNS: Final = (
    "mean_intensity",
    "contrast",
    "foreground_fraction",
    "entropy",
    "sharpness",
)

SLICES_SCHEMA: Final = pa.schema(
    [
        pa.field("slice_id", pa.string()),
        pa.field("path", pa.string(), nullable=False),
        pa.field("file_sha256", pa.string()),  # null where refused by the header alone
        pa.field("format", pa.string()),
        pa.field("frame", pa.int32(), nullable=False),
        pa.field("patient_key", pa.string()),
        pa.field("study_key", pa.string()),
        pa.field("series_key", pa.string()),
        pa.field("series_index", pa.int32()),
        pa.field("volume", pa.int32()),  # null where the file holds one
        pa.field("slice_position", pa.float64()),
        pa.field("header_plane", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        *(pa.field(name, pa.float32()) for name in QUALITY_COLUMNS),
        pa.field("status", pa.string(), nullable=False),
        pa.field("reason_code", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("run_id", pa.string(), nullable=False),
    ]
)

PREDICTIONS_SCHEMA: Final = pa.schema(
    [
        pa.field("slice_id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("frame", pa.int32(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("model_version", pa.string(), nullable=False),
        pa.field("category", pa.string(), nullable=False),
        pa.field("tumor", pa.string(), nullable=False),
        pa.field("plane", pa.string(), nullable=False),
        pa.field("confidence", pa.float32(), nullable=False),
        pa.field("p_tumor", pa.float32(), nullable=False),
        pa.field(
            "set_90", pa.list_(pa.field("element", pa.string(), nullable=False)), nullable=False
        ),
        *(pa.field(name, pa.float32(), nullable=False) for name in PROBABILITY_COLUMNS),
        pa.field("ood_score", pa.float32(), nullable=False),
        pa.field("doubt", pa.float32(), nullable=False),
        pa.field("needs_review", pa.bool_(), nullable=False),
        pa.field("review_reasons", pa.list_(pa.string()), nullable=False),
        pa.field("trained_on", pa.bool_(), nullable=False),
        pa.field("out_of_fold_category", pa.string()),
        pa.field("run_id", pa.string(), nullable=False),
    ]
)

THUMBNAILS_SCHEMA: Final = pa.schema(
    [
        pa.field("slice_id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("frame", pa.int32(), nullable=False),
        pa.field("jpeg", pa.binary()),  # null where it is withheld
        pa.field("overlay", pa.binary()),
        pa.field("view_jpeg", pa.binary()),
        pa.field("view_evidence", pa.binary()),
    ]
)
"""See `artemis.batches.thumbnails.finished_thumbnails`."""

STUDIES_SCHEMA: Final = pa.schema(
    [
        pa.field("study_key", pa.string()),
        pa.field("series_key", pa.string()),
        pa.field("patient_key", pa.string()),
        pa.field("model", pa.string(), nullable=False),
        pa.field("model_version", pa.string(), nullable=False),
        pa.field("slices", pa.int32(), nullable=False),
        pa.field("classified", pa.int32(), nullable=False),
        pa.field("tumor", pa.string(), nullable=False),
        pa.field("confidence", pa.float32(), nullable=False),
        *(pa.field(f"p_{tumor}", pa.float32(), nullable=False) for tumor in TUMORS),
        pa.field("supporting", pa.list_(pa.string()), nullable=False),
        pa.field("rule", pa.string(), nullable=False),
        pa.field("planes", pa.list_(pa.string()), nullable=False),
        pa.field("needs_review", pa.bool_(), nullable=False),
        pa.field("review_reasons", pa.list_(pa.string()), nullable=False),
        pa.field("run_id", pa.string(), nullable=False),
    ]
)
"""See `artemis.answers.studies`."""

TRUTH_SCHEMA: Final = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("frame", pa.int32(), nullable=False),
        pa.field("tumor", pa.string(), nullable=False),
        pa.field("plane", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("run_id", pa.string(), nullable=False),
    ]
)
"""See `artemis.report.run.kept_truth.keep_truth`."""

SCHEMAS: Final[Mapping[str, pa.Schema]] = {
    "slices": SLICES_SCHEMA,
    "predictions": PREDICTIONS_SCHEMA,
    "thumbnails": THUMBNAILS_SCHEMA,
    "studies": STUDIES_SCHEMA,
    "truth": TRUTH_SCHEMA,
}
