from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from artemis.report.run.comparison import (
    category_counts,
    comparison,
    disagreements,
    matrix_of,
    models_view,
)
from artemis.report.run.data import load_run
from tests.report.conftest import typical_tables, write_run

MakeRun = Callable[..., Path]


def test_a_model_s_counts_add_up_to_its_answers(make_run: MakeRun) -> None:
    matrix = category_counts(load_run(make_run()), "mobilenet_v2")
    assert matrix.total == 30
    assert matrix.rows == ("Glioma", "Meningioma", "Pituitary", "No tumour")
    assert [cell.count for cell in matrix.cells[0]] == [3, 3, 3]
    assert matrix.column_totals == [10, 10, 10]


def test_agreement_counts_the_diagonal(make_run: MakeRun) -> None:
    found = comparison(load_run(make_run()), "mobilenet_v2", "baseline")
    assert found["agreement"] == [
        ("tumour and plane", "27", "90%"),
        ("tumour", "27", "90%"),
        ("plane", "30", "100%"),
    ]
    diagonal = sum(found["tumor"].cells[i][i].count for i in range(4))
    assert diagonal == 27
    assert found["tumor"].cells[0][0].agreement
    assert not found["tumor"].cells[0][1].agreement


def test_disagreements_of_the_surest_models_come_first(make_run: MakeRun) -> None:
    items = disagreements(load_run(make_run()))
    least = [min(a.confidence for a in item.answers.values()) for item in items]
    assert len(items) == 3
    assert least == sorted(least, reverse=True)


def test_what_is_unlike_the_training_images_is_nowhere_the_surest(tmp_path: Path) -> None:
    tables = typical_tables(30, rejected=False)
    surest = max(range(0, 30, 10), key=lambda i: tables.predictions["baseline"][i]["confidence"])
    tables.predictions["baseline"][surest]["review_reasons"].append("out_of_distribution")
    data = load_run(write_run(tmp_path, tables).root)
    assert [item.number for item in disagreements(data)] == [11, 1, 21]


def test_a_matrix_of_zeros_has_no_shade() -> None:
    matrix = matrix_of({}, ("glioma",), ("coronal",))
    assert matrix.cells[0][0].shade == 0
    assert matrix.total == 0


def test_three_models_give_three_pairs_and_one_gives_none(make_run: MakeRun) -> None:
    data = load_run(make_run(models=("a", "b", "c")))
    assert [(p["first"], p["second"]) for p in models_view(data)["pairs"]] == [
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
    ]
