"""What every exported object carries: patient, study, equipment, times, and what it is not for."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from highdicom import ContributingEquipment
from pydicom.config import RAISE
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.valuerep import DA, DT, TM, validate_value

from artemis import RESEARCH_USE
from artemis.report.dicom.codes import dicom_code
from artemis.report.dicom.originals import PATIENT_AND_STUDY
from artemis.report.words import visible
from artemis.runs import ModelRecord, RunRecord

MANUFACTURER: Final = "Artemis"
PRODUCT: Final = "artemis-mri"
_LONGEST: Final = 64  # characters of a long string (LO)
_SEXES: Final = frozenset({"", "M", "F", "O"})
_ALWAYS: Final = (  # type 2: present, empty where not known
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)


def legal_header(header: Dataset) -> tuple[Dataset, list[str]]:
    """Return a header whose patient and study can be copied, and what was left blank for it.

    A value that DICOM does not allow would make the new object illegal too. All text becomes
    UTF-8, whatever character set, known or not, the file had it in.
    """
    legal, blanked = Dataset(), []
    for element in header:
        keyword, text = element.keyword, str(element.value)
        if keyword in PATIENT_AND_STUDY and element.VR != "UI" and not _is_legal(element):
            legal.add_new(element.tag, element.VR, "")
            blanked.append(keyword)
        elif element.VR == "PN":
            setattr(legal, keyword, text)  # without the bytes that it was read from
        else:
            legal.add(element)
    for keyword in _ALWAYS:
        if keyword not in legal:
            setattr(legal, keyword, "")
    legal.SpecificCharacterSet = "ISO_IR 192"
    return legal, blanked


def _is_legal(element: DataElement) -> bool:
    text = str(element.value)
    if element.keyword == "PatientSex":
        return text in _SEXES
    if element.VM > 1 or any(unicodedata.category(char) == "Cc" for char in text):
        return False
    try:
        validate_value(element.VR, text, RAISE)
        kind = {"DA": DA, "TM": TM}.get(element.VR)
        if kind is not None:
            kind(text)
    except (ValueError, OverflowError, TypeError):
        return False
    return True


def software(record: RunRecord) -> str:
    """Return the version of Artemis that made the run."""
    return record.versions.get(PRODUCT, "not recorded")[:_LONGEST]


def equipment(record: RunRecord, models: Sequence[ModelRecord]) -> list[ContributingEquipment]:
    """Return an item of the Contributing Equipment Sequence for each model (PS3.3 C.12.1)."""
    return [
        ContributingEquipment(
            manufacturer=MANUFACTURER,
            purpose_of_reference=dicom_code("processing"),
            manufacturer_model_name=visible(model.name)[:_LONGEST],
            software_versions=[
                f"{PRODUCT} {software(record)}"[:_LONGEST],
                f"model {visible(model.version)}"[:_LONGEST],
            ],
            device_serial_number=model.sha256[:_LONGEST],
            contribution_datetime=_stamp(record),
            contribution_description=(
                f"Classified the slices of run {record.run_id}. {RESEARCH_USE} Not for diagnosis."
            ),
        )
        for model in models
    ]


def series_attributes(record: RunRecord, description: str) -> dict[str, Any]:
    """Return the keyword arguments of a highdicom object that say who made it, and when."""
    when = _when(record)
    return {
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": PRODUCT,
        "software_versions": software(record),
        "device_serial_number": record.run_id[:_LONGEST],
        "series_description": f"{description} RESEARCH ONLY, NOT FOR DIAGNOSIS"[:_LONGEST],
        "content_date": when.date(),
        "content_time": when.time(),
        "series_date": when.date(),
        "series_time": when.time(),
    }


def fix_times(made: Dataset, record: RunRecord) -> None:
    """Date an object by its run in UTC, not by its export, so that it is the same each time.

    It states no offset from UTC, since that would be of the copied times of the study too.
    """
    when = _when(record)
    made.InstanceCreationDate, made.InstanceCreationTime = DA(when.date()), TM(when.time())
    for item in made.ContributingEquipmentSequence:
        if "highdicom" in item.get("ManufacturerModelName", ""):  # it enters itself, with now
            item.ContributionDateTime = _stamp(record)
    if "DateOfSecondaryCapture" in made:
        made.DateOfSecondaryCapture = DA(when.date())
        made.TimeOfSecondaryCapture = TM(when.time())


def _stamp(record: RunRecord) -> DT:
    return DT(f"{_when(record):%Y%m%d%H%M%S}+0000")


def _when(record: RunRecord) -> datetime:
    moment = (record.finished or record.created).astimezone(UTC)
    return moment.replace(microsecond=0, tzinfo=None)
