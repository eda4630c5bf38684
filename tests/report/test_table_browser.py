"""The table of slices in Debian's Chromium: how it is sorted, linked, printed and taken out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from artemis.report import limits
from artemis.report.build import build_report
from tests.report.browsing import BROWSER_TEST, OpenPage
from tests.report.conftest import typical_tables, write_run

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
        assert column(page, index)[-4:] == ["–"] * 4
        assert "–" not in column(page, index)[:-4]


HELD = "window.held = []; window.requestIdleCallback = go => window.held.push(go);"
"""Lets no browser be idle, so that the rest of a long table is not read."""
RELEASED = "setInterval(() => window.held.splice(0).forEach(go => go()), 5)"


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
