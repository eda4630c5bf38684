"""The tables of a shard's run, row by row in the order of the whole batch.

The plan of a run says which slice of the whole batch each row is of. Rows are read part by part
and handed out by position, so that merging holds a few parts of each shard and no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from artemis.errors import MergeError
from artemis.ingest.plan import PlanEntry, read_plan
from artemis.predictions import part_name, read_part
from artemis.runs import RunPaths
from artemis.schemas import PREDICTIONS_SCHEMA, SLICES_SCHEMA, THUMBNAILS_SCHEMA

SLICES: Final = "slices"
THUMBNAILS: Final = "thumbnails"
POSITION: Final = "position"
"""Column that says which slice of the whole batch a row is of, from 0."""


class ShardTables:
    """Rows of one shard's run, to be taken in order.

    Parameters
    ----------
    run : RunPaths
        The run.
    models : sequence of str
        Names of the models of the run.
    """

    def __init__(self, run: RunPaths, models: Sequence[str]) -> None:
        self.run = run
        self._models = models
        self._plans = sorted(run.plan.glob("part-*.parquet"))
        self._next = 0
        self._held: dict[str, pa.Table] = {}

    def entries(self) -> Iterator[PlanEntry]:
        """Yield the whole plan of the run, of which one part is read at a time."""
        return (entry for path in self._plans for entry in read_plan(path))

    def take(self, stop: int) -> dict[str, pa.Table]:
        """Return what is left of the rows of slices before `stop`, a position in the batch.

        By ``slices``, ``thumbnails``, and a model's name for its predictions; each with the
        column `POSITION`.

        Raises
        ------
        MergeError
            If a part does not hold the rows of its plan.
        RunRecordError
            If a part is missing or unreadable.
        """
        while self._next < len(self._plans) and self._reach() < stop:
            self._load()
        taken = {}
        for name, table in self._held.items():
            before = pc.less(table[POSITION], stop)
            taken[name] = table.filter(before)
            self._held[name] = table.filter(pc.invert(before))
        return taken

    def _reach(self) -> int:
        held = self._held.get(SLICES)
        return held[POSITION][-1].as_py() + 1 if held is not None and len(held) else 0

    def _load(self) -> None:
        part = part_name(self._next)
        positions = _positions(read_plan(self._plans[self._next]))
        self._next += 1
        slices = read_part(self.run.slices / part, SLICES_SCHEMA)
        self._check(self.run.slices / part, len(slices), len(positions))
        ok = slices.filter(pc.equal(slices["status"], "ok"))
        ok_positions = positions[pc.equal(slices["status"], "ok").to_numpy()]
        loaded = {SLICES: _placed(slices, positions)}
        for model in self._models:
            path = self.run.predictions(model) / part
            loaded[model] = self._of_each(path, PREDICTIONS_SCHEMA, ok, ok_positions)
        path = self.run.thumbnails / part
        loaded[THUMBNAILS] = self._of_each(path, THUMBNAILS_SCHEMA, ok, ok_positions)
        for name, table in loaded.items():
            held = self._held.get(name)
            self._held[name] = table if held is None else pa.concat_tables([held, table])

    def _of_each(
        self, path: Path, schema: pa.Schema, ok: pa.Table, positions: NDArray[np.int64]
    ) -> pa.Table:
        """Return a part that has a row for each classified slice."""
        table = read_part(path, schema)
        self._check(path, table["slice_id"].to_pylist(), ok["slice_id"].to_pylist())
        return _placed(table, positions)

    def _check(self, path: Path, received: Any, expected: Any) -> None:
        if received != expected:
            raise MergeError(
                f"{path}: expected the rows that the run's plan and its other tables tell of. "
                f"Received others. Classify the shard again."
            )


def _positions(entries: Sequence[PlanEntry]) -> NDArray[np.int64]:
    ranges = [np.arange(e.position, e.position + e.n_frames, dtype=np.int64) for e in entries]
    return np.concatenate(ranges) if ranges else np.empty(0, dtype=np.int64)


def _placed(table: pa.Table, positions: NDArray[np.int64]) -> pa.Table:
    return table.append_column(POSITION, pa.array(positions))


def joined(tables: Sequence[pa.Table], run_id: str) -> pa.Table:
    """Return rows of several shards in the order of the batch, under a run's id.

    Parameters
    ----------
    tables : sequence of pyarrow.Table
        Of one schema with the column `POSITION`.
    run_id : str
        Of the merged run; put where the schema has a run's id.
    """
    table = pa.concat_tables(tables).sort_by(POSITION).drop_columns(POSITION)
    if "run_id" in table.column_names:
        at = table.schema.get_field_index("run_id")
        field = table.schema.field(at)
        table = table.set_column(at, field, pa.array([run_id] * len(table), type=field.type))
    return table
