from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from artemis import predictions
from artemis.answers.review import ReviewReason
from artemis.errors import RunRecordError
from artemis.labels import CATEGORIES
from artemis.report.run.data import load_run
from artemis.report.words import REVIEW_REASON_WORDS
from artemis.schemas import SLICES_SCHEMA
from tests.report.conftest import Tables, prediction_row, slice_row, typical_tables

MakeRun = Callable[..., Path]


def doubtful(first: tuple[int, float], second: tuple[int, float], path: str) -> Tables:
    row = slice_row(path, slice_id="ab" * 32)
    rows = [
        prediction_row(row, model, *answer, needs_review=True, review_reasons=["low_confidence"])
        for model, answer in zip(("mobilenet_v2", "baseline"), (first, second), strict=True)
    ]
    return Tables([row], {"mobilenet_v2": rows[:1], "baseline": rows[1:]})


def merged(*parts: Tables) -> Tables:
    whole = Tables(predictions={"mobilenet_v2": [], "baseline": []})
    for part in parts:
        whole.slices += part.slices
        for model, rows in part.predictions.items():
            whole.predictions[model] += rows
    return whole


def test_every_row_of_slices_becomes_an_item_with_the_answers_of_both_models(
    make_run: MakeRun,
) -> None:
    data = load_run(make_run())
    assert len(data.items) == 34
    assert len(data.ok) == 30
    assert all(set(item.answers) == {"mobilenet_v2", "baseline"} for item in data.ok)
    assert [item.path for item in data.rejected] == [
        "photo.jpg",
        "ct/scan.dcm",
        "broken.png",
        "empty.nii.gz",
    ]


def test_review_puts_the_slice_first_whose_first_answer_is_most_in_doubt(
    make_run: MakeRun,
) -> None:
    tables = merged(
        *(doubtful((0, 0.5), (0, 0.5), f"{name}.png") for name in ("less", "most", "least"))
    )
    for row, doubt in zip(tables.predictions["mobilenet_v2"], (0.5, 0.9, 0.1), strict=True):
        row["doubt"] = doubt
    order = [item.path for item in load_run(make_run(tables)).review]
    assert order == ["most.png", "less.png", "least.png"]


def test_set_of_an_answer_is_read_as_categories(make_run: MakeRun) -> None:
    tables = doubtful((0, 0.5), (0, 0.5), "a.png")
    tables.predictions["mobilenet_v2"][0]["set_90"] = ["glioma_coronal", "none_coronal"]
    answers = load_run(make_run(tables)).items[0].answers
    assert answers["mobilenet_v2"].set_90 == (CATEGORIES[0], CATEGORIES[9])
    assert answers["baseline"].set_90 == (CATEGORIES[0],)


def test_copies_of_a_slice_have_different_anchors(make_run: MakeRun) -> None:
    tables = merged(doubtful((0, 0.5), (0, 0.5), "a.png"), doubtful((0, 0.5), (0, 0.5), "b.png"))
    tables.slices.append(slice_row("broken.png", status="failed"))
    anchors = [item.anchor for item in load_run(make_run(tables)).items]
    assert anchors == ["slice-abababababababab-1", "slice-abababababababab-2", "slice-unread-1"]


def test_reasons_are_plain_words_naming_a_model_where_not_all_agree(make_run: MakeRun) -> None:
    tables = doubtful((0, 0.5), (0, 0.5), "a.png")
    tables.predictions["baseline"][0]["review_reasons"] = ["low_confidence", "plane_mismatch"]
    tables.predictions["mobilenet_v2"][0]["review_reasons"] = ["low_confidence", "of_tomorrow"]
    item = load_run(make_run(tables)).items[0]
    assert item.review_words() == [
        "low confidence",
        "of_tomorrow (mobilenet_v2)",
        "plane differs from the header\u2019s (baseline)",
    ]


def test_every_review_reason_has_words() -> None:
    assert set(REVIEW_REASON_WORDS) == {str(reason) for reason in ReviewReason}


@pytest.mark.parametrize(("second", "kind"), [(0, None), (1, "plane"), (3, "tumour"), (4, "both")])
def test_a_disagreement_is_of_tumour_plane_or_both(
    make_run: MakeRun, second: int, kind: str | None
) -> None:
    tables = doubtful((0, 0.9), (second, 0.9), "a.png")
    assert load_run(make_run(tables)).items[0].disagreement == kind


def test_top_three_are_the_most_probable_categories(make_run: MakeRun) -> None:
    answer = load_run(make_run(typical_tables(1))).items[0].answers["mobilenet_v2"]
    top = answer.top()
    assert len(top) == 3
    assert top[0] == (answer.category, answer.confidence)


def test_an_unknown_category_names_the_table_and_what_to_do(make_run: MakeRun) -> None:
    tables = typical_tables(1)
    tables.predictions["baseline"][0]["category"] = "astrocytoma_coronal"
    with pytest.raises(
        RunRecordError,
        match=r"predictions: expected the twelve categories.*"
        r"Received 'astrocytoma_coronal'.*classify again",
    ):
        load_run(make_run(tables))


def test_a_run_that_goes_on_while_it_is_read_is_read_all_the_same(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, read, seen = make_run(), predictions.read_part, []
    part = run / "slices" / "part-00000.parquet"

    def read_and_go_on(path: Path, schema: pa.Schema) -> pa.Table:
        table = read(path, schema)
        if path == part and not seen:  # a chunk is finished just after
            seen.append(path)
            late = run / "slices" / "part-00099.parquet"
            rows = [slice_row("late.png", series_key="late", slice_id="ef" * 32)]
            predictions.write_part(late, rows, SLICES_SCHEMA)
        return table

    monkeypatch.setattr(predictions, "read_part", read_and_go_on)
    items = load_run(run).items
    assert len(items) in (34, 35)
    assert {item.series_key for item in items if item.path == "late.png"} <= {"late"}
