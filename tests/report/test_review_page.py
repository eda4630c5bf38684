"""A reviewer's work in the page, by keyboard, from the first mark to the import of the CSV."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from artemis.report.run import limits
from artemis.report.run.build import build_report
from artemis.reviews.reviewed import import_labels
from artemis.reviews.reviewed_file import read_rows
from tests.report.browsing import BROWSER_TEST, OpenPage
from tests.report.conftest import HOSTILE, typical_tables, write_run

pytestmark = BROWSER_TEST


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of thirty slices, three of them doubtful: numbers 1, 11 and 21."""
    folder = tmp_path_factory.mktemp("review")
    return build_report(write_run(folder / "data", typical_tables(30)).root, folder / "index.html")


def begin(page: Any, initials: str = "ab") -> None:
    page.get_by_role("button", name="Start review").click()
    page.keyboard.type(initials)
    page.keyboard.press("Enter")


def export(page: Any, target: Path) -> Path:
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Export CSV").click()
    waiting.value.save_as(target)
    return target


def test_what_is_added_to_a_mark_is_said(open_page: OpenPage, report: Path) -> None:
    """The bar would say the same again, and a screen reader nothing."""
    page = open_page(report)
    begin(page)
    said = page.locator("[data-d=said]")
    page.keyboard.press("3")
    assert said.inner_text() == "Slice 1: unsure."
    page.keyboard.press("Shift+Digit4")
    assert said.inner_text() == "Slice 1: unsure, how sure 4 of 5."
    page.get_by_label("Note").fill("at the edge")
    page.keyboard.press("Tab")
    assert said.inner_text() == "Slice 1: unsure, how sure 4 of 5, with a note."


def test_a_review_by_keyboard_is_imported_and_gone_on_with_elsewhere(
    open_page: OpenPage, report: Path, tmp_path: Path
) -> None:
    page = open_page(report)
    begin(page)
    assert page.locator("[data-d=name]").inner_text() == "1 patient_0/slice_00000.png"
    page.keyboard.press("1")
    page.keyboard.press("Shift+Digit4")
    page.keyboard.press("n")
    assert page.locator("[data-d=name]").inner_text() == "11 patient_0/slice_00010.png"
    page.keyboard.press("g")
    page.keyboard.press("t")
    page.get_by_label("Note").fill(f'=1+1, "{HOSTILE}')
    page.keyboard.press("Tab")
    page.keyboard.press("j")
    page.keyboard.press("3")
    page.keyboard.press("j")  # past the queue: the first of the rest
    page.keyboard.press("4")
    assert page.locator("[data-d=count]").inner_text() == "3 of 3 doubtful reviewed, 4 marked"
    assert page.get_by_role("button", name="Next doubtful").is_disabled()
    assert "corrected: glioma, transverse" in page.locator(".card").nth(1).inner_text()

    file = export(page, tmp_path / "review.csv")
    rows = {row.values["verdict"]: row.values for row in read_rows(file)}
    assert {value["reviewer"] for value in rows.values()} == {"AB"}
    assert (rows["agree"]["tumor"], rows["agree"]["plane"]) == ("glioma", "coronal")
    assert rows["agree"]["confidence"] == 4
    assert (rows["correct"]["tumor"], rows["correct"]["plane"]) == ("glioma", "transverse")
    assert rows["correct"]["note"] == f'=1+1, "{HOSTILE}'
    taken = import_labels(file, report.parent / "data")
    assert taken.added == 4
    assert taken.states == {"bad_image": 1, "single": 2, "unsure": 1}

    elsewhere = open_page(report)
    assert elsewhere.locator("[data-d=count]").inner_text() == "0 of 3 doubtful reviewed, 0 marked"
    elsewhere.locator("[data-d=import]").set_input_files(file)
    elsewhere.get_by_text("4 marks of AB read.").wait_for()
    assert elsewhere.locator("[data-d=count]").inner_text() == "3 of 3 doubtful reviewed, 4 marked"
    again = export(elsewhere, tmp_path / "again.csv")
    assert again.read_bytes() == file.read_bytes()


def test_a_label_that_is_the_model_s_own_is_agreement_and_its_sign_stays_in_its_cell(
    open_page: OpenPage, report: Path
) -> None:
    page = open_page(report)
    begin(page)
    page.keyboard.press("c")  # coronal, as the model says
    sign = page.locator("#table-slices tbody tr").first.locator(".mark")
    assert sign.inner_text() == "agreed: glioma, coronal"
    page.keyboard.press("m")
    assert sign.inner_text() == "corrected: meningioma, coronal"
    inside = (
        "one => { const [a, b] = [one, one.closest('td')].map(e => e.getBoundingClientRect());"
        " return a.left >= b.left && a.right <= b.right; }"
    )
    assert sign.evaluate(inside)


