"""How the page is laid out on a tablet and on a laptop, in Debian's Chromium."""

from __future__ import annotations

from pathlib import Path

import pytest

from artemis.report.run.build import build_report
from tests.report.browsing import BROWSER_TEST, OpenPage
from tests.report.conftest import write_run
from tests.report.run.test_truth import labelled

pytestmark = BROWSER_TEST

TOPS = "all => all.map(one => one.getBoundingClientRect().top)"
BOTTOMS = "all => all.map(one => one.getBoundingClientRect().bottom)"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("layout")
    tables = labelled(48)
    for rows in tables.predictions.values():
        rows[5] |= {"needs_review": True, "review_reasons": ["low_confidence"]}
        rows[5] |= {"trained_on": True, "out_of_fold_category": "none_sagittal"}
        rows[5] |= {"set_90": ["none_sagittal", "pituitary_coronal", "glioma_coronal"]}
    return build_report(write_run(folder / "data", tables).root, folder / "index.html")


@pytest.mark.parametrize("width", [744, 768, 1024, 1080])
def test_on_a_tablet_nothing_is_read_by_scrolling_sideways(
    open_page: OpenPage, report: Path, width: int
) -> None:
    page = open_page(report, viewport={"width": width, "height": 1024})
    wide = page.locator(".scroll").evaluate_all(
        "all => all.filter(one => one.scrollWidth > one.clientWidth)"
        ".map(one => one.getAttribute('aria-label'))"
    )
    assert page.locator(".matrix th[scope=row]").count() > 30
    assert page.locator("#table-slices tbody tr").count() == 52
    assert wide == []


def test_on_a_tablet_a_row_of_the_table_has_its_answers_beside_its_name(
    open_page: OpenPage, report: Path
) -> None:
    page = open_page(report, viewport={"width": 768, "height": 1024})
    row = page.locator("#table-slices tbody tr").filter(has_text="005.png")
    name, first, second, why = (
        row.locator(place).bounding_box()
        for place in ("th", "td[data-v] >> nth=0", "td[data-v] >> nth=1", "td.why")
    )
    assert name["x"] + name["width"] <= first["x"]
    assert first["y"] + first["height"] <= second["y"] + 1
    assert name["y"] + name["height"] <= why["y"] + 1
    assert row.bounding_box()["height"] < 80


def test_on_a_tablet_all_counts_stand_in_one_line(open_page: OpenPage, report: Path) -> None:
    page = open_page(report, viewport={"width": 768, "height": 1024})
    tops = page.locator(".readouts dd").evaluate_all(TOPS)
    assert len(tops) == 8
    assert len(set(tops)) == 1


def test_on_a_tablet_the_whole_form_is_seen_while_a_slice_is_judged(
    open_page: OpenPage, report: Path
) -> None:
    page = open_page(report, viewport={"width": 768, "height": 1024})
    page.get_by_role("button", name="Start review").click()
    second = "one => one.append(one.firstElementChild.cloneNode(true))"  # as with evidence
    page.locator("[data-d=pictures]").evaluate(second)
    fields = page.locator("#dock-slice :is(button, select, input):visible")
    bottoms = fields.evaluate_all(BOTTOMS)
    assert len(bottoms) == 11
    assert max(bottoms) <= 1024
    answers = page.locator("#dock-slice .tops").bounding_box()
    assert answers["width"] > 300
    assert answers["y"] + answers["height"] <= 1024


def test_on_a_laptop_a_plot_begins_beside_its_heading(open_page: OpenPage, report: Path) -> None:
    page = open_page(report, viewport={"width": 1280, "height": 800})
    heads = page.locator("#distributions figcaption").evaluate_all(TOPS)
    plots = page.locator("#distributions .panels > div:first-child").evaluate_all(TOPS)
    assert len(heads) == len(plots) == 5
    assert [round(plot - head) for head, plot in zip(heads, plots, strict=True)] == [0] * 5
