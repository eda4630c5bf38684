from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from artemis.report.run.as_data import COLUMNS, csv_data, data_rows, json_data
from tests.report.conftest import RUN_ID, Tables, prediction_row, slice_row, typical_tables

MakeRun = Callable[..., Path]
DOCS = (Path(__file__).parents[3] / "docs" / "outputs.md").read_text(encoding="utf-8")


def test_a_row_for_every_slice_and_model_and_one_for_a_refused(make_run: MakeRun) -> None:
    rows = [*data_rows(make_run(typical_tables(2)))]
    assert [(row["path"], row["model"], row["status"]) for row in rows[2:5]] == [
        ("patient_0/slice_00001.png", "baseline", "ok"),
        ("patient_0/slice_00001.png", "mobilenet_v2", "ok"),
        ("photo.jpg", None, "refused"),
    ]
    assert len(rows) == 8
    assert (rows[1]["width"], rows[1]["confidence"]) == (256, 0.65)


def test_csv_has_the_documented_columns_and_defused_names(make_run: MakeRun) -> None:
    row = slice_row("=cmd|' /C calc'!A0.png", slice_id="ab" * 32, width=64)
    answer = prediction_row(row, "baseline", 4, 0.5, review_reasons=["low_confidence"])
    run = make_run(Tables([row], {"baseline": [answer]}), ("baseline",))
    (read,) = csv.DictReader(io.StringIO("".join(csv_data(run)), newline=""))
    assert [*read] == [*COLUMNS]
    assert read["path"] == "'=cmd|' /C calc'!A0.png"
    assert (read["category"], read["review_reasons"]) == ("meningioma_sagittal", "low_confidence")
    assert (read["needs_review"], read["header_plane"]) == ("false", "")


def test_json_has_the_same_rows_and_the_run(make_run: MakeRun) -> None:
    run = make_run(typical_tables(3))
    data = json.loads("".join(json_data(run)))
    assert data["rows"] == [*data_rows(run)]
    assert data["run"]["run_id"] == RUN_ID
    assert data["run"]["batch"] == "ward 7"
    assert data["run"]["counts"]["slices"] == 7
    assert [model["name"] for model in data["run"]["models"]] == ["mobilenet_v2", "baseline"]
    assert "".join(json_data(run)) == "".join(json_data(run))


@pytest.mark.parametrize("slices", [0, 2])
def test_json_a_row_at_a_time_is_the_text_of_the_whole_object(
    make_run: MakeRun, slices: int
) -> None:
    tables = typical_tables(slices, rejected=bool(slices))
    if slices:
        tables.slices[-1]["reason"] = "a\nb\u2028c"
    text = "".join(json_data(make_run(tables)))
    whole = json.loads(text)
    assert len(whole["rows"]) == 4 * slices
    assert text == json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def test_no_key_of_a_patient_leaves(make_run: MakeRun) -> None:
    tables = typical_tables(1)
    keys = {"patient_key": "0123456789abcdef", "study_key": "1" * 16, "series_key": "2" * 16}
    tables.slices[0] |= keys
    run = make_run(tables)
    for text in ("".join(json_data(run)), "".join(csv_data(run))):
        assert not [key for key in (*keys, *keys.values()) if key in text]


def test_every_column_is_documented_in_its_words() -> None:
    for name, meaning in [*COLUMNS.items()][:-12]:
        assert f"| `{name}` | {meaning} |" in DOCS
