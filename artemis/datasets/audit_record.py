"""The record of an audit, ``audit.json``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

import pandas as pd
from pydantic import BaseModel, ValidationError

from artemis.errors import RunRecordError

RECORD_NAME: Final = "audit.json"
PredictionsFrom = Literal["given", "features", "none"]


class AuditRecord(BaseModel):
    """What ``audit.json`` records.

    Attributes
    ----------
    audit_id : str
        Sortable; also the name of the folder.
    created : datetime
        UTC.
    artemis : str
        Version.
    dataset : str
        Name of the data set's folder, without where it lies.
    pictures, readable, groups : int
        Labelled pictures, those that could be read, and groups of these.
    predictions_from : {'given', 'features', 'none'}
        Where the out-of-fold predictions come from: from a table of predictions, from a
        classifier on the features of `model`, or nowhere, for too few groups.
    predicted : int
        Pictures with an out-of-fold prediction.
    model : str
        Model and version.
    findings : dict of str to int
        Findings by kind.
    severities : dict of str to int
        Findings by severity.
    """

    audit_id: str
    created: datetime
    artemis: str
    dataset: str
    pictures: int
    readable: int
    groups: int
    predictions_from: PredictionsFrom
    predicted: int
    model: str
    findings: dict[str, int]
    severities: dict[str, int]


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What an audit found, and where its tables lie.

    Attributes
    ----------
    folder : Path
        Holds ``audit.json``, ``findings.parquet``, ``pictures.parquet``,
        ``counts.parquet`` and ``thumbnails.parquet``.
    record : AuditRecord
        As written.
    findings : pandas.DataFrame
        As written.
    """

    folder: Path
    record: AuditRecord
    findings: pd.DataFrame


def read_audit(folder: Path) -> AuditRecord:
    """Read ``audit.json``.

    Raises
    ------
    RunRecordError
        If it is missing or of another schema.
    """
    path = folder / RECORD_NAME
    try:
        return AuditRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise RunRecordError(
            f"{path}: expected the record of an audit. Received: {type(error).__name__}. "
            "Audit the data set again."
        ) from error
