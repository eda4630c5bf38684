"""A run as data for other programs: JSON and CSV of the same documented columns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from artemis import RESEARCH_USE
from artemis.labels import CATEGORIES, PROBABILITY_COLUMNS
from artemis.predictions import plain_rows, run_parts
from artemis.report.run.kept_truth import truth_of
from artemis.report.tabular import csv_lines
from artemis.runs import RunRecord, read_record

FORMAT_VERSION: Final = 1
"""Raised when a column or field changes its meaning or goes; new ones do not raise it."""

_WHOLE: Final = frozenset({"frame", "width", "height"})

COLUMNS: Final[Mapping[str, str]] = {
    "run_id": "the run",
    "slice_id": "SHA-256 of the decoded pixels and frame; empty where nothing was decoded",
    "path": "file, relative to the batch folder",
    "frame": "frame of the file, from 0",
    "format": "`png`, `jpeg`, `bmp`, `tiff`, `dicom` or `nifti`, by content",
    "header_plane": "plane by the header: `coronal`, `sagittal`, `transverse` or `oblique`",
    "width": "pixels",
    "height": "pixels",
    "status": "`ok`, `refused` or `failed`",
    "reason_code": "why it was refused or failed",
    "reason": "the same as a sentence, with what to do",
    "true_tumor": "its tumour as known beforehand: by the labels kept with the run, else by the "
    "names of its folders; empty where they do not say",
    "true_plane": "its plane, as known in the same way",
    "model": "name of the model; empty, like all that follows, unless the status is `ok`",
    "model_version": "its version",
    "category": "the answer, `glioma_coronal` … `none_transverse`",
    "tumor": "its tumour: `glioma`, `meningioma`, `pituitary` or `none`",
    "plane": "its plane: `coronal`, `sagittal` or `transverse`",
    "confidence": "calibrated probability of the answer, 0 to 1; means nothing where "
    "`review_reasons` has `out_of_distribution`",
    "p_tumor": "1 − p(none), 0 to 1",  # noqa: RUF001 - a minus sign
    "set_90": "plausible categories, most probable first",
    "ood_score": "distance from the training images; higher is stranger",
    "doubt": "0 (sure) to 1, orders the review queue",
    "needs_review": "whether a person should look, by this model; the first model's decides of the "
    "slice",
    "review_reasons": "why",
    "trained_on": "whether the model was trained on these very pixels; then `confidence` flatters",
    "out_of_fold_category": "answer of a network of the same recipe that had not seen it, for what "
    "was trained on",
    **{
        column: f"calibrated probability of {category.name}, 0 to 1"
        for column, category in zip(PROBABILITY_COLUMNS, CATEGORIES, strict=True)
    },
}
"""Every column with its meaning; a row for every slice and model, one for a slice without."""


def data_rows(run_dir: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a run, each with all of `COLUMNS`, holding one part of it at a time.

    The keyed hashes of patient, study and series are not among them.

    Raises
    ------
    RunRecordError
        If a table cannot be read.
    """
    truth = truth_of(run_dir, read_record(run_dir).batch)
    for part in run_parts(run_dir):
        for row in plain_rows(part):
            known = truth.of(row["path"], row["frame"], row["slice_id"])
            row["true_tumor"] = None if known is None else known.tumor
            row["true_plane"] = None if known is None else known.plane
            yield {name: _plain(name, row[name]) for name in COLUMNS}


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, float):
        # Whole numbers with gaps are floats in pandas; of float32 seven digits are true.
        return int(value) if name in _WHOLE else float(f"{value:.7g}")
    return value


def csv_data(run_dir: Path) -> Iterator[str]:
    """Yield a run as CSV, line by line, see `artemis.report.tabular.csv_lines`."""
    return csv_lines([*COLUMNS], data_rows(run_dir))


def json_data(run_dir: Path) -> Iterator[str]:
    """Yield a run as the text of one JSON object: ``format``, ``notice``, ``run`` and ``rows``.

    ``rows`` have the columns of the CSV, with null for what is missing and lists for
    `set_90` and `review_reasons`.
    """
    content = {
        "format": FORMAT_VERSION,
        "notice": RESEARCH_USE,
        "run": _run(read_record(run_dir)),
        "rows": [],
    }
    yield _json(content).removesuffix("]\n}")
    before, after = "\n  ", ""
    for row in data_rows(run_dir):  # as deep as they lie in the object
        yield before + _json(row).replace("\n", "\n  ")
        before, after = ",\n  ", "\n "
    yield f"{after}]\n}}\n"


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)


def _run(record: RunRecord) -> dict[str, Any]:
    return {
        "run_id": record.run_id,
        "status": record.status.value,
        "created": record.created.isoformat(),
        "finished": record.finished.isoformat() if record.finished else None,
        "batch": PurePosixPath(record.batch).name,  # where it lay is of the machine
        "artemis": record.versions.get("artemis-mri"),
        "counts": record.counts.model_dump(),
        "models": [model.model_dump(mode="json", exclude={"folder"}) for model in record.models],
    }