def test_it_is_said_with_whom_one_agrees_and_that_nothing_was_corrected(
    open_page: OpenPage, report: Path
) -> None:
    page = open_page(report)
    begin(page)
    said = page.locator("[data-d=said]")
    page.keyboard.press("2")  # before another label was chosen
    assert said.inner_text().startswith("Nothing is corrected yet: choose another tumour")
    assert page.locator("[data-d=count]").inner_text() == "0 of 3 doubtful reviewed, 0 marked"
    page.get_by_role("button", name="Agree with mobilenet_v2").click()
    assert said.inner_text() == "Slice 1: agreed, glioma, coronal."
    page.keyboard.press("x")
    assert said.inner_text() == "Slice 1: corrected, no tumour, coronal."
    page.keyboard.press("2")
    assert said.inner_text() == "Slice 1: corrected, no tumour, coronal."


def test_the_next_slice_is_announced_and_nothing_said_of_the_last_one_stays(
    open_page: OpenPage, report: Path
) -> None:
    page = open_page(report)
    begin(page)
    page.keyboard.press("3")
    assert page.locator("[data-d=said]").inner_text() == "Slice 1: unsure."
    page.keyboard.press("n")
    assert page.locator("[data-d=said]").inner_text() == ""
    # The focus stays where it is, on a text that changes.
    heard = page.locator("#dock [aria-live]")
    assert heard.inner_text().startswith("11 patient_0/slice_00010.png")
    page.keyboard.press("k")
    page.keyboard.press("k")
    assert page.locator("[data-d=said]").inner_text() == "This is the first slice."


def test_marks_outlast_the_page_and_are_kept_apart_by_reviewer(
    open_page: OpenPage, report: Path
) -> None:
    page = open_page(report)
    begin(page)
    page.keyboard.press("1")
    page.reload()
    # Another process of the browser may show it, and hear a moment later what this one kept.
    page.get_by_text("1 of 3 doubtful reviewed, 1 marked").wait_for()
    page.get_by_label("Reviewer").fill("cd")
    page.keyboard.press("Enter")
    assert page.locator("[data-d=count]").inner_text() == "0 of 3 doubtful reviewed, 0 marked"
    page.get_by_label("Reviewer").fill("AB")
    page.keyboard.press("Tab")
    assert page.locator("[data-d=count]").inner_text() == "1 of 3 doubtful reviewed, 1 marked"


def test_a_browser_that_keeps_nothing_is_named_as_long_as_it_does_not(
    open_page: OpenPage, report: Path
) -> None:
    page = open_page(report)
    page.evaluate("void (Storage.prototype.setItem = () => { throw new Error('full'); })")
    begin(page)
    said = page.locator("[data-d=said]")
    assert said.inner_text() == "This browser keeps nothing: export before you close the page."
    page.keyboard.press("3")
    page.keyboard.press("n")
    page.keyboard.press("4")
    assert said.inner_text().startswith("Slice 11: bad image. This browser keeps nothing: export")


def test_no_mark_is_made_without_initials_or_while_typing(
    open_page: OpenPage, report: Path
) -> None:
    page = open_page(report)
    page.keyboard.press("1")  # the review is closed
    page.get_by_role("button", name="Review slice 11").click()
    page.get_by_role("button", name="Agree").click()
    assert "First enter your initials" in page.locator("[data-d=said]").inner_text()
    assert page.locator("[data-d=reviewer]").evaluate("one => one === document.activeElement")
    page.keyboard.type("J1")  # neither goes on nor agrees
    assert page.locator("[data-d=name]").inner_text() == "11 patient_0/slice_00010.png"
    assert page.locator("[data-d=count]").inner_text() == "0 of 3 doubtful reviewed, 0 marked"


def test_a_link_to_a_slice_is_where_the_review_begins(open_page: OpenPage, report: Path) -> None:
    page = open_page(report)
    anchor = page.locator("#table-slices tbody tr").nth(4).get_attribute("id")
    page = open_page(report, f"#{anchor}")
    begin(page)
    assert page.locator("[data-d=name]").inner_text() == "5 patient_0/slice_00004.png"


