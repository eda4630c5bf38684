from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from artemis.report.run.data import load_run
from artemis.report.run.verdict import findings, notices, readouts, status_bar, verdict
from artemis.runs import Counts, RunStatus
from tests.report.conftest import Tables, slice_row, typical_tables

MakeRun = Callable[..., Path]


def test_the_verdict_counts_what_became_of_the_batch(make_run: MakeRun) -> None:
    assert verdict(load_run(make_run())) == (
        "Of 34 slices in 34 files, 30 were classified, 2 refused and 2 failed; "
        "3 should be looked at by a person first."
    )


def test_the_verdict_of_a_clean_batch_is_short(make_run: MakeRun) -> None:
    tables = typical_tables(9, rejected=False)
    for rows in tables.predictions.values():
        rows[0].update(needs_review=False, review_reasons=[])
    assert verdict(load_run(make_run(tables))) == (
        "All 9 slices in 9 files were classified; none of the answers calls for a second look."
    )


@pytest.mark.parametrize(
    ("slices", "words"),
    [
        ([], "No slice was found in this batch."),
        (
            [slice_row("a.png", status="failed")],
            "The only slice in 1 file could not be classified: 1 failed.",
        ),
        (
            [slice_row("a.png", status="failed"), slice_row("b.png", status="refused")],
            "None of the 2 slices in 2 files could be classified: 1 refused and 1 failed.",
        ),
    ],
)
def test_the_verdict_of_a_batch_without_answers(
    make_run: MakeRun, slices: list[dict[str, object]], words: str
) -> None:
    assert verdict(load_run(make_run(Tables(slices)))) == words


def test_the_only_slice_is_called_it(make_run: MakeRun) -> None:
    assert verdict(load_run(make_run(typical_tables(1, rejected=False)))) == (
        "The only slice in 1 file was classified; it should be looked at by a person first."
    )


def test_agreement_is_shown_only_where_two_models_answered(make_run: MakeRun) -> None:
    shown = {label: figure for label, figure, _ in readouts(load_run(make_run()))}
    assert shown["Models agree"] == "90%"
    assert shown["To review"] == "3"


def test_one_model_has_no_agreement(make_run: MakeRun) -> None:
    data = load_run(make_run(models=("baseline",)))
    assert "Models agree" not in {label for label, _, _ in readouts(data)}
    assert findings(data)[0][0] == "baseline"


def test_a_missing_part_is_noticed(make_run: MakeRun) -> None:
    found = notices(load_run(make_run(counts=Counts(slices=40))))
    assert found == [
        "The record counts 40 slices and the tables hold 34; parts of the run are missing."
    ]


def test_slices_that_a_model_left_out_are_noticed(make_run: MakeRun) -> None:
    tables = typical_tables(10)
    del tables.predictions["baseline"][3:]
    assert notices(load_run(make_run(tables))) == [
        "baseline gave no answer for 7 slices of 10 that could be classified."
    ]


def test_a_failed_run_says_so_with_its_error(make_run: MakeRun) -> None:
    found = notices(load_run(make_run(status=RunStatus.FAILED, error="the disk is full")))
    assert found == ["This run failed: the disk is full"]


def test_the_coloured_counts_are_the_parts_of_the_bar(make_run: MakeRun) -> None:
    data = load_run(make_run())
    key = [(label, figure) for label, figure, style in readouts(data) if style]
    assert key == [("No review", "27"), ("To review", "3"), ("Refused", "2"), ("Failed", "2")]
    assert sum(int(figure) for _, figure in key) == len(data.items)
    words = "Of 34 slices: 27 classified and not to review, 3 to review, 2 refused, 2 failed."
    assert words in status_bar(data)
