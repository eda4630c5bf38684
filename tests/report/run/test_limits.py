from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from artemis.answers.review import ReviewReason
from artemis.report.run import limits
from artemis.report.run.build import build_report
from artemis.report.run.data import load_run
from artemis.report.run.kept_truth import keep_truth
from tests.report.browsing import BROWSER_TEST, HELD, RELEASED, OpenPage
from tests.report.conftest import (
    Tables,
    jpeg,
    slice_row,
    thumbnail_row,
    typical_tables,
    write_run,
)
from tests.report.parsing import Page, shots, text

MakeRun = Callable[..., Path]
MEGABYTE = 1_000_000

LAID_OUT = """({
  rows: document.getElementById("table-slices").tBodies[0].rows.length,
  body: getComputedStyle(document.body).display,
  pictured: document.querySelector(".sheet .shot").checkVisibility({ contentVisibilityAuto: true }),
})"""
"""What a browser lays out; a body of another display is laid out anew with all that is in it."""


def test_thumbnails_go_to_review_first_then_in_order(make_run: MakeRun) -> None:
    data = load_run(make_run())
    chosen = limits.embedded_thumbnails(data, limit=5)
    numbers = [item.number for item in data.items if item.slice_id in chosen]
    assert numbers == [1, 2, 3, 11, 21]  # 1, 11 and 21 wait for review


def test_thumbnails_stop_at_their_size(make_run: MakeRun) -> None:
    data = load_run(make_run())
    assert limits.embedded_thumbnails(data, characters=0) == {}
    some = limits.embedded_thumbnails(data, characters=20_000)
    assert 0 < sum(len(address) for address in some.values()) < 20_000 + 30 * len(some)