def test_going_on_follows_what_the_filter_shows(open_page: OpenPage, report: Path) -> None:
    page = open_page(report)
    page.get_by_label("Search").fill("slice_0002")
    page.get_by_text("10 of 34 rows").wait_for()
    begin(page)
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.locator("[data-d=name]").inner_text() == "22 patient_1/slice_00021.png"


def test_a_file_that_is_no_review_changes_nothing(
    open_page: OpenPage, report: Path, tmp_path: Path
) -> None:
    page = open_page(report)
    (tmp_path / "other.csv").write_text("a;b\n1;2\n", encoding="utf-8")
    page.locator("[data-d=import]").set_input_files(tmp_path / "other.csv")
    page.get_by_text("it lacks run_id, slice_id, verdict").wait_for()
    assert page.locator("[data-d=count]").inner_text() == "0 of 3 doubtful reviewed, 0 marked"


def test_copies_have_one_card_and_are_reviewed_once(open_page: OpenPage, tmp_path: Path) -> None:
    tables = typical_tables(12, rejected=False)
    tables.slices.append(tables.slices[0] | {"path": "copy.png"})
    for rows in tables.predictions.values():
        rows.append(rows[0] | {"path": "copy.png"})
    run = write_run(tmp_path / "data", tables).root
    page = open_page(build_report(run, tmp_path / "index.html"))
    assert page.locator(".card").count() == 2
    assert "same picture as slice 13" in page.locator(".card").first.inner_text()
    page.get_by_role("button", name="Review slice 1", exact=True).click()
    page.keyboard.type("AB")
    page.keyboard.press("Enter")
    page.keyboard.press("1")
    done = "1 of 2 doubtful reviewed (copies once), 1 marked"
    assert page.locator("[data-d=count]").inner_text() == done
    assert page.locator(".card .mark").count() == 1
    assert page.locator("#table-slices .mark").count() == 2


def test_a_page_of_a_large_run_says_how_many_wait_on_the_others(
    open_page: OpenPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"TABLE_ROWS": 20, "SUMMARY_ROWS": 2, "PAGE_ROWS": 15}.items():
        monkeypatch.setattr(limits, name, value)
    run = write_run(tmp_path / "data", typical_tables(30)).root
    page = open_page(build_report(run, tmp_path / "index.html"))
    begin(page)
    page.keyboard.press("1")
    page.keyboard.press("n")
    page.keyboard.press("1")
    count = page.locator("[data-d=count]")
    assert count.inner_text() == (
        "2 of 2 doubtful on this page reviewed; 1 more on the pages of slices; 2 marked in all"
    )
    page.keyboard.press("n")
    assert page.locator("[data-d=said]").inner_text() == (
        "Every doubtful slice on this page has been reviewed; 1 more on the pages of slices."
    )
    beside = open_page(tmp_path / "slices-0001.html")
    assert beside.locator("[data-d=count]").inner_text() == (
        "0 of 2 doubtful on this page reviewed; 1 more on the other pages of slices; "
        "0 marked in all"
    )


def test_marks_of_another_page_survive_what_is_marked_here(
    open_page: OpenPage, report: Path, tmp_path: Path
) -> None:
    page = open_page(report)
    begin(page)
    page.keyboard.press("3")
    # As another page does while this one is put away for Back: without an event that it hears.
    # Number 1 is judged anew, 2 for the first time, 11 later than by the file of before.
    rows = page.locator("#table-slices tbody tr")
    ids = [rows.nth(n).get_attribute("data-id") for n in (0, 1, 10)]
    file = export(page, tmp_path / "review.csv")
    lines = file.read_text(encoding="utf-8").splitlines()
    lines.append(lines[1].replace(ids[0], ids[2]))
    file.write_text("\n".join(lines), encoding="utf-8")
    elsewhere = """ids => {
        const key = Object.keys(localStorage).find((one) => one.startsWith("artemis-review:"));
        const marks = JSON.parse(localStorage.getItem(key));
        const bad = { ...marks[ids[0]], verdict: "bad_image", note: "moved",
                      reviewed_at: new Date().toISOString() };
        localStorage.setItem(key, JSON.stringify(Object.fromEntries(ids.map((id) => [id, bad]))));
    }"""
    page.evaluate(elsewhere, ids)
    page.keyboard.press("j")
    page.locator("[data-d=import]").set_input_files(file)
    page.get_by_text("2 marks of AB read.").wait_for()
    page.keyboard.press("n")
    page.keyboard.press("3")
    count = page.locator("[data-d=count]")
    assert count.inner_text() == "3 of 3 doubtful reviewed, 4 marked"
    signs = page.locator("#table-slices .mark").all_inner_texts()
    assert signs == ["bad image", "bad image", "bad image", "unsure"]


