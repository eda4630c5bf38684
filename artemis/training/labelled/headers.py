"""Whose a labelled picture is by the header of its file, where the labels do not say."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import pandas as pd

from artemis.errors import ScanError
from artemis.ingest.border import image_border, open_regular
from artemis.ingest.sniff import sniff
from artemis.settings import IngestSettings


class Belonging(NamedTuple):
    """What a header calls the patient and the study; never to be shown or stored."""

    patient: str | None
    study: str | None


_NOBODY: Final = Belonging(None, None)


def with_header_patients(
    root: Path, labels: pd.DataFrame, settings: IngestSettings
) -> pd.DataFrame:
    """Return labels with the patients of DICOM headers where they give none themselves.

    Parameters
    ----------
    root : Path
        Folder that the paths are relative to.
    labels : pandas.DataFrame
        ``path`` and ``patient``; pictures whose patient is given are not opened.
    settings : IngestSettings
        Limits of reading.

    Returns
    -------
    pandas.DataFrame
        With ``patient`` as far as headers name one, and ``study`` of the headers that do not:
        whose other studies are that person's is not known.
    """
    unknown = labels["patient"].isna()
    asked = {path: belonging(root / path, settings) for path in labels["path"][unknown].unique()}
    of = [
        asked[path] if nobody else _NOBODY
        for path, nobody in zip(labels["path"], unknown, strict=True)
    ]
    patients = pd.Series([one.patient for one in of], index=labels.index, dtype="string")
    studies = pd.Series([one.study for one in of], index=labels.index, dtype="string")
    patient = labels["patient"].astype("string").fillna(patients)
    return labels.assign(patient=patient, study=studies.mask(patient.notna()))


def belonging(path: Path, settings: IngestSettings) -> Belonging:
    """Return whose a file is; nobody's where it is no DICOM file or names nobody.

    Never raises on what is in the file: one that cannot be read is refused when it is.
    """
    try:
        with image_border():
            stream, size = open_regular(path)
            with stream:
                if sniff(stream, size).format != "dicom":
                    return _NOBODY
                from artemis.ingest.dicom.file import open_dicom
                from artemis.ingest.dicom.reader import identifier

                keywords = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID")
                header = open_dicom(stream, size, keywords, settings.max_volume_bytes).header
                patient, study, series = (identifier(header, name) for name in keywords)
                return Belonging(patient, study or series)
    except ScanError:
        return _NOBODY
