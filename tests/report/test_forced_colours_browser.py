"""The page in a palette of the system's, such as Windows' high contrast, in Debian's Chromium."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from artemis.report.run.build import build_report
from tests.report.browsing import BROWSER_TEST, OpenPage
from tests.report.conftest import typical_tables, write_run

pytestmark = BROWSER_TEST


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forced")
    return build_report(write_run(folder / "data", typical_tables(30)).root, folder / "index.html")


def background(page: Any, selector: str, pseudo: str = "") -> str:
    script = "([s, p]) => getComputedStyle(document.querySelector(s), p).backgroundColor"
    return str(page.evaluate(script, [selector, pseudo]))


@pytest.mark.parametrize("width", [390, 768, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_marks_keep_the_colours_of_the_bar_and_of_the_models(
    open_page: OpenPage, report: Path, scheme: str, width: int
) -> None:
    size = {"width": width, "height": 800}
    page = open_page(report, forced_colors="active", color_scheme=scheme, viewport=size)
    paper = background(page, "body")
    marks = [".readouts dt.s-review", "#table-slices td.s-review", ".refusal .s-failed"]
    if width < 1040:
        marks += ["#table-slices td[data-v]", "#table-slices th.group.m1"]
    colours = [background(page, mark, "::before") for mark in marks]
    assert colours[0] == colours[1]
    assert not {paper, "rgb(255, 255, 255)", "rgb(0, 0, 0)"} & set(colours), colours


def test_the_verdict_that_was_given_looks_pressed(open_page: OpenPage, report: Path) -> None:
    page = open_page(report, forced_colors="active")
    page.get_by_role("button", name="Start review").click()
    page.keyboard.type("ab")
    page.keyboard.press("Enter")
    page.keyboard.press("1")
    given, other = (background(page, f"[data-verdict={name}]") for name in ("agree", "unsure"))
    assert given != other


def test_the_row_that_a_link_leads_to_is_outlined(open_page: OpenPage, report: Path) -> None:
    page = open_page(report, forced_colors="active")
    page.locator("#table-slices tr:not([data-id]) td a").first.click()
    assert page.evaluate("getComputedStyle(document.querySelector('tr:target')).outlineStyle") == (
        "solid"
    )
