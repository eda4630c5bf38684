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
