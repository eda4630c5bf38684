"""The table of slices in Debian's Chromium: how it is sorted, linked, printed and taken out."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from artemis.report.run import limits
from artemis.report.run.as_data import csv_data
from artemis.report.run.build import build_report
from artemis.report.tabular import csv_text
from artemis.report.words import DASH
from artemis.system.formulas import undone
from tests.report.browsing import BROWSER_TEST, HELD, RELEASED, OpenPage
from tests.report.conftest import (
    HOSTILE,
    MODELS,
    RUN_ID,
    Tables,
    slice_row,
    typical_tables,
    write_run,
)

pytestmark = BROWSER_TEST


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    return build_report(write_run(folder, typical_tables(24)).root, folder / "index.html")


def column(page: Any, index: int) -> list[str]:
    """Return the words of a column of the table of slices, from the top."""
    cells = page.locator(f"#table-slices tbody tr td:nth-child({index + 1})")
    return [str(words).strip() for words in cells.all_text_contents()]


def press(page: Any, index: int) -> None:
    """Press the head that sorts by a column."""
    page.locator(f"#table-slices th[data-col='{index}'] button").press("Enter")


@pytest.mark.parametrize("index", [5, 6])  # answer and confidence of the first model
def test_what_has_no_answer_comes_last_in_either_direction(
    open_page: OpenPage, report: Path, index: int
) -> None:
    page = open_page(report)
    for _ in ("ascending", "descending"):
        press(page, index)
        assert column(page, index)[-4:] == [DASH] * 4
        assert DASH not in column(page, index)[:-4]


def test_on_a_laptop_the_reason_is_the_widest_column_and_no_word_is_cut(
    open_page: OpenPage, report: Path
) -> None:
    page = open_page(report, viewport={"width": 1280, "height": 900})
    cells = page.locator("#table-slices tbody tr").first.locator("> *")
    *others, why = cells.evaluate_all("all => all.map(one => one.getBoundingClientRect().width)")
    assert why > 250
    assert why > max(others)
    cut = "all => all.filter(one => one.scrollWidth > one.clientWidth).map(one => one.textContent)"
    assert page.locator("#table-slices :is(td, th)").evaluate_all(cut) == []


@pytest.fixture
def loading(open_page: OpenPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a page of 104 slices that has read the first 40 until `RELEASED` runs."""
    monkeypatch.setattr(limits, "FIRST_ROWS", 40)
    monkeypatch.setattr(limits, "CHUNK_ROWS", 30)
    run = write_run(tmp_path / "data", typical_tables(100)).root
    page = open_page(build_report(run, tmp_path / "index.html"))
    page.add_init_script(HELD)
    page.reload()
    assert len(column(page, 0)) == 40
    return page


def test_a_table_sorted_while_it_loads_is_sorted_whole(loading: Any) -> None:
    press(loading, 0)
    press(loading, 0)
    loading.evaluate(RELEASED)
    loading.get_by_text("104 rows", exact=True).wait_for()
    assert column(loading, 0) == [str(number) for number in range(104, 0, -1)]


def test_an_address_that_is_no_text_links_to_nothing(open_page: OpenPage, report: Path) -> None:
    page = open_page(report, "#%")
    page.evaluate("location.hash = '#%E0%A4%A'")
    press(page, 0)  # that the page threw nothing is seen when it closes
    assert column(page, 0)[0] == "1"


def test_what_was_unfolded_for_print_is_folded_again(open_page: OpenPage, report: Path) -> None:
    page = open_page(report)
    folded = page.locator("details:not([open])")
    page.locator("details").first.evaluate("one => { one.open = true; }")
    before = folded.count()
    assert before > 0
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert folded.count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert folded.count() == before
    assert page.locator("details").first.get_attribute("open") is not None


def taken_out(page: Any, meanwhile: str = "") -> list[dict[str, str]]:
    """Return the rows of the CSV that the page gives when the button is pressed."""
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV of these rows").click()
        page.evaluate(meanwhile)
        page.get_by_text("in the CSV").wait_for()  # else the click is what was lost
    assert waiting.value.suggested_filename == f"slices_{RUN_ID}.csv"
    text = Path(waiting.value.path()).read_bytes().decode("utf-8")
    rows = [*csv.DictReader(io.StringIO(text, newline=""))]
    written = [{name: undone(cell) for name, cell in row.items()} for row in rows]
    assert text == csv_text([*rows[0]], written)  # as Artemis writes, without a mark
    return rows


def test_the_csv_has_the_rows_that_the_filter_shows_whole_and_in_their_order(
    loading: Any, tmp_path: Path
) -> None:
    loading.get_by_role("combobox", name="Plane").select_option(label="Coronal")
    loading.get_by_text("14 of 40 rows").wait_for()
    press(loading, 0)
    press(loading, 0)
    rows = taken_out(loading, RELEASED)  # pressed while the table loads, it waits for the rest
    assert loading.get_by_text("34 rows in the CSV").get_attribute("aria-live") == "polite"
    assert [row["number"] for row in rows] == [str(number) for number in range(100, 0, -3)]
    whole = {
        (row["path"], row["model"]): row
        for row in csv.DictReader(csv_data(tmp_path / "data" / "runs" / RUN_ID))
    }
    files = [*dict.fromkeys(path for path, _ in whole)]
    assert [files[int(row["number"]) - 1] for row in rows] == [row["path"] for row in rows]
    same = (
        "run_id",
        "slice_id",
        "path",
        "frame",
        "header_plane",
        "status",
        "reason_code",
        "needs_review",
    )
    for row in rows:
        first, second = (whole[row["path"], model] for model in MODELS)
        assert [row[name] for name in same] == [first[name] for name in same]
        assert [row[f"category_{model}"] for model in MODELS] == [
            first["category"],
            second["category"],
        ]
    assert rows[-1]["review_reasons"] == "models_disagree;low_confidence"
    assert rows[-1]["confidence_shown_mobilenet_v2"] == "65%"


def test_a_csv_runs_nothing_and_says_which_names_are_shortened(
    open_page: OpenPage, tmp_path: Path
) -> None:
    starts = ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"]
    names = [
        *(f'{start}1,"a".png' for start in starts),
        HOSTILE,
        " a.png",
        "'=1",
        "x" * 300,
        "=" * 121,
    ]
    reason = "=1: expected a picture."
    tables = Tables(
        [
            slice_row(name, status="failed", reason_code="empty_file", reason=reason)
            for name in names
        ],
        {model: [] for model in MODELS},
    )
    page = open_page(build_report(write_run(tmp_path, tables).root, tmp_path / "index.html"))
    rows = taken_out(page)
    defused = [*(f"'{name}" for name in names[:8]), *names[8:10], "''=1"]
    assert [row["path"] for row in rows[:11]] == defused
    assert [row["path_shortened"] for row in rows] == ["false"] * 11 + ["true"] * 2
    assert [row["path"][:41] for row in rows[11:]] == ["x" * 39 + "…x", "'" + "=" * 39 + "…"]
    assert {row["why"] for row in rows} == {"'=1: expected a picture."}
    assert {row["reason_code"] for row in rows} == {"empty_file"}
    assert {row["category_baseline"] + row["needs_review"] for row in rows} == {""}
