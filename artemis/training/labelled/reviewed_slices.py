"""Reviewed slices of earlier runs as training pictures, where their files are still there."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
import pandas as pd

from artemis.batches.inbox import batch_now
from artemis.datasets.frames import picture_name
from artemis.errors import RunRecordError
from artemis.predictions import plain_rows, read_table
from artemis.runs import read_record
from artemis.system.files import printable_path, raw_path, sha256_file
from artemis.training.labelled.manifest_file import BOX_COLUMNS, LABEL_COLUMNS
from artemis.training.labelled.pictures import Source

REVIEWED_SOURCE: Final = "reviewed"
Run = tuple[Path, dict[str, list[dict[str, Any]]]]
"""Batch folder of a run, and the rows of its slices by `slice_id`: several of copies."""

_PATIENT_KEYS: Final = ("patient_key", "study_key", "series_key", "file_sha256")
"""What holds slices together, the surest first.

The first alone names a patient. Slices of one study, series or file are of one person, but whose
other studies and files are that person's is not known: they may lie on the other side of a split.
"""


@dataclass(frozen=True, slots=True)
class ReviewedSlices:
    """What earlier runs add to a training set.

    Attributes
    ----------
    labels : pandas.DataFrame
        `LABEL_COLUMNS`, a row a slice; ``path`` is ``<run_id>/<path>`` with ``#<frame>``
        after a frame other than 0. ``patient`` is what holds slices together, and
        ``patient_known`` (bool) says whether that is a patient, and not a study, series or file.
    sources : list of Source
        The file and frame of each.
    unavailable : int
        Slices whose file is gone or changed.
    """

    labels: pd.DataFrame
    sources: list[Source]
    unavailable: int


def find_slices(workspace: Path, reviewed: pd.DataFrame, known: Collection[str]) -> ReviewedSlices:
    """Find the files of reviewed slices.

    Slices of one DICOM patient belong together, else those of one study, series or file; only
    the first have a known patient. Single pictures without a header carry no patient:
    neighbouring slices of one person in several such files are held together only where they
    are near copies.

    Parameters
    ----------
    workspace : Path
        Holds the runs.
    reviewed : pandas.DataFrame
        From `read_reviewed`; those agreed or by a single reviewer are taken.
    known : collection of str
        Slices that the training set holds already.
    """
    runs: dict[str, Run] = {}
    rows, sources, unavailable = [], [], 0
    wanted = usable(reviewed)
    for slice_id, tumor, plane, run_ids in zip(
        *(wanted[name] for name in ("slice_id", "tumor", "plane", "run_ids")), strict=True
    ):
        if slice_id in known:
            continue
        found = _find(workspace, slice_id, run_ids, runs)
        if found is None:
            unavailable += 1
            continue
        run_id, source, patient, known_patient = found
        sources.append(source)
        path = f"{run_id}/{printable_path(source.path)}"
        rows.append(
            {
                "path": picture_name(path, source.frame or None),
                "tumor": tumor,
                "plane": plane,
                "patient": patient,
                "patient_known": known_patient,
            }
        )
    return ReviewedSlices(_labels(rows), sources, unavailable)


def usable(reviewed: pd.DataFrame) -> pd.DataFrame:
    """Return the reviewed slices whose label may be trained on."""
    return reviewed[reviewed["state"].isin(["agreed", "single"])]


def _find(
    workspace: Path, slice_id: str, run_ids: list[str], runs: dict[str, Run]
) -> tuple[str, Source, str, bool] | None:
    """Return the newest run that has a slice's file, the file, what it belongs to, if a patient.

    Of copies in that run it is the one that says most surely to whom it belongs.
    """
    for run_id in sorted(run_ids, reverse=True):
        if run_id not in runs:
            runs[run_id] = _read(workspace / "runs" / run_id)
        batch, slices = runs[run_id]
        for row in sorted(slices.get(slice_id, []), key=_sureness):
            if _is_there(batch, row):
                place = _sureness(row)
                name = os.fsdecode(raw_path(row["path"]))
                source = Source(batch, name, int(row["frame"]))
                return run_id, source, row[_PATIENT_KEYS[place]], place == 0
    return None


def _sureness(row: dict[str, Any]) -> int:
    """Return the place among `_PATIENT_KEYS` of the first that a row of `slices` has."""
    return next(place for place, name in enumerate(_PATIENT_KEYS) if isinstance(row[name], str))


def _read(run: Path) -> Run:
    """Return a run's batch folder and its readable slices; none of a run that is gone."""
    try:
        batch = batch_now(Path(read_record(run).batch))
    except RunRecordError:
        return run, {}
    columns = ("slice_id", "path", "frame", "status", *_PATIENT_KEYS)
    found: dict[str, list[dict[str, Any]]] = {}
    for row in plain_rows(read_table(run, "slices", columns)):
        if row["status"] == "ok":
            found.setdefault(row["slice_id"], []).append(row)
    return batch, found


def _is_there(batch: Path, row: dict[str, Any]) -> bool:
    relative = PurePosixPath(os.fsdecode(raw_path(row["path"])))
    if relative.is_absolute() or ".." in relative.parts:
        return False
    path = batch / relative
    try:
        return path.is_file() and sha256_file(path) == row["file_sha256"]
    except OSError:
        return False


def _labels(rows: list[dict[str, Any]]) -> pd.DataFrame:
    labels = pd.DataFrame(rows, columns=[*LABEL_COLUMNS, "patient_known"])
    labels["plane_predicted"] = False
    labels["source"] = REVIEWED_SOURCE
    labels = labels.astype({"frame": "Int64", "fold": "Int64"})
    labels[list(BOX_COLUMNS)] = np.nan
    texts = ["path", "patient", "study", "source", "source_tumor", "official_split", "group"]
    return labels.astype(dict.fromkeys(texts, "string") | {"patient_known": np.bool_})
