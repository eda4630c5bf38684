"""Whether the tables of a run hold what its record counts."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from artemis.errors import RunRecordError
from artemis.runs import RunPaths, RunRecord, RunStatus


def check_completed(run_dir: Path, record: RunRecord) -> None:
    """Raise if a run that is completed has lost rows since; one that is not may lack some.

    Raises
    ------
    RunRecordError
        See `check_whole`.
    """
    if record.status is RunStatus.COMPLETED:
        check_whole(RunPaths(run_dir.parent.parent, record.run_id, run_dir), record)


def check_whole(paths: RunPaths, record: RunRecord) -> None:
    """Raise unless the tables, as whoever lists their parts finds them, hold what was counted.

    Raises
    ------
    RunRecordError
        If a table has fewer rows, or more, or a part cannot be read; of each the footer alone is.
    """
    counts = record.counts
    answers = {paths.predictions(model.name): counts.ok for model in record.models}
    for folder, rows in {paths.slices: counts.slices, **answers}.items():
        there = {part.name: _rows(part) for part in folder.glob("part-*.parquet")}
        if sum(there.values()) != rows:
            missing = sorted({part.name for part in paths.plan.glob("part-*.parquet")} - {*there})
            raise RunRecordError(
                f"{folder}: expected {rows} rows, as many as were counted. Received "
                f"{sum(there.values())}{f', and no {missing[0]}' if missing else ''}. They were "
                "lost, or this machine does not see yet what others wrote. Put them back, or "
                "start the batch again."
            )


def _rows(part: Path) -> int:
    try:
        return int(pq.ParquetFile(part).metadata.num_rows)
    except (OSError, pa.ArrowException) as error:
        raise RunRecordError(
            f"{part}: expected a Parquet file. Received: {error}. Put it back, or start the batch "
            "again."
        ) from error
