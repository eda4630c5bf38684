"""The Parquet tables of a run: an atomic writer, and readers; `artemis.schemas` has their columns.

`slices` holds a row for every slice found, also those refused or failed;
`predictions` a row for every classified slice and model; `thumbnails` its small
pictures that reports show, those with the evidence of the first model that maps it, and larger
ones of what a human should look at first; `studies` a row for every series and study of several
slices, and model; `truth` the labels that a report was given. Column names are the public
interface.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from artemis.errors import RunRecordError
from artemis.runs import read_record
from artemis.schemas import PREDICTIONS_SCHEMA, SCHEMAS, SLICES_SCHEMA
from artemis.system.files import atomic_path
from artemis.whole import check_completed

if TYPE_CHECKING:
    from artemis.runs import RunPaths, RunRecord

_ROWS_AT_ONCE: Final = 1000
_WITH_GAPS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("series_index", "volume", "width", "height"), "Int32"),
    **dict.fromkeys(("needs_review", "trained_on"), "boolean"),
}
"""Types in pandas that hold what is missing too: NumPy's make floats and objects of them."""


def part_name(chunk: int) -> str:
    """Return the file name of a chunk's part, ``part-00042.parquet``."""
    return f"part-{chunk:05d}.parquet"


def chunk_parts(run: RunPaths, record: RunRecord, chunk: int) -> list[Path]:
    """Return the parts of a chunk in the order in which they are written."""
    predictions = (run.predictions(model.name) for model in record.models)
    return [folder / part_name(chunk) for folder in (run.slices, run.thumbnails, *predictions)]


