from __future__ import annotations

import io

import pytest
from rich.console import Console

from artemis.console import print_summary, progress_bar, talk
from artemis.progress import report_progress
from artemis.runs import Counts
from tests.test_runs import record


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=120)


def text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_summary_states_counts_and_unbroken_paths() -> None:
    done = record("20261123T000000Z-aaaaaa").model_copy(
        update={
            "counts": Counts(files=3, slices=5, ok=3, refused=1, failed=1, needs_review=2),
            "timings": {"plan": 0.5, "classify": 1.5},
            "tasks": 5,
            "passed_over": {"data/runs": 12, "reports": 2},
            "report": "/reports/" + "deep/" * 40 + "index.html",
        }
    )
    console = Console(file=io.StringIO(), width=40)
    print_summary(console, done, recorded=5)
    shown = text(console)
    assert "5 found in 3 files: 3 classified, 1 refused, 1 failed" in shown
    assert "2.0 s to find and classify (2 slices a second)" in shown
    assert "files that Artemis itself wrote: data/runs 12, reports 2" in shown
    assert done.report in shown
    assert "For research use only. Not a medical device." in shown


@pytest.mark.parametrize(
    ("count", "found", "review"),
    [
        (1, "1 found in 1 file: 1 classified", "1 needs a look"),
        (2, "in 2 files", "2 need a look"),
        (1000, "1,000 found in 1,000 files: 1,000 classified", "1,000 need a look"),
    ],
)
def test_summary_counts_one_as_one_and_sets_thousands_apart(
    count: int, found: str, review: str
) -> None:
    counts = Counts(files=count, slices=count, ok=count, needs_review=count)
    done = record("20261123T000000Z-aaaaaa").model_copy(update={"counts": counts})
    console = Console(file=io.StringIO())
    print_summary(console, done, recorded=5)
    assert found in text(console)
    assert review in text(console)


def test_slices_a_second_are_those_of_the_time_beside_them() -> None:
    done = record("20261123T000000Z-aaaaaa").model_copy(
        update={"counts": Counts(files=28, slices=28, ok=28), "timings": {"plan": 1, "classify": 3}}
    )
    console = Console(file=io.StringIO())
    print_summary(console, done, recorded=5)
    assert "4.0 s to find and classify (7 slices a second)" in text(console)


@pytest.mark.parametrize(
    ("ok", "said"), [(1, "(0.40 slices"), (3, "(1.20 slices"), (10, "(4 slices")]
)
def test_few_slices_a_second_are_not_rounded_to_none(ok: int, said: str) -> None:
    done = record("20261123T000000Z-aaaaaa").model_copy(
        update={"counts": Counts(files=ok, slices=ok, ok=ok), "timings": {"classify": 2.5}}
    )
    console = Console(file=io.StringIO())
    print_summary(console, done, recorded=5)
    assert f"2.5 s to find and classify {said} a second)" in text(console)


def test_progress_is_shown_with_counts_on_a_terminal() -> None:
    console = terminal()
    with progress_bar(console, "starting"):
        report_progress("finding scans", 40)
        report_progress("classifying", 30, 120)
    assert "classifying" in text(console)
    assert "30 of 120" in text(console)


def test_nothing_moves_where_there_is_no_terminal() -> None:
    console = Console(file=io.StringIO(), force_terminal=False)
    with progress_bar(console, "starting"):
        report_progress("classifying", 1, 2)
    assert text(console) == ""


def test_quiet_talk_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    talk(quiet=True).print("anything")
    assert capsys.readouterr() == ("", "")


def test_reports_without_a_listener_go_nowhere() -> None:
    report_progress("classifying", 1, 2)
