"""The report on paper, in Debian's Chromium."""

from __future__ import annotations

from pathlib import Path

import pytest

from artemis.report.run import limits
from artemis.report.run.build import build_report
from tests.report.browsing import BROWSER_TEST, OpenPage
from tests.report.conftest import typical_tables, write_run

pytestmark = BROWSER_TEST


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("paper")
    return build_report(write_run(folder / "data", typical_tables(120)).root, folder / "index.html")


def test_words_of_plots_have_one_size_and_are_on_paper(open_page: OpenPage, report: Path) -> None:
    page = open_page(report)
    page.locator(".card button").first.wait_for()  # which scripts add
    page.emulate_media(media="print")
    styles = page.locator(".plot text").evaluate_all(
        "all => all.map(one => getComputedStyle(one)).map(one => one.display + ' ' + one.fontSize)"
    )
    assert len(styles) > 40
    assert {style.split()[1] for style in styles} == {"11px"}
    assert not [style for style in styles if style.startswith("none")]


def test_paper_does_not_tell_people_to_use_the_bar(open_page: OpenPage, report: Path) -> None:
    page = open_page(report)
    told = page.get_by_text("Judge each in the bar at the foot of the page")
    page.get_by_text("How to read and judge these").click()
    assert told.is_visible()
    page.emulate_media(media="print")
    assert told.is_hidden()


def test_on_paper_no_heading_of_a_section_stands_alone_at_the_foot_of_a_page(
    open_page: OpenPage, report: Path
) -> None:
    page = open_page(report)
    page.emulate_media(media="print")
    styles = page.locator(".part > header").evaluate_all(
        "all => all.map(one => getComputedStyle(one))"
        ".map(one => [one.display, one.breakInside, one.breakAfter])"
    )
    # Chromium breaks between the rows of a grid, whatever they say.
    assert len(styles) > 5
    assert set(map(tuple, styles)) == {("block", "avoid", "avoid")}


def test_paper_ends_with_a_footer_of_one_line(open_page: OpenPage, report: Path) -> None:
    page = open_page(report, viewport={"width": 703, "height": 1000})
    page.locator("html.reviewable").wait_for()
    page.emulate_media(media="print")
    lowest = page.evaluate(
        "Math.max(...[...document.body.querySelectorAll('*')].filter(one => one.checkVisibility())"
        ".map(one => one.getBoundingClientRect().bottom))"
    )
    footer = page.locator("footer")
    box = footer.bounding_box()
    assert box
    shown = lowest - page.evaluate(
        "document.querySelector('footer').getBoundingClientRect().bottom"
    )
    assert shown <= 0  # what is below it has a page of its own
    assert "For research use only" in footer.inner_text()
    assert "asks nothing" not in footer.inner_text()
    assert box["height"] < 30


def test_paper_says_which_rows_a_filter_left_and_in_which_order(
    open_page: OpenPage, report: Path
) -> None:
    page = open_page(report)
    page.get_by_role("combobox", name="Status").select_option(label="failed")
    page.get_by_text("2 of 124 rows").wait_for()
    page.locator("#table-slices th[data-col='2'] button").press("Enter")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    said = page.locator("#slices .paper")
    assert said.inner_text() == (
        "Printed with 2 of 124 rows; Status: failed; sorted by File, ascending."
    )
    page.emulate_media(media="screen")
    assert said.is_hidden()
    page.get_by_role("button", name="Show all").click()
    for _ in range(2):
        page.locator("#table-slices th[data-col='2'] button").press("Enter")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert said.is_hidden()


def test_paper_gets_a_thousand_rows_and_no_button(
    open_page: OpenPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FIRST_ROWS", 40)
    monkeypatch.setattr(limits, "CHUNK_ROWS", 400)
    run = write_run(tmp_path / "data", typical_tables(1100)).root
    page = open_page(build_report(run, tmp_path / "index.html"))
    rows = page.locator("#table-slices tbody tr:visible")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert rows.count() == 1000
    note = page.get_by_text("Shown: the first 1,000 of 1,104 rows. All are in runs/")
    assert note.is_visible()
    assert page.get_by_role("button", name="Show 104 more").is_hidden()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert rows.count() == 250
