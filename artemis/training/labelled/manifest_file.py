"""Labels from a manifest: a CSV or Parquet file, a row a picture, checked cell by cell."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from artemis.datasets.frames import picture_name
from artemis.errors import TrainingDataError
from artemis.labels import PLANES, TUMORS, canonical_plane, canonical_tumor
from artemis.said import commas_instead

BOX_COLUMNS: Final = ("box_x0", "box_y0", "box_x1", "box_y1")
LABEL_COLUMNS: Final = (
    "path",
    "frame",
    "tumor",
    "plane",
    "plane_predicted",
    "patient",
    "study",
    "source",
    "source_tumor",
    "official_split",
    "group",
    "fold",
    *BOX_COLUMNS,
)
"""Columns of every table of labels, in this order; see `artemis.training.labelled.sources`."""

UNKNOWN_SOURCE: Final = "unknown"
_REMEDY: Final = {
    "group": "A picture without copies and of an unknown patient is a group of its own; or leave "
    "out the whole column.",
    "fold": "Give every picture the fold of its patient, or leave out the whole column to have "
    "folds made.",
}
SPLIT_NAMES: Final = {
    "training": "training",
    "train": "training",
    "testing": "testing",
    "test": "testing",
}
"""What folders and cells may call the two halves of an official split."""

_REQUIRED: Final = ("path", "tumor", "plane")
READ_COLUMNS: Final = frozenset({*LABEL_COLUMNS, "box"}) - {"study"}
"""Columns that a manifest may have; others are not read."""
_NOT_KNOWN: Final = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "none", "null"})
"""What R, pandas and spreadsheets write for a missing value, in small letters."""
_LITERAL: Final = frozenset({"path", "tumor", "source_tumor"})
"""Columns of which an empty cell alone is missing: there, none is a name."""
_LIKE_PATIENT: Final = re.compile(
    r"(patient|subject|participant|case|person)s?([ _.-]?(id|ids|no|nr|number|name|key))?|pid|mrn"
)
_CUT_NUMBER: Final = r"\d([.,]\d+)?E\+\d+"  # as spreadsheets write those of 12 digits and more
_MOST: Final = 1 << 31
"""No fold and no frame of a file has this number."""
_TRUTHS: Final = {"true": True, "1": True, "false": False, "0": False}


def read_manifest(file: Path) -> pd.DataFrame:
    """Read and check a manifest; pictures are not opened.

    Parameters
    ----------
    file : Path
        ``.parquet``, or CSV (UTF-8, commas) of any other name. Required columns: ``path``
        (relative to the manifest's folder, forward slashes), ``tumor``, ``plane``. Optional:
        ``frame`` (of a file of several, from 0, see `artemis.columns`), ``patient``, ``source``,
        ``source_tumor``, ``official_split``, ``group``, ``fold`` (the last two in every row or in
        none), ``plane_predicted``, and a tumour box in fractions of the picture's width and height,
        as it is shown: ``box_x0`` to ``box_y1``, or one column ``box`` with ``x0 y0 x1 y1``. Names
        of columns may be written in capitals. Other columns are not read.

    Returns
    -------
    pandas.DataFrame
        `LABEL_COLUMNS`, in the order of the file.

    Raises
    ------
    TrainingDataError
        If the file cannot be read, lacks a column or a row, or a cell is wrong; or if patients
        stand in a column that is not read, and no groups are given.
    """
    cells = _parquet_cells(file) if file.suffix.lower() == ".parquet" else _csv_cells(file)
    missing = [column for column in _REQUIRED if column not in cells]
    if missing or cells.empty:
        named = ", ".join(map(str, cells.columns[:20]))
        raise TrainingDataError(
            f"{file}: expected rows with the columns {', '.join(_REQUIRED)}. Received {len(cells)} "
            f"rows without {', '.join(missing) or 'any picture'}, with the columns {named}. "
            f"{commas_instead(named) or 'Name the columns so, commas between them.'}"
        )
    _check_patients(file, cells)
    labels = pd.DataFrame({"path": _paths(file, cells)})
    labels["frame"] = _numbers(file, cells, "frame", _optional(cells, "frame"))
    _check_once(file, labels)
    labels["tumor"] = _known(file, cells, "tumor", canonical_tumor, TUMORS)
    labels["plane"] = _known(file, cells, "plane", canonical_plane, PLANES)
    labels["plane_predicted"] = _known(
        file, cells, "plane_predicted", lambda cell: _TRUTHS.get(cell.lower()), ("true", "false")
    )
    labels["plane_predicted"] = labels["plane_predicted"].eq(True)
    labels["patient"] = _whole(file, cells, "patient", _optional(cells, "patient"))
    labels["study"] = pd.Series(pd.NA, index=cells.index, dtype="string")  # headers alone name it
    labels["source"] = _optional(cells, "source").fillna(UNKNOWN_SOURCE)
    labels["source_tumor"] = _known(file, cells, "source_tumor", canonical_tumor, TUMORS)
    labels["official_split"] = _known(
        file,
        cells,
        "official_split",
        lambda cell: SPLIT_NAMES.get(cell.lower()),
        ("training", "testing"),
    )
    labels["group"] = _whole(file, cells, "group", _all_or_none(file, cells, "group"))
    labels["fold"] = _numbers(file, cells, "fold", _all_or_none(file, cells, "fold"))
    labels[list(BOX_COLUMNS)] = _boxes(file, cells)
    return labels[list(LABEL_COLUMNS)]


def _csv_cells(file: Path) -> pd.DataFrame:
    try:
        # Empty cells alone are missing: pandas would take a tumour "None" for missing as well.
        cells = pd.read_csv(
            file, dtype="string", encoding="utf-8-sig", keep_default_na=False, na_values=[""]
        )
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise _unreadable(file, "CSV in UTF-8", error) from error
    # With one cell more than names in every row, pandas takes the first for names of rows: right
    # of a file by R, and wrong of one whose rows end in a comma.
    if not isinstance(cells.index, pd.RangeIndex) and cells.iloc[:, -1].isna().all():
        raise TrainingDataError(
            f"{file}: expected as many cells in a row as the first line names. Received one more "
            "in every row, the last of them empty. Remove the comma at the end of the rows."
        )
    cells = cells.reset_index(drop=True)
    cells.columns = _column_names(file, list(cells.columns))
    return _stripped(cells)


def _parquet_cells(file: Path) -> pd.DataFrame:
    try:
        table = pq.ParquetFile(file).read()
        names = _column_names(file, table.column_names)
        cells = {
            name: pd.array(
                table.column(place).cast(pa.string()).to_pylist()
                if name in READ_COLUMNS
                else [None] * len(table),
                "string",
            )
            for place, name in enumerate(names)
        }
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(file, "a Parquet table of plain columns", error) from error
    return _stripped(pd.DataFrame(cells))


def _column_names(file: Path, given: Sequence[object]) -> list[str]:
    """Return the names of columns; those that are read without space and capitals."""
    names = [
        plain if (plain := str(name).strip().lower()) in READ_COLUMNS else str(name)
        for name in given
    ]
    twice = [name for name in names if name in READ_COLUMNS and names.count(name) > 1]
    if twice:
        raise TrainingDataError(
            f"{file}: expected every column once. Received {twice[0]!r} {names.count(twice[0])} "
            "times. Remove the others."
        )
    return names


def names_patients(column: str) -> bool:
    """Return whether a column's name says that patients stand in it."""
    return _LIKE_PATIENT.fullmatch(column.strip().lower()) is not None


def _check_patients(file: Path, cells: pd.DataFrame) -> None:
    """Raise if patients seem to be given where nothing reads them: their slices would leak."""
    known = [name for name in ("patient", "group") if _optional(cells, name).notna().any()]
    unread = [str(name) for name in cells if name not in READ_COLUMNS]
    like = [name for name in unread if names_patients(name)]
    if like and not known:
        raise TrainingDataError(
            f"{file}: expected patients in a column `patient`. Received none there, but a column "
            f"{like[0]!r}, which is not read. Name it `patient`, so that the pictures of one "
            "person stay on one side of a split; or remove it."
        )


def _unreadable(file: Path, expected: str, error: Exception) -> TrainingDataError:
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return TrainingDataError(
        f"{file}: expected {expected}. Received: {first}. Write the manifest again."
    )


def _stripped(cells: pd.DataFrame) -> pd.DataFrame:
    cells = cells.apply(lambda column: column.str.strip())
    for name in cells:
        nothing = {""} if name in _LITERAL else _NOT_KNOWN
        cells[name] = cells[name].mask(cells[name].str.lower().isin(nothing), pd.NA)
    return cells


def _optional(cells: pd.DataFrame, column: str) -> pd.Series[str]:
    if column in cells:
        return cells[column]
    return pd.Series(pd.NA, index=cells.index, dtype="string")


def _paths(file: Path, cells: pd.DataFrame) -> pd.Series[str]:
    if cells["path"].isna().any():
        row = int(np.flatnonzero(cells["path"].isna())[0]) + 1
        raise TrainingDataError(
            f"{file}: expected a path in every row. Received none in row {row} after the header."
        )
    pure = [PurePosixPath(path) for path in cells["path"]]
    leaving = [str(p) for p in pure if p.is_absolute() or ".." in p.parts]
    if leaving:
        raise TrainingDataError(
            f"{file}: expected paths relative to its folder, that stay in it. "
            f"Received {leaving[0]!r}. Move the pictures below {file.parent}."
        )
    return pd.Series([str(p) for p in pure], index=cells.index, dtype="string")


def _check_once(file: Path, labels: pd.DataFrame) -> None:
    # A file of one picture has frame 0, whether it is named or not.
    twice = labels.fillna({"frame": 0}).duplicated(["path", "frame"])
    if twice.any():
        path, frame = labels.loc[twice, ["path", "frame"]].iloc[0]
        raise TrainingDataError(
            f"{file}: expected every picture once. Received "
            f"{picture_name(path, None if pd.isna(frame) else frame)} again. "
            "Remove one of its rows."
        )


def _known(
    file: Path,
    cells: pd.DataFrame,
    column: str,
    canonical: Callable[[str], object],
    expected: tuple[str, ...],
) -> pd.Series[str]:
    """Return a column of known names in their own spelling."""
    given = _optional(cells, column)
    values = given.astype(object).map(canonical, na_action="ignore")
    wrong = values.isna() & (given.notna() | (column == "tumor"))
    if wrong.any():
        where = int(np.flatnonzero(wrong)[0])
        received, others = given.iloc[where], int(wrong.sum()) - 1
        raise TrainingDataError(
            f"{file}: expected a known {column}. "
            f"Received {'none' if pd.isna(received) else repr(received)} for "
            f"{cells['path'].iloc[where]}{f', and so in {others} rows more' if others else ''}. "
            f"Known are {', '.join(expected)}."
        )
    return values


def _whole(file: Path, cells: pd.DataFrame, column: str, names: pd.Series[str]) -> pd.Series[str]:
    """Return names that are whole numbers without the ``.0`` of a column with gaps in pandas.

    Elsewhere, in a file joined to this one or a DICOM header, the same person has none. Of a long
    number a spreadsheet keeps the first digits alone: many people would be one.
    """
    cut = names.str.fullmatch(_CUT_NUMBER).fillna(False)
    if cut.any():
        raise TrainingDataError(
            f"{file}: expected whole {column}s. Received, for {cells['path'][cut].iloc[0]}, a long "
            "number that a spreadsheet has cut to its first digits, as 1.23457E+11 is. Make the "
            "column text there, and fill it in again."
        )
    return names.str.replace(r"^(\d+)\.0$", r"\1", regex=True)


def _all_or_none(file: Path, cells: pd.DataFrame, column: str) -> pd.Series[str]:
    given = _optional(cells, column)
    if given.notna().any() and given.isna().any():
        raise TrainingDataError(
            f"{file}: expected a {column} in every row. "
            f"Received none for {cells['path'][given.isna()].iloc[0]}. {_REMEDY[column]}"
        )
    return given


def _numbers(file: Path, cells: pd.DataFrame, column: str, given: pd.Series[str]) -> pd.Series[int]:
    """Return a column of whole numbers as Int64."""
    numbers = pd.to_numeric(given, errors="coerce").astype("Float64")
    whole = (numbers >= 0) & (numbers < _MOST) & (numbers % 1 == 0)
    wrong = given.notna() & ~whole.fillna(False)
    if wrong.any():
        raise TrainingDataError(
            f"{file}: expected whole numbers from 0 as {column}s. Received "
            f"{given[wrong].iloc[0]!r} for {cells['path'][wrong].iloc[0]}."
        )
    return numbers.astype("Int64")


def _boxes(file: Path, cells: pd.DataFrame) -> pd.DataFrame:
    """Return the four box columns as float64, NaN where there is no box."""
    if "box" in cells:
        texts = cells["box"].str.split(r"[\s,;]+", regex=True, expand=True)
        texts = texts.reindex(columns=range(max(4, texts.shape[1])))
    else:
        texts = pd.concat([_optional(cells, name) for name in BOX_COLUMNS], axis=1)
    given = texts.notna().any(axis=1).to_numpy()
    numbers = texts.apply(pd.to_numeric, errors="coerce").astype("Float64")
    values = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    x0, y0, x1, y1 = values[:, :4].T
    right = (x0 >= 0) & (x0 < x1) & (x1 <= 1) & (y0 >= 0) & (y0 < y1) & (y1 <= 1)
    # A fifth part, or a part that is no number, leaves another pattern of gaps.
    wrong = given & ~(right & texts.iloc[:, 4:].isna().all(axis=1).to_numpy())
    if wrong.any():
        where = int(np.flatnonzero(wrong)[0])
        received = " ".join("" if pd.isna(part) else str(part) for part in texts.iloc[where])
        raise TrainingDataError(
            f"{file}: expected a box as fractions x0 y0 x1 y1 of width and height, 0 to 1, "
            f"x0 < x1 and y0 < y1. Received {received!r} for {cells['path'].iloc[where]}. "
            "Divide pixels by the picture's size, or leave the box empty."
        )
    return pd.DataFrame(values[:, :4], columns=list(BOX_COLUMNS), index=cells.index)
