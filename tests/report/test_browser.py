"""The page in Debian's Chromium: nothing leaves it, scripts only enhance it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from artemis.report.index import build_index
from artemis.report.run import limits
from artemis.report.run.build import build_report
from tests.report.browsing import BROWSER_TEST, OpenPage
from tests.report.conftest import (
    HOSTILE,
    RUN_ID,
    prediction_row,
    run_record,
    slice_row,
    typical_tables,
    write_run,
)

pytestmark = [pytest.mark.slow(seconds=45), *BROWSER_TEST]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    tables = typical_tables(120)
    for name in (HOSTILE, "\u202egnp.exe", "x" * 300):
        row = slice_row(name, slice_id="ef" * 32)
        tables.slices.append(row)
        for model, rows in tables.predictions.items():
            reasons = ["low_confidence"]
            rows.append(
                prediction_row(row, model, 4, 0.2, needs_review=True, review_reasons=reasons)
            )
    run = write_run(folder / "workspace", tables).root
    return build_report(run, folder / "index.html")


def shown(page: Any, table: str = "table-slices") -> int:
    return int(page.locator(f"#{table} tbody tr:visible").count())


def test_the_page_opens_without_request_error_or_policy_violation(
    open_page: OpenPage, report: Path
) -> None:
    page = open_page(report)
    page.wait_for_load_state("load")
    assert page.locator("h1").inner_text() == "Batch ward 7"
    assert page.evaluate("getComputedStyle(document.querySelector('h2')).fontWeight") == "600"
    decoded = "Promise.all([...document.querySelectorAll('image')].map(one => {"
    decoded += "const i = new Image(); i.src = one.href.baseVal; return i.decode(); }))"
    assert len(page.evaluate(decoded)) == 120


def test_the_first_doubtful_picture_is_seen_before_anything_is_scrolled(
    open_page: OpenPage, report: Path
) -> None:
    page = open_page(report, viewport={"width": 1280, "height": 960})
    picture, dock = page.locator(".card .shot").first.bounding_box(), page.locator("#dock")
    assert picture is not None
    assert picture["y"] + picture["height"] / 2 < dock.bounding_box()["y"]


def test_how_to_read_and_judge_is_folded_and_unfolds_without_javascript(
    open_page: OpenPage, report: Path
) -> None:
    page = open_page(report, java_script_enabled=False)
    reading = page.get_by_text("Most doubtful is where the models taken together are least sure")
    assert reading.is_hidden()
    page.get_by_text("How to read and judge these").click()
    assert reading.is_visible()
    assert page.get_by_text(
        "The bar needs JavaScript; without it, write the CSV by hand"
    ).is_visible()


def test_without_javascript_every_row_is_shown_and_no_idle_control(
    open_page: OpenPage, report: Path
) -> None:
    page = open_page(report, java_script_enabled=False)
    assert shown(page) == 127
    assert page.locator("#slices .filter").is_hidden()
    assert page.locator("button:visible").count() == 0


def test_the_search_box_reduces_the_rows_and_show_all_brings_them_back(
    open_page: OpenPage, report: Path
) -> None:
    page = open_page(report)
    page.get_by_label("Search").fill("patient_3/ slice_0006")
    page.get_by_text("10 of 127 rows").wait_for()
    assert shown(page) == 10
    page.get_by_role("button", name="Show all").click()
    assert shown(page) == 127


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ({"Status": "to review"}, 15),
        ({"Status": "models disagree"}, 12),
        ({"Status": "failed"}, 2),
        ({"Tumour": "No tumour", "Model": "mobilenet_v2"}, 30),
        ({"Tumour": "No tumour", "Plane": "Coronal", "Model": "mobilenet_v2"}, 10),
    ],
)
def test_the_choices_give_the_right_rows(
    open_page: OpenPage, report: Path, choices: dict[str, str], expected: int
) -> None:
    page = open_page(report)
    for label, option in choices.items():
        page.get_by_role("combobox", name=label, exact=True).select_option(label=option)
    page.get_by_text(f"{expected} of 127 rows").wait_for()
    assert shown(page) == expected


def test_low_confidence_of_one_model_is_found(open_page: OpenPage, report: Path) -> None:
    page = open_page(report)
    page.get_by_label("Confidence at most").fill("20")
    page.get_by_text("3 of 127 rows").wait_for()
    assert shown(page) == 3


def test_a_confidence_that_is_not_said_is_not_found_as_a_low_one(
    open_page: OpenPage, tmp_path: Path
) -> None:
    tables = typical_tables(12)
    far = tables.predictions["mobilenet_v2"][3]
    far |= {"needs_review": True, "review_reasons": ["out_of_distribution"]}
    run = write_run(tmp_path / "data", tables).root
    page = open_page(build_report(run, tmp_path / "index.html"))
    assert page.locator("#table-slices").get_by_text("not said").count() == 1
    page.get_by_label("Confidence at most").fill("0")
    page.get_by_text("0 of 16 rows").wait_for()
    assert shown(page) == 0


def test_a_head_sorts_by_its_column_and_back(open_page: OpenPage, report: Path) -> None:
    page = open_page(report)
    first = page.locator("#table-slices tbody tr").first
    button = page.locator("#table-slices th[data-col='6'] button")
    button.press("Enter")
    assert "20%" in first.inner_text()
    assert button.locator("..").get_attribute("aria-sort") == "ascending"
    button.press("Enter")
    assert "97%" in first.inner_text()  # what has no confidence stays last
    button.press("Enter")
    assert "slice_00000.png" in first.inner_text()


def test_a_link_to_a_hidden_row_shows_it(open_page: OpenPage, report: Path) -> None:
    page = open_page(report)
    page.get_by_label("Search").fill("broken.png")
    page.get_by_text("1 of 127 rows").wait_for()
    page.locator(".card h3 a").first.click()
    page.get_by_text("127 rows", exact=True).wait_for()
    assert page.locator("tr:target").is_visible()


def test_rows_that_are_not_laid_out_are_filtered_linked_and_shown_on_request(
    open_page: OpenPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FIRST_ROWS", 40)
    monkeypatch.setattr(limits, "CHUNK_ROWS", 300)
    run = write_run(tmp_path / "data", typical_tables(700)).root
    path = build_report(run, tmp_path / "index.html")
    page = open_page(path)
    page.get_by_text("Shown: the first 250 of 704 rows.").wait_for()
    page.get_by_role("button", name="Show 454 more").click()
    assert shown(page) == 704
    page.get_by_label("Search").fill("slice_0065")
    page.get_by_text("10 of 704 rows").wait_for()
    assert shown(page) == 10
    anchor = page.locator("#table-slices tbody tr").last.get_attribute("id")
    linked = open_page(path, f"#{anchor}").locator(f"[id='{anchor}']")
    linked.wait_for()
    assert "slice_00659.png" in linked.inner_text()
    plain = open_page(path, java_script_enabled=False)
    assert plain.locator("#slices tbody tr:visible").count() == 704


def test_a_filter_leaves_the_rows_that_stay_untouched_and_in_their_order(
    open_page: OpenPage, report: Path
) -> None:
    page = open_page(report)
    body = page.locator("#table-slices tbody")
    body.evaluate(
        "one => { window.moved = []; new MutationObserver(all => all.forEach(m =>"
        " m.addedNodes.forEach(n => window.moved.push(n.id)))).observe(one, {childList: true}); }"
    )
    every = body.locator("tr").evaluate_all("rows => rows.map(row => row.id)")
    page.get_by_label("Search").fill("patient_3/")
    page.get_by_text("20 of 127 rows").wait_for()
    assert page.evaluate("window.moved") == []
    page.get_by_role("button", name="Show all").click()
    page.get_by_text("127 rows", exact=True).wait_for()
    assert len(page.evaluate("window.moved")) == 107
    assert body.locator("tr").evaluate_all("rows => rows.map(row => row.id)") == every


def test_columns_that_say_the_same_of_every_slice_are_not_shown(
    open_page: OpenPage, report: Path, tmp_path: Path
) -> None:
    tables = typical_tables(3, rejected=False)
    for row in tables.slices:
        row["header_plane"] = None
    flat = build_report(write_run(tmp_path / "data", tables).root, tmp_path / "index.html")
    for path, seen in ((report, ["Header plane"]), (flat, [])):  # no file here has two frames
        page = open_page(path)
        heads = page.locator("#table-slices th[data-col]:visible").all_inner_texts()
        assert [head for head in heads if head in {"Frame", "Header plane"}] == seen
    page.locator("#table-slices th[data-col='6'] button").dblclick()  # sorts by its own column
    assert "92%" in page.locator("#table-slices tbody tr").first.inner_text()


def test_every_part_of_the_provenance_is_copied_as_lines(open_page: OpenPage, report: Path) -> None:
    page = open_page(report, permissions=["clipboard-read", "clipboard-write"])
    parts = page.locator("#provenance details")
    parts.evaluate_all("all => all.forEach(one => { one.open = true; })")
    buttons = parts.get_by_role("button", name="Copy")
    assert buttons.count() == parts.count() == 7
    said = []
    for index in range(parts.count()):
        buttons.first.click()  # one that has copied has another name
        parts.nth(index).get_by_role("button", name="Copied").wait_for()
        said.append(page.evaluate("navigator.clipboard.readText()").split("\n"))
    assert said[0] == ["artemis-cli classify-batch '/scans/ward 7'"]
    assert f"Run\t{RUN_ID}" in said[1]
    assert "Stage\tTime\tShare" in said[3]
    assert "slices\t127" in said[4]
    assert any(line.startswith("ingest.min_side\t") for line in said[6])


def test_dark_narrow_and_printed_pages_fit_their_width(open_page: OpenPage, report: Path) -> None:
    narrow = open_page(report, viewport={"width": 390, "height": 844}, color_scheme="dark")
    assert narrow.evaluate("document.documentElement.scrollWidth") <= 390
    background = "getComputedStyle(document.documentElement).backgroundColor"
    assert narrow.evaluate(background) == "rgb(18, 21, 23)"
    fits = narrow.locator(".scroll").evaluate_all(
        "all => all.map(one => one.scrollWidth <= one.clientWidth)"
    )
    assert len(fits) > 4
    assert all(fits)
    narrow.emulate_media(media="print")
    assert narrow.evaluate(background) == "rgb(255, 255, 255)"
    assert narrow.locator("nav").is_hidden()
    paper = open_page(report, viewport={"width": 700, "height": 1000})
    paper.emulate_media(media="print")
    assert paper.evaluate("document.documentElement.scrollWidth") <= 700
    assert paper.pdf(prefer_css_page_size=True).startswith(b"%PDF")


@pytest.mark.parametrize("width", [1280, 800, 390])
def test_the_contact_sheet_is_as_high_before_its_pictures_are_laid_out(
    open_page: OpenPage, tmp_path: Path, width: int
) -> None:
    run = write_run(tmp_path / "data", typical_tables(330)).root
    page = open_page(
        build_report(run, tmp_path / "index.html"), viewport={"width": width, "height": 800}
    )
    heights = page.locator(".sheet").evaluate_all(
        "all => all.map(one => { const before = one.offsetHeight;"
        " one.style.contentVisibility = 'visible'; return [before, one.offsetHeight]; })"
    )
    assert len(heights) > 3
    assert max(after for _, after in heights) > 250
    assert max(abs(before - after) for before, after in heights) <= 2, heights


def test_the_list_of_runs_opens_and_filters(open_page: OpenPage, tmp_path: Path) -> None:
    base = run_record(typical_tables(3))
    runs = [base.model_copy(update={"run_id": f"2026030{n}T120000Z-aaaaaa"}) for n in (1, 2, 3)]
    page = open_page(build_index(tmp_path, runs, tmp_path / "index.html"))
    assert shown(page, "table-runs") == 3
    page.get_by_label("Search").fill("20260302")
    page.get_by_text("1 of 3 rows").wait_for()
    assert shown(page, "table-runs") == 1


def test_on_a_wide_screen_the_name_of_a_run_stands_in_one_line(
    open_page: OpenPage, tmp_path: Path
) -> None:
    run = run_record(typical_tables(3))
    models = [
        one.model_copy(update={"name": name, "version": "20261127-61a2f9"})
        for name, one in zip(("mobilenet_v2", "baseline"), run.models, strict=True)
    ]
    (tmp_path / RUN_ID).mkdir()
    (tmp_path / RUN_ID / "index.html").write_text("a page", encoding="utf-8")
    run = run.model_copy(update={"models": models})
    index = build_index(tmp_path, [run], tmp_path / "index.html")
    page = open_page(index, viewport={"width": 1280, "height": 800})
    lines = "one => one.getClientRects().length"
    assert page.locator("#table-runs th a").evaluate(lines) == 1
    assert page.evaluate("document.documentElement.scrollWidth") == 1280
