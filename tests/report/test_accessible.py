"""The page against WCAG 2.2 AA, by axe-core (Deque Systems) in Debian's Chromium."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from artemis.report.build import build_report
from tests.report.browsing import BROWSER_TEST, OpenPage
from tests.report.conftest import write_run
from tests.report.test_studies import with_studies
from tests.report.test_truth import labelled

AXE = Path(__file__).parents[1] / "node" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
pytestmark = [
    *BROWSER_TEST,
    pytest.mark.skipif(
        not AXE.exists(), reason="axe-core is not installed (npm ci --prefix tests/node)"
    ),
]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with every section: truth, studies, refusals, doubtful slices."""
    folder = tmp_path_factory.mktemp("accessible")
    tables = labelled(30)
    for rows in tables.predictions.values():
        for row in rows[12:15]:
            row |= {"needs_review": True, "review_reasons": ["low_confidence"]}
    run = write_run(folder / "data", with_studies(tables, series=1)).root
    return build_report(run, folder / "index.html")


def violations(page: Any) -> list[str]:
    """Return what axe finds, a line an element."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate(
        "tags => axe.run(document, {runOnly: tags, resultTypes: ['violations']})", RULES
    )
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary'][:300]}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation_with_the_review_closed_or_open(
    open_page: OpenPage, report: Path, scheme: str
) -> None:
    page = open_page(report, color_scheme=scheme)
    assert violations(page) == []
    page.get_by_role("button", name="Review slice 13").click()
    page.keyboard.type("AB")
    page.keyboard.press("Enter")
    page.keyboard.press("2")
    assert violations(page) == []


def test_every_section_fits_a4(open_page: OpenPage, report: Path) -> None:
    page = open_page(report, viewport={"width": 703, "height": 1000})  # 186 mm, its printed width
    page.emulate_media(media="print")
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= 703


def test_axe_finds_no_violation_on_a_narrow_screen(open_page: OpenPage, report: Path) -> None:
    page = open_page(report, viewport={"width": 390, "height": 844})
    assert violations(page) == []
