"""The panel in which a slice is reviewed, in Debian's Chromium: what it shows, takes and covers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from artemis.report.run import limits
from artemis.report.run.build import build_report
from artemis.reviews.reviewed_file import COLUMNS
from tests.report.browsing import BROWSER_TEST, OpenPage
from tests.report.conftest import RUN_ID, typical_tables, write_run
from tests.report.run.test_truth import labelled

pytestmark = BROWSER_TEST

UNCOVERED = """() => {
  const [one, dock] = [document.activeElement, document.getElementById("dock")];
  if (dock.contains(one) || one === document.body) return true;
  const [top, height] = [one.getBoundingClientRect().top, dock.getBoundingClientRect().top];
  return top < height;
}"""
"""Whether what has the focus is not wholly under the bar (WCAG 2.2, 2.4.11)."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("panel")
    tables = typical_tables(30)
    for rows in tables.predictions.values():
        rows[1] |= {"trained_on": True, "out_of_fold_category": "none_sagittal"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "REVIEW_CARDS", 1)
        return build_report(write_run(folder / "data", tables).root, folder / "index.html")


def begin(page: Any, initials: str = "ab") -> None:
    page.get_by_role("button", name="Start review").click()
    page.keyboard.type(initials)
    page.keyboard.press("Enter")


def test_what_a_slice_without_a_card_lacks_is_said(open_page: OpenPage, report: Path) -> None:
    page = open_page(report)
    begin(page)
    panel = page.locator("#dock-slice")
    assert "without evidence" not in panel.inner_text()
    page.keyboard.press("j")  # the second most doubtful, that has none
    assert "artemis-cli explain shows more of any image" in panel.inner_text()
    page.get_by_label("Search").fill("slice_00001")
    page.get_by_text("1 of 34 rows").wait_for()
    page.locator("[data-d=name]").focus()
    page.keyboard.press("j")
    assert "mobilenet_v2: Glioma, sagittal, 91%, trained on this picture" in panel.inner_text()


@pytest.mark.parametrize("width", [660, 768, 1024])
def test_beside_two_pictures_the_form_is_whole_on_a_tablet(
    open_page: OpenPage, report: Path, width: int
) -> None:
    page = open_page(report, viewport={"width": width, "height": 1024})
    begin(page)
    second = "one => one.append(one.firstElementChild.cloneNode(true))"  # as with evidence
    page.locator("[data-d=pictures]").evaluate(second)
    panel = page.locator("#dock-slice")
    assert panel.locator("> .pictures > .shot").count() == 2
    beyond = "(all, edge) => all.filter(one => one.getBoundingClientRect().right > edge).length"
    assert panel.locator("button, .n, label").evaluate_all(beyond, width - 20) == 0


def test_the_truth_is_not_shown_to_who_judges_until_the_panel_is_closed(
    open_page: OpenPage, tmp_path: Path
) -> None:
    tables = labelled()
    tables.predictions["mobilenet_v2"][0] |= {
        "needs_review": True,
        "review_reasons": ["low_confidence"],
    }
    run = write_run(tmp_path / "data", tables).root
    page = open_page(build_report(run, tmp_path / "index.html"))
    cells = page.locator("#table-slices tr[data-id] td:last-child")
    assert cells.nth(0).inner_text() == "In truth glioma, coronal. Low confidence (mobilenet_v2)"
    begin(page)
    assert page.locator("[data-d=why]").inner_text() == "Low confidence (mobilenet_v2)"
    page.keyboard.press("j")  # to a slice without a card: its row is in sight
    assert page.locator("[data-d=name]").inner_text() == "2 glioma_sagittal/001.png"
    assert page.locator("[data-d=why]").inner_text() == cells.nth(1).inner_text() == ""
    page.keyboard.press("Escape")
    assert cells.nth(1).inner_text() == "In truth glioma, sagittal."


@pytest.mark.parametrize("size", [(1280, 720), (390, 844), (844, 390)])
def test_nothing_that_has_the_focus_lies_under_the_panel(
    open_page: OpenPage, report: Path, size: tuple[int, int]
) -> None:
    page = open_page(report, viewport={"width": size[0], "height": size[1]})
    begin(page)
    page.locator("nav a").first.focus()
    for _ in range(40):
        page.keyboard.press("Tab")
        assert page.evaluate(UNCOVERED), page.evaluate("document.activeElement.outerHTML")


@pytest.mark.parametrize("size", [(390, 844), (844, 390), (320, 640)])
def test_on_a_small_screen_the_verdicts_are_in_sight_when_the_panel_opens(
    open_page: OpenPage, report: Path, size: tuple[int, int]
) -> None:
    page = open_page(report, viewport={"width": size[0], "height": size[1]})
    begin(page)
    for name in ("Agree with mobilenet_v2", "Correct it", "Unsure", "Bad image"):
        box = page.get_by_role("button", name=name).bounding_box()
        assert box
        assert box["y"] + box["height"] <= size[1], name


def test_lines_that_no_review_has_are_left_out_and_counted(
    open_page: OpenPage, report: Path, tmp_path: Path
) -> None:
    page = open_page(report)
    ids = page.locator("#table-slices tr[data-id]").evaluate_all(
        "all => all.map(o => o.dataset.id)"
    )
    good = {"verdict": "correct", "tumor": "none", "plane": "coronal", "reviewer": "AB"}
    good |= {"run_id": RUN_ID, "confidence": "4", "reviewed_at": "2026-03-01T12:00:00Z"}
    changes: list[dict[str, str]] = [
        {},
        {"verdict": "constructor"},
        {"verdict": "toString", "tumor": ""},
        {"tumor": "gliom"},
        {"tumor": "<b>"},
        {"plane": "axial"},
        {"confidence": "9"},
        {"reviewed_at": "nodate"},
        {"verdict": "unsure"},  # which names no tumour
        {"verdict": "unsure", "tumor": "", "plane": ""},
    ]
    lines = [good | {"slice_id": i} | change for i, change in zip(ids, changes, strict=False)]
    file = tmp_path / "review.csv"
    texts = [",".join(line.get(name, "") for name in COLUMNS) for line in lines]
    file.write_text("\n".join([",".join(COLUMNS), *texts]) + "\n", encoding="utf-8")
    page.locator("[data-d=import]").set_input_files(file)
    page.get_by_text(
        "2 marks of AB read. 8 lines are left out: of another run, or not as"
    ).wait_for()
    assert page.locator("[data-d=count]").inner_text().endswith("2 marked")
    assert page.locator("#table-slices .mark").all_inner_texts() == [
        "corrected: no tumour, coronal",
        "unsure",
    ]


def test_one_mark_and_one_line_are_said_in_the_singular(
    open_page: OpenPage, report: Path, tmp_path: Path
) -> None:
    page = open_page(report)
    begin(page)
    page.keyboard.press("1")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Export CSV").click()
    page.get_by_text("1 mark exported. Import with: artemis-cli labels import review_").wait_for()
    waiting.value.save_as(file := tmp_path / "review.csv")
    text = file.read_text(encoding="utf-8")
    file.write_text(text + text.splitlines()[1].replace("agree", "maybe") + "\n", encoding="utf-8")
    page.locator("[data-d=import]").set_input_files(file)
    page.get_by_text("1 mark of AB read. 1 line is left out: of another run").wait_for()