def test_a_page_gone_back_to_shows_what_was_marked_since(open_page: OpenPage, report: Path) -> None:
    page = open_page(report)
    begin(page)
    page.keyboard.press("3")
    back = """() => {
        const key = Object.keys(localStorage).find((one) => one.startsWith("artemis-review:"));
        localStorage.setItem(key, localStorage.getItem(key).replace('note":"', 'note":"moved'));
        dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
    }"""
    page.evaluate(back)
    assert page.get_by_label("Note").input_value() == "moved"
    page.evaluate("localStorage.clear()")  # by another page: what is on this one still stands
    page.keyboard.press("n")
    page.keyboard.press("4")
    assert page.locator("[data-d=count]").inner_text() == "2 of 3 doubtful reviewed, 2 marked"


def test_a_note_out_of_a_spreadsheet_is_imported(
    open_page: OpenPage, report: Path, tmp_path: Path
) -> None:
    page = open_page(report)
    begin(page)
    note = page.get_by_label("Note")
    for typed, key in (("left\tedge\x0b\x7f?", "3"), ("=" * 500, "4")):
        note.fill(typed)
        note.press("Enter")
        page.locator("[data-d=name]").focus()
        page.keyboard.press(key)
        page.keyboard.press("n")
    rows = {
        row.values["verdict"]: row.values for row in read_rows(export(page, tmp_path / "r.csv"))
    }
    assert rows["unsure"]["note"] == "left edge  ?"
    assert rows["bad_image"]["note"] == "=" * 500


def test_notes_come_back_exactly_as_they_were_written(
    open_page: OpenPage, report: Path, tmp_path: Path
) -> None:
    page = open_page(report)
    begin(page)
    notes = ["\uff1d1+1", "'=1", "''@x", "'tis so"]
    for typed in notes:
        page.get_by_label("Note").fill(typed)
        page.locator("[data-d=name]").focus()
        page.keyboard.press("3")
        page.keyboard.press("j")
    file = export(page, tmp_path / "r.csv")
    assert [row.values["note"] for row in read_rows(file)] == notes
    again = open_page(report)
    again.locator("input[type=file]").set_input_files(file)
    again.get_by_text("4 marks of AB read.").wait_for()
    assert export(again, tmp_path / "again.csv").read_bytes() == file.read_bytes()


def test_digits_go_by_their_place_on_the_keyboard(open_page: OpenPage, report: Path) -> None:
    page = open_page(report)
    begin(page)
    session = page.context.new_cdp_session(page)

    def press(code: str, key: str, shift: bool = False) -> tuple[str, str]:
        event = {"code": code, "key": key, "modifiers": 8 * shift}
        session.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **event})
        session.send("Input.dispatchKeyEvent", {"type": "keyUp", **event})
        said = page.locator("[data-d=said]").inner_text()
        return said, page.get_by_label("How sure").input_value()

    assert press("Numpad3", "PageDown") == ("", "")  # the number pad is switched off
    assert press("Digit3", '"') == ("Slice 1: unsure.", "")  # AZERTY
    assert press("Digit4", "4", shift=True) == ("Slice 1: unsure, how sure 4 of 5.", "4")
    assert press("Numpad4", "4") == ("Slice 1: bad image, how sure 4 of 5.", "4")
    assert press("Numpad5", "Clear", shift=True) == ("Slice 1: bad image, how sure 5 of 5.", "5")


def test_a_note_before_the_verdict_waits_for_it_and_without_a_mark_none_is_taken_back(
    open_page: OpenPage, report: Path
) -> None:
    page = open_page(report)
    page.get_by_role("button", name="Start review").click()
    said = page.locator("[data-d=said]")
    note = page.get_by_label("Note")
    note.fill("at the edge")
    note.press("Tab")
    assert said.inner_text().startswith("Stays in its field until you give a verdict")
    page.get_by_label("Reviewer").fill("ab")
    page.keyboard.press("Enter")
    for key in ("Shift+Digit2", "j", "u"):
        page.keyboard.press(key)
    assert said.inner_text() == "There is no mark to take back."
    assert note.input_value() == ""
    page.keyboard.press("k")
    assert note.input_value() == "at the edge"
    for key in ("3", "j", "k"):
        page.keyboard.press(key)
    assert (note.input_value(), page.get_by_label("How sure").input_value()) == ("at the edge", "2")
    page.keyboard.press("u")
    assert said.inner_text() == "Mark taken back."
