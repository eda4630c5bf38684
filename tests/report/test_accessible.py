"""Pages of every kind against WCAG 2.2 AA, by axe-core (Deque Systems) in Debian's Chromium."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.report.browsing import BROWSER_TEST, OpenPage
from tests.report.kinds import KINDS

AXE = Path(__file__).parents[1] / "node" / "node_modules" / "axe-core" / "axe.min.js"
BY_COLOUR = ["color-contrast", "link-in-text-block"]
BY_WIDTH = ["target-size", "scrollable-region-focusable", "region", "landmark-unique"]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
pytestmark = [
    pytest.mark.slow(seconds=110),
    *BROWSER_TEST,
    pytest.mark.skipif(
        not AXE.exists(), reason="axe-core is not installed (npm ci --prefix tests/node)"
    ),
]


Pages = Callable[[str], Path]


@pytest.fixture(scope="module")
def pages(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Pages:
    """Return a function that gives the page of a kind, each made once."""

    @cache
    def page_of(kind: str) -> Path:
        return KINDS[kind](tmp_path_factory.mktemp(kind), samples)

    return page_of


@pytest.fixture(scope="module")
def report(pages: Pages) -> Path:
    return pages("report")


def violations(page: Any, rules: list[str] = RULES) -> list[str]:
    """Return what axe finds, a line an element."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    # The bar below the page, as where that is scrolled to its end: before, it lies over whichever
    # button the heights of window and page bring there, and axe takes half of one for small.
    page.evaluate("document.querySelector('.dock')?.style.setProperty('position', 'static')")
    found = page.evaluate(
        "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", rules
    )
    page.evaluate("document.querySelector('.dock')?.style.removeProperty('position')")
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary'][:300]}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


COLLIDING = """() => [...document.querySelectorAll('.top li')].filter(one => {
  const said = one.querySelector('.n'), words = document.createRange();
  words.selectNodeContents(one.firstElementChild);
  const [a, b] = [words, said].map(box => box?.getBoundingClientRect());
  return b?.width && a.right > b.left + 0.5 && a.bottom > b.top && a.top < b.bottom;
}).map(one => one.innerText)"""
"""Answers whose words run into their confidence."""

CUT = """() => [
  ...[...document.querySelectorAll('.scroll:has(:is(.list, thead th:nth-child(12)))')]
    .filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.ariaLabel),
  ...[...document.querySelectorAll('.words td[data-h]')]
    .filter(one => getComputedStyle(one).whiteSpace === 'nowrap').map(one => one.dataset.h),
]"""
"""Tables cut off at the edge of a narrow screen, and heads there that run into their cells."""

WIDER = "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.ariaLabel)"
"""What is wider than its place, here on a tablet."""


@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_no_violation_and_the_page_fits_in_light_dark_narrow_and_print(
    open_page: OpenPage, pages: Pages, kind: str
) -> None:
    page = open_page(pages(kind))
    found = {"light": violations(page)}
    page.emulate_media(color_scheme="dark")
    found["dark"] = violations(page, BY_COLOUR)
    page.set_viewport_size({"width": 360, "height": 780})
    found["narrow"] = violations(page, BY_WIDTH)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate(COLLIDING) == page.evaluate(CUT) == []
    assert found == {"light": [], "dark": [], "narrow": []}
    page.set_viewport_size({"width": 768, "height": 1024})
    assert page.locator(".scroll").evaluate_all(WIDER) == []
    page.set_viewport_size({"width": 703, "height": 1000})  # 186 mm, the printed width of A4
    page.emulate_media(media="print")
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= 703
    assert page.evaluate(COLLIDING) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation_while_a_slice_is_reviewed(
    open_page: OpenPage, report: Path, scheme: str
) -> None:
    page = open_page(report, color_scheme=scheme)
    page.get_by_role("button", name="Review slice 13").click()
    page.keyboard.type("AB")
    page.keyboard.press("Enter")
    page.keyboard.press("2")
    assert violations(page) == []
