from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artemis.errors import RunRecordError
from artemis.labels import PROBABILITY_COLUMNS
from artemis.predictions import (
    plain_rows,
    read_run,
    read_studies,
    read_table,
    run_parts,
    table_rows,
    write_part,
)
from artemis.schemas import PREDICTIONS_SCHEMA, SLICES_SCHEMA


def slice_row(path: str, status: str = "ok", frame: int = 0) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(SLICES_SCHEMA.names)
    row |= {"path": path, "frame": frame, "status": status, "run_id": "r"}
    return row | ({"slice_id": f"id-{path}-{frame}", "width": 64} if status == "ok" else {})


def prediction_row(path: str, model: str) -> dict[str, Any]:
    return {
        "slice_id": f"id-{path}-0",
        "path": path,
        "frame": 0,
        "model": model,
        "model_version": "1",
        "category": "none_coronal",
        "tumor": "none",
        "plane": "coronal",
        "confidence": 0.5,
        "p_tumor": 0.5,
        **dict.fromkeys(PROBABILITY_COLUMNS, 1 / 12),
        "set_90": ["none_coronal", "none_sagittal"],
        "ood_score": 1.0,
        "doubt": 0.5,
        "needs_review": True,
        "review_reasons": ["low_confidence"],
        "trained_on": False,
        "out_of_fold_category": None,
        "run_id": "r",
    }


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    for chunk, path in enumerate(("a.png", "b.png")):
        part = f"part-{chunk:05d}.parquet"
        write_part(tmp_path / "slices" / part, [slice_row(path)], SLICES_SCHEMA)
        for model in ("mobilenet_v2", "baseline"):
            target = tmp_path / "predictions" / f"model={model}" / part
            write_part(target, [prediction_row(path, model)], PREDICTIONS_SCHEMA)
    failed = [slice_row("broken.png", "failed")]
    write_part(tmp_path / "slices" / "part-00002.parquet", failed, SLICES_SCHEMA)
    return tmp_path


def test_run_reads_back_with_a_row_for_every_slice_and_model(run_dir: Path) -> None:
    frame = read_run(run_dir)
    assert len(frame) == 5
    assert frame["model"].isna().sum() == 1
    assert frame.loc[frame["model"].isna(), "path"].tolist() == ["broken.png"]
    assert frame[list(PROBABILITY_COLUMNS)].dropna().sum(axis=1).to_numpy() == pytest.approx(1)


def test_a_run_in_parts_has_the_same_rows_in_the_same_order(run_dir: Path) -> None:
    parts = [*run_parts(run_dir)]
    assert [len(part) for part in parts] == [2, 2, 1]
    rows = [row for part in parts for row in plain_rows(part)]
    assert rows == [*plain_rows(read_run(run_dir))]


def test_a_prediction_in_another_part_than_its_slice_is_not_dropped(run_dir: Path) -> None:
    target = run_dir / "predictions" / "model=baseline" / "part-00001.parquet"
    write_part(target, [prediction_row("a.png", "baseline")], PREDICTIONS_SCHEMA)
    with pytest.raises(RunRecordError, match=r"in each part-00001\.parquet .* of another slice"):
        [*run_parts(run_dir)]


def test_column_types_are_those_of_the_schema(run_dir: Path) -> None:
    part = run_dir / "predictions" / "model=baseline" / "part-00000.parquet"
    assert pq.ParquetFile(part).schema_arrow.remove_metadata() == PREDICTIONS_SCHEMA
    assert read_table(run_dir, "predictions")["p_none_coronal"].dtype == np.float32


def test_polars_opens_the_parts_as_they_are(run_dir: Path) -> None:
    frame = pl.read_parquet(f"{run_dir}/predictions/**/*.parquet")
    assert frame.height == 4
    assert set(frame["model"]) == {"mobilenet_v2", "baseline"}
    assert frame["review_reasons"].to_list()[0] == ["low_confidence"]
    assert frame["set_90"].to_list()[0] == ["none_coronal", "none_sagittal"]


def test_duckdb_opens_the_parts_as_they_are(run_dir: Path) -> None:
    parts = duckdb.read_parquet(f"{run_dir}/predictions/**/*.parquet")
    counts = parts.aggregate("model, count(*)").order("model")
    assert counts.fetchall() == [("baseline", 2), ("mobilenet_v2", 2)]


def test_whole_numbers_and_truths_stay_so_where_some_are_missing(run_dir: Path) -> None:
    frame = read_run(run_dir)
    assert frame[["series_index", "width", "height"]].dtypes.astype(str).tolist() == ["Int32"] * 3
    assert frame[["needs_review", "trained_on"]].dtypes.astype(str).tolist() == ["boolean"] * 2
    assert frame["needs_review"].isna().sum() == 1
    asked = frame[frame["needs_review"]]  # as a user writes it; NumPy's refuse what is missing
    assert asked["path"].tolist() == ["a.png", "a.png", "b.png", "b.png"]
    (*_, failed) = plain_rows(frame)
    assert (failed["needs_review"], failed["width"]) == (None, None)
    assert [type(row["width"]) for row in plain_rows(asked)] == [int] * 4


