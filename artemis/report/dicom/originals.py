"""The DICOM files that a run was made of, found again and checked against their hashes.

A run keeps no patient data, so what an exported object must say of patient and study is
read from the files themselves, which must be those that were classified, byte for byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from pydicom.dataset import Dataset
from pydicom.uid import UID

from artemis.batches.inbox import batch_now
from artemis.errors import ExportError, ScanError
from artemis.ingest.border import image_border, open_regular
from artemis.ingest.dicom.file import open_dicom
from artemis.ingest.discover import located
from artemis.ingest.quiet import mute_readers
from artemis.predictions import table_rows
from artemis.report.words import counted, visible
from artemis.runs import RunRecord
from artemis.system.files import raw_path

PATIENT_AND_STUDY: Final = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyDescription",
)
KEYWORDS: Final = (
    *PATIENT_AND_STUDY,
    "SpecificCharacterSet",
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "Manufacturer",
    "ManufacturerModelName",
    "SoftwareVersions",
    "DeviceSerialNumber",
    "NumberOfFrames",
    "BurnedInAnnotation",
    "ImageOrientationPatient",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)
_NEEDED: Final = ("StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID")
_BLOCK: Final = 1 << 20
_NAMED: Final = 20  # files that a message lists


@dataclass(frozen=True, slots=True)
class SourceSlice:
    """One classified slice and the object that it is a frame of.

    Attributes
    ----------
    row : mapping
        Its row of the table `slices`.
    header : pydicom.Dataset
        Of its file, without pixels; all slices of a file share it.
    """

    row: Mapping[str, Any]
    header: Dataset

    @property
    def frame_numbers(self) -> list[int] | None:
        """Its frame as DICOM counts, from 1; None in an object that counts none."""
        return [self.row["frame"] + 1] if "NumberOfFrames" in self.header else None


@dataclass(slots=True)
class Study:
    """The classified slices of one study, in the order of the run.

    Attributes
    ----------
    key : str
        Keyed hash of the study, which names its folder.
    slices : list of SourceSlice
        Each slice once, however many copies there were.
    """

    key: str
    slices: list[SourceSlice] = field(default_factory=list)

    @property
    def headers(self) -> list[Dataset]:
        """The headers of the study's objects, each once."""
        found = {str(one.header.SOPInstanceUID): one.header for one in self.slices}
        return [*found.values()]


def find_studies(run_dir: Path, record: RunRecord) -> tuple[list[Study], list[str]]:
    """Return the studies of a run that came in as DICOM, and files that name no study.

    Raises
    ------
    ExportError
        If the run holds no classified DICOM slice, or some of their files are gone or are
        no longer those that were classified: all of them are found before anything is made.
    """
    mute_readers()
    rows = [
        row
        for row in table_rows(run_dir, "slices")
        if row["format"] == "dicom" and row["status"] == "ok"
    ]
    if not rows:
        raise ExportError(
            f"{run_dir}: expected slices that came in as DICOM and were classified. Received "
            "none. Other formats name no patient and no study to export to."
        )
    limit = record.settings.ingest.max_volume_bytes
    headers, lost = _headers(batch_now(Path(record.batch)), rows, limit)
    if lost:
        listed = "\n".join(f"  {visible(path)}: {why}" for path, why in lost[:_NAMED])
        more = f"\n  and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
        raise ExportError(
            f"{visible(record.batch)}: expected the DICOM files that the run was made of, since a "
            f"run keeps no patient data. Received {counted(len(lost), 'file')} gone or changed:\n"
            f"{listed}{more}\nPut them back where they were, or classify again. Nothing was "
            "exported."
        )
    return _grouped(rows, headers)


def _headers(
    batch: Path, rows: Iterable[Mapping[str, Any]], max_inflated: int
) -> tuple[dict[str, Dataset], list[tuple[str, str]]]:
    headers: dict[str, Dataset] = {}
    lost: dict[str, str] = {}
    for row in rows:
        path = row["path"]
        if path in headers or path in lost:
            continue
        try:
            with image_border():
                file = located(batch, raw_path(path))
                headers[path] = _read(file, row["file_sha256"], max_inflated)
        except ScanError as error:
            lost[path] = str(error)
    return headers, [*lost.items()]


class _ChangedError(ScanError):
    """A file whose hash is another."""

    def __init__(self) -> None:
        super().__init__("file_changed", "its content is another than what was classified")


def _read(path: Path, expected: str, max_inflated: int) -> Dataset:
    stream, size = open_regular(path)
    with stream:
        if _sha256(stream) != expected:
            raise _ChangedError
        stream.seek(0)
        return open_dicom(stream, size, KEYWORDS, max_inflated).header


def _sha256(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := stream.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()


def _grouped(
    rows: Iterable[Mapping[str, Any]], headers: Mapping[str, Dataset]
) -> tuple[list[Study], list[str]]:
    studies: dict[str, Study] = {}
    nameless: dict[str, None] = {}
    seen: set[tuple[str, str]] = set()
    for row in rows:
        header = headers[row["path"]]
        if row["study_key"] is None or not all(_is_uid(header, keyword) for keyword in _NEEDED):
            nameless[row["path"]] = None
            continue
        if (row["study_key"], row["slice_id"]) not in seen:
            seen.add((row["study_key"], row["slice_id"]))
            study = studies.setdefault(row["study_key"], Study(row["study_key"]))
            study.slices.append(SourceSlice(row, header))
    return [*studies.values()], [*nameless]


def _is_uid(header: Dataset, keyword: str) -> bool:
    return UID(str(header.get(keyword) or "")).is_valid
