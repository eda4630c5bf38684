"""Tables that lie beside folders named by category, of which nothing would be read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from artemis.training.labelled.manifest_file import READ_COLUMNS, names_patients

_TEXT: Final = frozenset({".csv", ".tsv"})
_SPREADSHEETS: Final = frozenset({".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"})
_HEADER_BYTES: Final = 1 << 16
_BETWEEN: Final = re.compile(r"[,;\t]")
_AROUND: Final = " \t\r\n\"'"


def is_spreadsheet(file: Path) -> bool:
    """Return whether a file is named as a spreadsheet, which Artemis does not look into."""
    return file.suffix.lower() in _SPREADSHEETS


def what_it_tells(file: Path) -> str | None:
    """Return in words what of a file may tell labels or patients; None if it tells neither.

    Only the names of columns are looked at, and nothing of a spreadsheet. A table tells labels if
    it has a column ``path`` and another that a manifest may have.

    Parameters
    ----------
    file : Path
        Any file.
    """
    if is_spreadsheet(file):
        return "a spreadsheet, which may be one"
    columns = _told_columns(file)
    return f"with {', '.join(columns)}" if columns else None


def _told_columns(file: Path) -> list[str]:
    """Return the columns that tell labels or patients, in small letters and the table's order."""
    names = [name.strip(_AROUND).lower() for name in _column_names(file)]
    of_manifest = [name for name in names if name in READ_COLUMNS]
    labels = of_manifest if "path" in of_manifest and len(of_manifest) > 1 else []
    return [name for name in names if name in labels or names_patients(name)]


def _column_names(file: Path) -> list[str]:
    kind = file.suffix.lower()
    try:
        if kind in _TEXT:
            with file.open("rb") as stream:
                line = stream.readline(_HEADER_BYTES).decode("utf-8-sig", "replace")
            return _BETWEEN.split(line)
        return list(pq.read_schema(file).names) if kind == ".parquet" else []
    except (OSError, pa.ArrowException):
        return []  # what cannot be read tells nothing
