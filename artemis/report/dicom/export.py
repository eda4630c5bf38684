"""A run's answers as DICOM: a Structured Report a study, and captures where they are asked for."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from pydicom.dataset import Dataset

from artemis.errors import ExportError
from artemis.predictions import plain_rows, read_studies, table_rows
from artemis.report.dicom.capture import captures, mapping_model
from artemis.report.dicom.originals import Study, find_studies
from artemis.report.dicom.structured_report import StudyAnswers, structured_report
from artemis.report.run.stored_pictures import stored_pictures
from artemis.runs import read_record
from artemis.system.files import atomic_path, make_folder, sha256_file, write_text_atomic
from artemis.whole import check_completed

EXPORTS: Final = "exports"
"""Folder of the workspace."""

RECORD_NAME: Final = "export.json"
_REPORT_NAME: Final = "report.dcm"
_FOLDER_MODE: Final = 0o700  # the objects name the patient
_FILE_MODE: Final = 0o600


@dataclass(frozen=True, slots=True)
class StudyExport:
    """What was written of one study: files by SHA-256, and what could not be copied.

    `withheld` is how many pictures were not made, since the slice's file says that text is burnt
    into it.
    """

    study: str
    slices: int
    files: Mapping[str, str]
    left_blank: list[str]
    withheld: int


@dataclass(frozen=True, slots=True)
class Export:
    """What an export wrote.

    Attributes
    ----------
    folder : str
        Where it lies.
    run_id : str
        The run.
    studies : list of StudyExport
        One a study, in the order of the run.
    without_study : list of str
        Files that name no study or instance, of which nothing could be written.
    """

    folder: str
    run_id: str
    studies: list[StudyExport]
    without_study: list[str]


def export_dicom(
    run_dir: Path,
    target: Path | None = None,
    *,
    secondary_capture: bool = False,
    on_study: Callable[[int, int], None] | None = None,
) -> Export:
    """Write a run's answers as DICOM objects, to be read by a person alone.

    They hold the patient's data, read again from the files that were classified. The same
    run and files give the same bytes.

    Parameters
    ----------
    run_dir : Path
        ``<workspace>/runs/<run_id>``.
    target : Path, optional
        Folder to write to; ``<workspace>/exports/<run_id>`` by default. Each study has a
        folder in it, named by its keyed hash, with ``report.dcm`` and ``evidence-*.dcm``.
    secondary_capture : bool
        Whether to write the evidence as Secondary Capture images too.
    on_study : callable, optional
        Called before each study with its number, from 0, and how many there are.

    Raises
    ------
    ExportError
        If the files are gone or changed, name no study, or the evidence cannot be made.
    RunRecordError
        If the record or a table cannot be read, or a completed run has lost rows.
    """
    run_dir = run_dir.resolve()
    record = read_record(run_dir)
    check_completed(run_dir, record)
    workspace = run_dir.parents[1]
    folder = (target or workspace / EXPORTS / run_dir.name).resolve()
    mapping = mapping_model(record, workspace) if secondary_capture else None
    studies, without_study = find_studies(run_dir, record)
    if not studies:
        raise ExportError(
            f"{run_dir}: expected DICOM files that name their study, series and instance. "
            f"Received {len(without_study)} that do not. A report cannot refer to them."
        )
    predictions = _predictions(run_dir)
    hidden = stored_pictures(run_dir).withheld
    of_studies = [*plain_rows(read_studies(run_dir))]
    _private_folder(folder)
    written = []
    for number, study in enumerate(studies):
        if on_study is not None:
            on_study(number, len(studies))
        answers = _answers(study, predictions, of_studies)
        report, blanked = structured_report(study, answers, record)
        objects: dict[str, Dataset] = {_REPORT_NAME: report}
        images, withheld = (
            captures(study, answers, record, mapping, hidden) if mapping is not None else ([], 0)
        )
        for order, image in enumerate(images, start=1):
            objects[f"evidence-{order:02d}.dcm"] = image
        files = _write(folder, study, objects)
        written.append(StudyExport(study.key, len(study.slices), files, blanked, withheld))
    export = Export(str(folder), record.run_id, written, without_study)
    content = {key: value for key, value in asdict(export).items() if key != "folder"}
    write_text_atomic(folder / RECORD_NAME, json.dumps(content, indent=2) + "\n")
    return export


def _predictions(run_dir: Path) -> dict[tuple[str, int], dict[str, dict[str, Any]]]:
    """Return the rows of `predictions` by path and frame, then by model."""
    found: dict[tuple[str, int], dict[str, dict[str, Any]]] = {}
    for row in table_rows(run_dir, "predictions"):
        found.setdefault((row["path"], row["frame"]), {})[row["model"]] = row
    return found


def _answers(
    study: Study,
    predictions: Mapping[tuple[str, int], Mapping[str, Mapping[str, Any]]],
    of_studies: list[dict[str, Any]],
) -> StudyAnswers:
    slices = {
        (model, index): row
        for index, one in enumerate(study.slices)
        for model, row in predictions.get((one.row["path"], one.row["frame"]), {}).items()
    }
    whole = {
        row["model"]: row
        for row in of_studies
        if row["study_key"] == study.key and row["series_key"] is None
    }
    return StudyAnswers(slices, whole)


def _private_folder(folder: Path) -> None:
    make_folder(folder, _FOLDER_MODE)


def _write(folder: Path, study: Study, objects: Mapping[str, Dataset]) -> dict[str, str]:
    """Write the objects of a study; return their hashes by name."""
    home = folder / f"study-{study.key}"
    _private_folder(home)
    files = {}
    for name, made in objects.items():
        with atomic_path(home / name) as temporary:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
            with os.fdopen(descriptor, "wb") as stream:
                made.save_as(stream, enforce_file_format=True)
        files[f"{home.name}/{name}"] = sha256_file(home / name)
    return files