def test_a_capped_table_keeps_what_needs_a_human_and_the_order(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = load_run(make_run())
    assert len(limits.table_items(data)) == 34
    monkeypatch.setattr(limits, "TABLE_ROWS", 33)
    monkeypatch.setattr(limits, "SUMMARY_ROWS", 8)
    assert [item.number for item in limits.table_items(data)] == [1, 2, 11, 21, 31, 32, 33, 34]


def test_a_table_of_long_names_holds_fewer_rows(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = load_run(make_run())
    room = sum(limits._row_bytes(item, len(data.models)) for item in data.items) + 450
    monkeypatch.setattr(limits, "TABLE_BYTES", room)
    assert limits.table_fits(data)
    for letter in ("x" * 5_000, "<" * 100):  # the middle of a long name is left out of the table
        renamed = replace(data.items[0], path=letter)
        assert limits.table_fits(replace(data, items=(renamed, *data.items[1:])))
        everywhere = [replace(item, path=letter) for item in data.items]
        assert not limits.table_fits(replace(data, items=(*everywhere,)))


def test_what_is_left_out_is_said_with_where_it_is(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REVIEW_CARDS", 2)
    monkeypatch.setattr(limits, "DISAGREEMENT_ROWS", 1)
    monkeypatch.setattr(limits, "REFUSAL_ROWS", 3)
    page = Page(build_report(make_run(typical_tables(60)), tmp_path / "index.html"))
    notes = [text(one) for one in page.all("p", class_="limit")]
    assert notes[0].startswith("Shown: the 2 most doubtful of 6. The rest are in the table")
    assert "runs/20260301T120000Z-0a1b2c/predictions/" in notes[0]
    assert notes[1].startswith("Shown: 3 of 4. All are in runs/20260301T120000Z-0a1b2c/slices/")
    assert len(page.all("li", class_="card")) == 2


def test_copies_share_one_picture(make_run: MakeRun, tmp_path: Path) -> None:
    tables = typical_tables(2, rejected=False)
    copy = dict(tables.slices[1], path="copy.png")
    tables.slices.append(copy)
    for rows in tables.predictions.values():
        rows.append(dict(rows[1], path="copy.png"))
    page = Page(build_report(make_run(tables), tmp_path / "index.html"))
    rows = page.rows("table-slices")
    assert [row[1] for row in rows] == ["", "", "same as 2"]
    assert len(shots(page.by_id("table-slices"))) == 2


def test_the_same_pixels_in_another_window_have_a_picture_of_their_own_and_say_so(
    make_run: MakeRun, tmp_path: Path
) -> None:
    tables = typical_tables(2, rejected=False)
    for path, small in {"alike.dcm": jpeg(0), "dim.dcm": jpeg(7)}.items():
        row = dict(tables.slices[0], path=path)  # of the first, which is to review
        tables.slices.append(row)
        tables.thumbnails.append(thumbnail_row(row["slice_id"], small, path=path))
        for rows in tables.predictions.values():
            rows.append(dict(rows[0], path=path, doubt=0.9 if small == jpeg(7) else 0.1))
    page = Page(build_report(make_run(tables), tmp_path / "index.html"))
    assert [row[1] for row in page.rows("table-slices")] == ["", "", "same as 1", ""]
    [card] = page.all("li", class_="card")
    [shown] = [one.get("href") for one in shots(card)[0].iter("use")]
    assert page.by_id(shown[1:]).get("href") == as_address(jpeg(7))  # of the most doubtful
    assert "same pixels in another window as slices 1 and 3" in text(card)


def as_address(file: bytes) -> str:
    return f"data:image/jpeg;base64,{b64encode(file).decode()}"


def test_the_queue_counts_pictures_and_says_how_many_slices_they_are(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REVIEW_CARDS", 2)
    tables = typical_tables(60)
    tables.slices.append(dict(tables.slices[0], path="copy.png"))  # the first is to review
    for rows in tables.predictions.values():
        rows.append(dict(rows[0], path="copy.png"))
    page = Page(build_report(make_run(tables), tmp_path / "index.html"))
    note = text(page.all("p", class_="limit")[0])
    assert note.startswith("Shown: the 2 most doubtful of 6 pictures (7 slices with their copies).")


@pytest.mark.slow
def test_a_page_of_1000_slices_is_below_5_megabytes(make_run: MakeRun, tmp_path: Path) -> None:
    tables = typical_tables(1000)
    assert len(jpeg(0)) > 2_600  # as large as those of real slices, 2.6 kB at 112 px
    target = build_report(make_run(tables), tmp_path / "index.html")
    assert target.stat().st_size <= 5 * MEGABYTE
    page = Page(target)
    assert len(page.rows("table-slices")) == 1004
    assert len(page.by_id("table-slices").findall("./tbody/tr")) == limits.FIRST_ROWS
    assert len(page.all("image")) > 950  # of those drawn here; scans compress better


def with_every_reason(tables: Tables) -> Tables:
    """Let every slice wait for review, for every reason that there is, though trained on."""
    for row in (row for rows in tables.predictions.values() for row in rows):
        row |= {"needs_review": True, "review_reasons": [*ReviewReason], "doubt": 0.5}
        row |= {"trained_on": True, "out_of_fold_category": "meningioma_transverse"}
    return tables


def in_folders(tables: Tables) -> Tables:
    """Name every file's folder by a category, so that the truth is known and often missed."""
    for index, row in enumerate(tables.slices):
        row["path"] = f"glioma_coronal/{index}.png"
    for rows in tables.predictions.values():
        for index, row in enumerate(rows):
            row["path"] = f"glioma_coronal/{index}.png"
    return tables


@pytest.mark.slow
def test_a_page_of_1000_slices_is_below_5_megabytes_whatever_their_names_and_reasons(
    make_run: MakeRun, tmp_path: Path
) -> None:
    tables = with_every_reason(with_long_names(typical_tables(996)))
    for row in (*tables.slices, *(row for rows in tables.predictions.values() for row in rows)):
        row["path"] = row["path"].replace("x", "_")  # a line may break after each of these
    target = build_report(make_run(tables), tmp_path / "index.html")
    assert 4 * MEGABYTE < target.stat().st_size <= 5 * MEGABYTE
    page = Page(target)
    assert len(page.rows("table-slices")) == 1000
    assert " pictured" in text(page.by_id("contact"))


@pytest.mark.parametrize("change", [lambda tables: tables, with_every_reason], ids=["few", "all"])
@pytest.mark.parametrize("name", ["a", "_", "&", "\u00e4"])
def test_no_row_is_longer_than_it_is_reckoned_to_be(
    make_run: MakeRun, tmp_path: Path, change: Callable[[Tables], Tables], name: str
) -> None:
    tables = change(typical_tables(40))
    labels = {}
    for row in (*tables.slices, *(row for rows in tables.predictions.values() for row in rows)):
        row["path"] = f"{row['path']}{name * 100}"
        labels[row["path"]] = "meningioma_coronal"
    run = make_run(tables)
    csv = tmp_path / "labels.csv"
    lines = [f"{path},{category}\n" for path, category in labels.items()]
    csv.write_text("path,category\n" + "".join(lines), "utf-8")
    keep_truth(run, csv)
    data = load_run(run)
    assert any(item.wrong for item in data.items)
    html = build_report(run, tmp_path / "index.html").read_text("utf-8")
    rows = re.findall(r'<tr id="slice.*?</tr>', html, flags=re.DOTALL)
    assert len(rows) == len(data.items)
    for item, row in zip(data.items, rows, strict=True):
        reckoned = limits._row_bytes(item, len(data.models)) + limits._PICTURE_CELL
        assert len(row.encode()) <= reckoned, row


def with_long_names(tables: Tables) -> Tables:
    """Give every file a name of 300 characters, and every refusal a sentence as long."""
    names = {row["path"]: f"{'x' * 150}/{row['path'].rjust(149, 'y')}" for row in tables.slices}
    for row in tables.slices:
        row["path"] = names[row["path"]]
        if row["reason"]:
            row["reason"] = f"{row['path']}: {'because ' * 37}end."
    for row in (row for rows in tables.predictions.values() for row in rows):
        row["path"] = names[row["path"]]
    return tables


def refused_by_the_hundred() -> Tables:
    """Return a batch whose refusals fill the page's list of them, with long names and reasons."""
    tables = typical_tables(60)
    tables.slices += [
        slice_row(f"{k}.png", status="refused", reason_code="blank", reason="nothing")
        for k in range(510)
    ]
    return with_long_names(tables)


@pytest.mark.parametrize(
    "tables",
    [
        lambda: typical_tables(300),
        lambda: with_every_reason(with_long_names(typical_tables(300))),
        refused_by_the_hundred,
        lambda: in_folders(typical_tables(300)),
    ],
    ids=["plain", "long", "refused", "truth"],
)
def test_what_stands_beside_rows_and_pictures_is_no_more_than_is_reckoned(
    make_run: MakeRun, tmp_path: Path, tables: Callable[[], Tables]
) -> None:
    run = make_run(tables())
    html = build_report(run, tmp_path / "index.html").read_text("utf-8")
    page = re.sub('data:image[^"]*', "", html)
    rows = re.findall(r'<tr id="slice.*?</tr>', page, flags=re.DOTALL)
    beside = len(page.encode()) - sum(len(row.encode()) for row in rows)
    reckoned = limits.other_bytes(load_run(run))
    assert beside <= reckoned <= 1.35 * beside


def test_the_middle_of_long_names_is_left_out_of_the_table_alone_and_that_is_said(
    make_run: MakeRun, tmp_path: Path
) -> None:
    page = Page(build_report(make_run(with_long_names(typical_tables(12))), tmp_path / "i.html"))
    rows = page.rows("table-slices")
    assert {len(row[2]) for row in rows} == {limits.ROW_NAME}
    assert rows[0][2].startswith("x" * 39 + "\u2026")
    assert rows[0][2].endswith("slice_00000.png")
    assert len(rows[-1][-1]) == limits.ROW_SENTENCE
    assert rows[-1][-1].endswith("because end.")
    note = text(page.by_id("slices").findall("./p")[-1])
    assert "more than 120 characters and sentences of more than 160" in note
    assert "whole in runs/20260301T120000Z-0a1b2c/slices/, columns path and reason" in note
    whole = text(page.by_id("refusals"))
    assert "x" * 150 + "/" + "broken.png".rjust(149, "y") in whole
    assert "Because " + "because " * 36 + "end." in whole


def test_names_that_fit_are_whole_and_nothing_is_said(make_run: MakeRun, tmp_path: Path) -> None:
    page = Page(build_report(make_run(), tmp_path / "index.html"))
    assert "\u2026" not in text(page.by_id("slices"))


@pytest.fixture(scope="module")
def page_of_10000(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    tables = with_long_names(typical_tables(10_000 - 4))
    return build_report(write_run(folder / "data", tables).root, folder / "index.html")


@pytest.mark.slow(seconds=30)
def test_a_page_of_10000_slices_with_names_of_300_characters_is_below_12_megabytes(
    page_of_10000: Path,
) -> None:
    assert page_of_10000.stat().st_size <= 12 * MEGABYTE
    assert [path.name for path in page_of_10000.parent.glob("*.html")] == ["index.html"]
    page = Page(page_of_10000)
    assert len(page.rows("table-slices")) == 10_000
    notes = " ".join(text(one) for one in page.all("p", class_="limit"))
    left_out = f"{9_996 - len(page.all('image')):,} more are in runs/20260301T120000Z-0a1b2c/thumb"
    assert left_out in notes


class TestInTheBrowser:
    pytestmark = BROWSER_TEST

    def test_of_10000_slices_a_browser_lays_out_what_is_looked_at_and_finds_all(
        self, open_page: OpenPage, page_of_10000: Path
    ) -> None:
        page = open_page(page_of_10000)
        page.add_init_script(HELD)
        page.reload()
        at_first = page.evaluate(LAID_OUT)
        assert at_first == {"rows": 250, "body": "flex", "pictured": False}
        assert page.locator("*").count() < 20_000
        page.get_by_role("combobox", name="Status").select_option(label="to review")
        page.get_by_text("25 of 250 rows", exact=True).wait_for()  # answered before all are read
        page.evaluate(RELEASED)
        page.get_by_text("1,000 of 10,000 rows", exact=True).wait_for()
        page.get_by_role("button", name="Show all").click()
        page.get_by_text("10,000 rows", exact=True).wait_for()
        page.locator("html.reviewable").wait_for()
        assert page.evaluate(LAID_OUT) == at_first
        page.get_by_label("Search").fill("slice_09995")
        page.get_by_text("1 of 10,000 rows").wait_for()
        page.get_by_role("link", name="Contact sheet").click()
        page.locator(".sheet .shot").first.click(trial=True)
        assert page.evaluate(LAID_OUT)["pictured"]


def test_a_run_too_large_for_a_page_has_pages_of_slices_beside_it(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"TABLE_ROWS": 50, "SUMMARY_ROWS": 10, "PAGE_ROWS": 30}.items():
        monkeypatch.setattr(limits, name, value)
    target = build_report(make_run(typical_tables(60)), tmp_path / "index.html")
    names = [f"slices-000{n}.html" for n in (1, 2, 3)]
    assert sorted(path.name for path in tmp_path.glob("*.html")) == ["index.html", *names]
    summary = Page(target)
    assert len(summary.rows("table-slices")) == 10
    assert "Shown: the 10 most urgent of 64 slices" in text(summary.by_id("slices"))
    listed = summary.all("ol", class_="pages")[0]
    assert [text(one) for one in listed] == [
        "1 to 30 3 to review",
        "31 to 60 3 to review",
        "61 to 64",
    ]
    links = {link.get("href", "") for link in summary.all("a")}
    assert set(names) < links
    beside = {name: Page(tmp_path / name) for name in names}
    assert [len(page.rows("table-slices")) for page in beside.values()] == [30, 30, 4]
    assert len(shots(beside[names[1]].by_id("table-slices"))) == 30
    assert "room for" not in " ".join(text(page.by_id("slices")) for page in beside.values())
    for link in links - set(names):
        name, _, anchor = link.partition("#")
        assert (beside[name] if name else summary).by_id(anchor) is not None


def test_a_page_of_slices_says_how_many_pictures_it_has_no_room_for(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"TABLE_ROWS": 50, "PAGE_ROWS": 40, "THUMBNAILS": 25}.items():
        monkeypatch.setattr(limits, name, value)
    build_report(make_run(typical_tables(60)), tmp_path / "index.html")
    said = [text(Page(tmp_path / f"slices-000{n}.html").by_id("slices")) for n in (1, 2)]
    assert "This page has room for 25 pictures. The other 15 of its slices are in runs/" in said[0]
    assert "room for" not in said[1]  # 20 pictures, and 4 slices that never had one


def test_a_smaller_report_removes_the_pages_of_a_larger_one(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run()
    (tmp_path / "slices-mine.html").write_text("kept", encoding="utf-8")
    with monkeypatch.context() as small:
        small.setattr(limits, "TABLE_ROWS", 10)
        build_report(run, tmp_path / "index.html")
    assert (tmp_path / "slices-0001.html").exists()
    build_report(run, tmp_path / "index.html")
    assert not (tmp_path / "slices-0001.html").exists()
    assert (tmp_path / "slices-mine.html").exists()


def test_a_page_without_slices_weighs_less_than_150_kilobytes(
    make_run: MakeRun, tmp_path: Path
) -> None:
    target = build_report(make_run(typical_tables(0, rejected=False)), tmp_path / "index.html")
    assert target.stat().st_size <= 150_000


def test_a_slice_without_thumbnail_has_a_card_without_picture(
    make_run: MakeRun, tmp_path: Path
) -> None:
    tables = typical_tables(1, rejected=False)
    tables.thumbnails.clear()
    tables.slices.append(slice_row("broken.png", status="failed"))
    page = Page(build_report(make_run(tables), tmp_path / "index.html"))
    assert text(page.all("div", class_="nopicture")[0]) == "no picture"
    assert page.all("img") == page.all("image") == []


def test_the_most_doubtful_slice_has_the_first_claim_to_a_picture(make_run: MakeRun) -> None:
    data = load_run(make_run())
    assert list(limits.embedded_thumbnails(data, limit=1)) == [data.review[0].slice_id]
