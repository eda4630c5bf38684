"""A run as data for other programs: JSON and CSV of the same documented columns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from artemis import RESEARCH_USE
from artemis.columns import PREDICTIONS, SLICES
from artemis.labels import PROBABILITY_COLUMNS
from artemis.predictions import plain_rows, run_parts
from artemis.report.run.kept_truth import truth_of
from artemis.report.tabular import csv_lines
from artemis.runs import RunRecord, read_record
from artemis.whole import check_completed

FORMAT_VERSION: Final = 1
"""Raised when a column or field changes its meaning or goes; new ones do not raise it."""

_OF_SLICE: Final = (
    *("run_id", "slice_id", "path", "frame", "format", "header_plane", "series_index", "volume"),
    *("width", "height", "status", "reason_code", "reason"),
)
_OF_MODEL: Final = (
    *("model_version", "category", "tumor", "plane", "confidence", "p_tumor", "set_90"),
    *("ood_score", "doubt", "needs_review", "review_reasons", "trained_on"),
    *("out_of_fold_category", *PROBABILITY_COLUMNS),
)

COLUMNS: Final[Mapping[str, str]] = {
    **{name: SLICES[name] for name in _OF_SLICE},
    "true_tumor": "its tumour as known beforehand: by the labels kept with the run, else by the "
    "names of its folders; empty where they do not say",
    "true_plane": "its plane, as known in the same way",
    "model": f"{PREDICTIONS['model']}; empty, like all that follows, unless the status is `ok`",
    **{name: PREDICTIONS[name] for name in _OF_MODEL},
}
"""Every column with its meaning; a row for every slice and model, one for a slice without."""


def data_rows(run_dir: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a run, each with all of `COLUMNS`, holding one part of it at a time.

    The keyed hashes of patient, study and series are not among them.

    Raises
    ------
    RunRecordError
        If a table cannot be read, or a completed run has lost rows.
    """
    truth = truth_of(run_dir, read_record(run_dir).batch)
    for part in run_parts(run_dir):
        for row in plain_rows(part):
            known = truth.of(row["path"], row["frame"], row["slice_id"])
            row["true_tumor"] = None if known is None else known.tumor
            row["true_plane"] = None if known is None else known.plane
            yield {name: _plain(row[name]) for name in COLUMNS}


def _plain(value: Any) -> Any:
    if isinstance(value, float):  # of float32 seven digits are true
        return float(f"{value:.7g}")
    return value


def csv_data(run_dir: Path) -> Iterator[str]:
    """Yield a run as CSV, line by line, see `artemis.report.tabular.csv_lines`."""
    check_completed(run_dir, read_record(run_dir))  # before the heading is given
    return csv_lines([*COLUMNS], data_rows(run_dir))


def json_data(run_dir: Path) -> Iterator[str]:
    """Yield a run as the text of one JSON object: ``format``, ``notice``, ``run`` and ``rows``.

    ``rows`` have the columns of the CSV, with null for what is missing and lists for
    `set_90` and `review_reasons`.
    """
    record = read_record(run_dir)
    check_completed(run_dir, record)  # before anything is given
    content = {
        "format": FORMAT_VERSION,
        "notice": RESEARCH_USE,
        "run": _run(record),
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
