"""Tables that lie beside folders named by category, of which nothing would be read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from artemis.training.labelled.manifest_file import READ_COLUMNS, names_patients

_TEXT: Final = frozenset({".csv", ".tsv"})
_HEADER_BYTES: Final = 1 << 16
_BETWEEN: Final = re.compile(r"[,;\t]")
_AROUND: Final = " \t\r\n\"'"


def told_columns(file: Path) -> list[str]:
    """Return the columns of a table that tell labels or patients, in small letters.

    Only the names of columns are looked at. A table tells labels if it has a column ``path`` and
    another that a manifest may have.

    Parameters
    ----------
    file : Path
        Any file.

    Returns
    -------
    list of str
        In the table's order; empty for a file that is no table, or tells neither.
    """
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