def write_part(target: Path, rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> None:
    """Write one part atomically.

    Parameters
    ----------
    target : Path
        The part; its folder is made.
    rows : sequence of mapping
        One mapping a row; its keys must be exactly the schema's names.
    schema : pyarrow.Schema
        One of this module's schemas.

    Raises
    ------
    RunRecordError
        If a row has other columns than the schema, or a value of another type.
    """
    expected = set(schema.names)
    for row in rows:
        if set(row) != expected:
            odd = sorted(expected.symmetric_difference(row))
            raise RunRecordError(
                f"{target}: expected exactly the {len(expected)} columns of its schema. "
                f"Received a row that differs in: {', '.join(odd)}."
            )
    try:
        table = pa.Table.from_pylist(list(rows), schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise RunRecordError(
            f"{target}: expected values of the schema's types. Received: {error}."
        ) from error
    write_table(target, table)


def write_table(target: Path, table: pa.Table) -> None:
    """Write a table of one of this module's schemas as one part, atomically."""
    with atomic_path(target) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_table(
    run_dir: str | Path, name: str, columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """Read all parts of one table of a run, in the order of the chunks.

    Parameters
    ----------
    run_dir : str or Path
        ``<workspace>/runs/<run_id>``.
    name : {'slices', 'predictions', 'thumbnails', 'studies', 'truth'}
        Which table.
    columns : sequence of str, optional
        Which of its columns; all by default.

    Returns
    -------
    pandas.DataFrame
        One row a slice (and model); empty, with all columns, where no part exists.

    Raises
    ------
    RunRecordError
        If a part is unreadable or lacks a column of the schema.
    """
    empty = SCHEMAS[name].empty_table()
    wanted = columns or empty.column_names
    tables = [part.select(wanted) for part in _parts(run_dir, name)]
    frame: pd.DataFrame = pa.concat_tables([empty.select(wanted), *tables]).to_pandas()
    return frame


def table_rows(run_dir: str | Path, name: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of `read_table` as `plain_rows` does, holding one part at a time."""
    for part in _parts(run_dir, name):
        for values in zip(*map(_plain_values, part.columns), strict=True):
            yield dict(zip(part.column_names, values, strict=True))


def _plain_values(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    values: list[Any] = column.to_pylist()
    return values


def _parts(run_dir: str | Path, name: str) -> Iterator[pa.Table]:
    for path in sorted((Path(run_dir) / name).rglob("part-*.parquet")):
        yield read_part(path, SCHEMAS[name])


def plain_rows(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield rows as plain Python values: a missing one is None, an array a list.

    Rows are made by the thousand: a large table takes ten times its room as Python values.
    """
    for start in range(0, len(frame), _ROWS_AT_ONCE):
        plain = frame.iloc[start : start + _ROWS_AT_ONCE].astype(object)
        for row in plain.where(plain.notna(), None).to_dict("records"):
            yield {
                str(name): value.tolist() if isinstance(value, np.ndarray) else value
                for name, value in row.items()
            }


def read_run(run_dir: str | Path) -> pd.DataFrame:
    """Return a run's predictions joined with what is known of each slice.

    Parameters
    ----------
    run_dir : str or Path
        ``<workspace>/runs/<run_id>``.

    Returns
    -------
    pandas.DataFrame
        A row for every slice and model; a refused or failed slice has one row whose
        prediction columns are missing, so that every slice found is in the frame. Where a value
        may be missing, truths are of pandas' type ``boolean`` and whole numbers ``Int32``; a
        missing text or list is NaN.

    Raises
    ------
    RunRecordError
        If it is not the folder of a run, a part is unreadable, or a completed run has lost rows.
    """
    run_dir = _whole_run(run_dir)
    return _joined(read_table(run_dir, "slices"), read_table(run_dir, "predictions"))


def run_parts(run_dir: str | Path) -> Iterator[pd.DataFrame]:
    """Yield the rows of `read_run` in their order, holding one chunk's part at a time.

    Raises
    ------
    RunRecordError
        If it is not the folder of a run, a part is unreadable, a prediction is not in the part of
        its slice, or a completed run has lost rows.
    """
    run_dir = _whole_run(run_dir)
    for path in sorted((run_dir / "slices").rglob("part-*.parquet")):
        slices: pd.DataFrame = read_part(path, SLICES_SCHEMA).to_pandas()
        answers = [
            read_part(part, PREDICTIONS_SCHEMA)
            for part in sorted((run_dir / "predictions").rglob(path.name))
        ]
        predictions: pd.DataFrame = pa.concat_tables(
            [PREDICTIONS_SCHEMA.empty_table(), *answers]
        ).to_pandas()
        joined = _joined(slices, predictions)
        if joined["model"].notna().sum() != len(predictions):
            raise RunRecordError(
                f"{run_dir / 'predictions'}: expected in each {path.name} predictions of the "
                "slices of the same part. Received one of another slice. Classify the batch again."
            )
        yield joined


def _joined(slices: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    said = predictions.drop(columns=["slice_id", "run_id"])
    joined = slices.merge(said, on=["path", "frame"], how="left", validate="one_to_many")
    return joined.astype(_WITH_GAPS)


def _whole_run(run_dir: str | Path) -> Path:
    """Raise as `_checked_run` does, and where the record counts other rows than there are."""
    folder = _checked_run(run_dir)
    if (folder / "run.json").exists():
        check_completed(folder, read_record(folder))
    return folder


def _checked_run(run_dir: str | Path) -> Path:
    """Raise where no run is: no part is found there, and an empty frame would say so of a run."""
    folder = Path(run_dir)
    if not any((folder / name).exists() for name in ("run.json", "slices", "studies")):
        raise RunRecordError(
            f"{folder}: expected the folder of a run. Received one without run.json and tables. "
            "Give <workspace>/runs/<run id>, such as `artemis.runs.find_run(workspace, 'latest')`."
        )
    return folder


def read_studies(run_dir: str | Path) -> pd.DataFrame:
    """Return a run's answers for whole series and studies; empty where it holds none.

    Parameters
    ----------
    run_dir : str or Path
        ``<workspace>/runs/<run_id>``.

    Returns
    -------
    pandas.DataFrame
        A row for every series and every study of several slices, and model: `series_key` is
        missing in a study's own row. `slices` were found, `classified` of them are distinct
        and have an answer; ``p_<tumor>`` sum to 1 and `confidence` is that of `tumor`, by
        the rule named in `rule`; `supporting` lists the slice ids that speak most for it.

    Raises
    ------
    RunRecordError
        If it is not the folder of a run, or a part is unreadable.
    """
    return read_table(_checked_run(run_dir), "studies")


def mean_doubt(run_dir: Path, models: Sequence[str]) -> float | None:
    """Return the mean doubt of a run's first model, from 0 (sure) to 1; lower is better.

    Only the column ``doubt`` is read, see `artemis.answers.review.doubt_of`. None where there is no
    answer.

    Parameters
    ----------
    run_dir : Path
        ``<workspace>/runs/<run_id>``.
    models : sequence of str
        Names in the record's order.
    """
    folders = (run_dir / "predictions" / f"model={name}" for name in models)
    first = next((folder for folder in folders if folder.is_dir()), None)
    total, count = 0.0, 0
    for part in sorted(first.glob("part-*.parquet")) if first else []:
        try:
            column = pq.ParquetFile(part).read(columns=["doubt"]).column("doubt")
        except (OSError, pa.ArrowException):
            return None  # the run's own report names the part
        total += pc.sum(column).as_py() or 0.0
        count += len(column) - column.null_count
    return total / count if count else None


def read_part(path: Path, schema: pa.Schema) -> pa.Table:
    """Read one part of a run's table.

    Raises
    ------
    RunRecordError
        If it is missing, unreadable, lacks a column of the schema, or has one of another type.
    """
    try:
        # The file itself, not a data set: a folder named model=... must not add a column.
        table = pq.ParquetFile(path).read()
        table.validate(full=True)  # a flipped bit in a text is found nowhere else
    except (OSError, ValueError, pa.ArrowException) as error:
        raise RunRecordError(
            f"{path}: expected a Parquet file. Received: {error}. "
            "Delete it and run the batch again."
        ) from error
    missing = [name for name in schema.names if name not in table.column_names]
    if missing:
        raise RunRecordError(
            f"{path}: expected the columns of this version of Artemis. "
            f"Received a table without: {', '.join(missing)}. Classify the batch again, or read "
            "the run by the version that its run.json names."
        )
    try:
        return table.select(schema.names).cast(schema)
    except (ValueError, pa.ArrowException) as error:
        raise RunRecordError(
            f"{path}: expected columns of the types of this version of Artemis. "
            f"Received: {error}. Delete it and run the batch again."
        ) from error