@pytest.mark.parametrize("read", [read_run, read_studies, lambda folder: [*run_parts(folder)]])
def test_folder_that_is_no_run_is_named_and_not_read_as_an_empty_one(
    tmp_path: Path, read: Callable[[Path], object]
) -> None:
    for folder in (tmp_path / "none", tmp_path):
        with pytest.raises(RunRecordError) as raised:
            read(folder)
        assert str(raised.value) == (
            f"{folder}: expected the folder of a run. Received one without run.json and tables. "
            "Give <workspace>/runs/<run id>, such as `artemis.runs.find_run(workspace, 'latest')`."
        )


def test_run_without_parts_is_an_empty_frame_with_all_columns(tmp_path: Path) -> None:
    (tmp_path / "slices").mkdir()
    assert read_table(tmp_path, "slices").columns.tolist() == SLICES_SCHEMA.names
    assert read_run(tmp_path).empty


def test_row_with_a_missing_column_is_refused(tmp_path: Path) -> None:
    row = slice_row("a")
    del row["width"]
    with pytest.raises(RunRecordError, match=r"part\.parquet: .* differs in: width"):
        write_part(tmp_path / "part.parquet", [row], SLICES_SCHEMA)
    assert not (tmp_path / "part.parquet").exists()


def test_value_of_another_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunRecordError, match="expected values of the schema's types"):
        write_part(tmp_path / "part.parquet", [slice_row("a") | {"width": "wide"}], SLICES_SCHEMA)


def test_half_written_part_is_named(run_dir: Path) -> None:
    part = run_dir / "slices" / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(RunRecordError, match=r"part-00000\.parquet: expected a Parquet file"):
        read_table(run_dir, "slices")


def test_table_of_another_version_is_named(run_dir: Path) -> None:
    part = run_dir / "slices" / "part-00000.parquet"
    pq.write_table(pq.ParquetFile(part).read().drop_columns(["contrast"]), part)
    with pytest.raises(RunRecordError, match=r"without: contrast\. Classify the batch again"):
        read_table(run_dir, "slices")


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("width", pa.array(["wide"])),
        ("width", pa.array([[1]])),
        ("status", pa.array([None], pa.string())),
        ("reason", pa.array([b"\xff"]).view(pa.string())),
    ],
)
def test_part_with_values_of_another_type_is_named(run_dir: Path, column, values) -> None:
    part = run_dir / "slices" / "part-00000.parquet"
    table = pq.ParquetFile(part).read().slice(0, 1)
    at = table.schema.get_field_index(column)
    pq.write_table(table.set_column(at, column, values), part)
    with pytest.raises(RunRecordError, match=r"part-00000\.parquet: expected"):
        read_table(run_dir, "slices")


def test_plain_rows_hold_none_for_what_is_missing_and_lists_for_arrays() -> None:
    frame = pd.DataFrame(
        {"a": [1.5, np.nan], "b": [np.array(["x", "y"]), None], "c": ["t", None]},
    )
    assert [*plain_rows(frame)] == [
        {"a": 1.5, "b": ["x", "y"], "c": "t"},
        {"a": None, "b": None, "c": None},
    ]
    assert len([*plain_rows(pd.concat([frame] * 1001))]) == 2002


def test_rows_of_a_table_are_plain_part_by_part_and_keep_whole_numbers(run_dir: Path) -> None:
    part = run_dir / "slices" / "part-00000.parquet"
    known = slice_row("c.png") | {"width": 256, "contrast": 0.1, "entropy": float("nan")}
    write_part(part.with_name("part-00009.parquet"), [known], SLICES_SCHEMA)
    rows = [*table_rows(run_dir, "slices")]
    assert [row["path"] for row in rows] == read_table(run_dir, "slices")["path"].tolist()
    assert list(rows[0]) == SLICES_SCHEMA.names
    assert {name: rows[-1][name] for name in ("width", "contrast", "entropy", "height")} == {
        "width": 256,
        "contrast": float(np.float32(0.1)),
        "entropy": None,
        "height": None,
    }
    assert type(rows[-1]["width"]) is int


def test_columns_that_are_asked_for_alone_are_read(run_dir: Path, tmp_path: Path) -> None:
    whole = read_table(run_dir, "slices")
    assert read_table(run_dir, "slices", ["path", "frame"]).equals(whole[["path", "frame"]])
    assert read_table(tmp_path / "none", "slices", ["path"]).columns.tolist() == ["path"]
