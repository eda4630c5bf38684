from __future__ import annotations

import io

import pytest
from pydicom.dataset import Dataset

from artemis.ingest.dicom.file import open_dicom
from artemis.report.dicom.marks import legal_header
from artemis.report.dicom.originals import KEYWORDS
from tests.ingest.builders import dicom_bytes, mr


def header(**elements: object) -> Dataset:
    """Return the header of a file with these elements, as an export reads it."""
    data = dicom_bytes(mr(**elements))
    return open_dicom(io.BytesIO(data), len(data), KEYWORDS, 1 << 30).header


def test_what_dicom_does_not_allow_is_left_blank_and_said() -> None:
    odd = header(PatientSex="w", PatientBirthDate="1.4.1970", StudyTime="noon", StudyID="x" * 40)
    legal, blanked = legal_header(odd)
    assert sorted(blanked) == ["PatientBirthDate", "PatientSex", "StudyID", "StudyTime"]
    assert [legal[keyword].value or "" for keyword in blanked] == [""] * 4


def test_what_is_legal_stays_and_what_must_be_there_is_empty() -> None:
    legal, blanked = legal_header(header(PatientSex="F", StudyDate="20260301"))
    assert blanked == []
    assert (legal.PatientID, legal.PatientSex, legal.StudyDate) == ("PATIENT-0815", "F", "20260301")
    assert legal.AccessionNumber == ""


@pytest.mark.parametrize("charset", ["ISO_IR 100", "ISO_IR 192"])
def test_text_becomes_utf_8(charset: str) -> None:
    legal, _ = legal_header(header(SpecificCharacterSet=charset, PatientName="Müller^Änne"))
    assert legal.SpecificCharacterSet == "ISO_IR 192"
    assert legal.PatientName == "Müller^Änne"
    stream = io.BytesIO()
    legal.save_as(stream, implicit_vr=False, little_endian=True)
    assert "Müller^Änne".encode() in stream.getvalue()


def test_a_character_set_that_nobody_knows_stops_nothing() -> None:
    legal, _ = legal_header(header(SpecificCharacterSet="KLINGON"))
    assert str(legal.PatientName) == "DOE^JANE"
