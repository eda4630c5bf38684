"""Conflicts between reviewers: how they are listed, shown to a third person, and settled."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

import cli
from artemis.report.conflicts import write_conflicts
from artemis.report.words import WITHHELD
from artemis.reviews.reviewed import import_labels, read_conflicts, read_reviewed
from artemis.reviews.reviewed_file import COLUMNS, read_rows
from artemis.runs import IDENTITY_KEY
from tests.report.browsing import BROWSER_TEST, OpenPage
from tests.report.conftest import HOSTILE, RUN_ID, typical_tables, write_run
from tests.report.parsing import Page, text

NEWER = "20260302T080000Z-ffffff"


def bring(workspace: Path, *labels: tuple[int, str, str], **changes: str) -> None:
    """Import labels: number of the slice, reviewer, and what he says, ``glioma coronal``."""
    slices = [row["slice_id"] for row in typical_tables(12).slices[:12]]
    file = workspace / "labels.csv"
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, restval="")
        writer.writeheader()
        for place, (number, reviewer, said) in enumerate(labels):
            tumor, _, plane = said.partition(" ")
            verdict = {"verdict": "correct", "tumor": tumor, "plane": plane}
            writer.writerow(
                {
                    "run_id": RUN_ID,
                    "slice_id": slices[number - 1],
                    **(verdict if plane else {"verdict": said}),
                    "reviewer": reviewer,
                    "reviewed_at": f"2026-03-02T09:{place:02d}:00Z",
                    **changes,
                }
            )
    import_labels(file, workspace)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Twelve slices; the reviewers of 3 and 1 disagree, those of 2 agree."""
    write_run(tmp_path / "data", typical_tables(12))
    bring(
        tmp_path / "data",
        (3, "AB", "glioma transverse"),
        (3, "CD", "meningioma transverse"),
        (3, "EF", "unsure"),
        (1, "AB", "bad_image"),
        (1, "CD", "glioma coronal"),
        (1, "GH", "glioma coronal"),
        (2, "AB", "glioma sagittal"),
        (2, "CD", "glioma sagittal"),
    )
    return tmp_path / "data"


def test_labels_of_slices_in_conflict_are_listed_with_run_and_note(workspace: Path) -> None:
    found = read_conflicts(workspace)
    assert sorted(found["reviewer"]) == ["AB", "AB", "CD", "CD", "EF", "GH"]
    assert set(found["run_id"]) == {RUN_ID}


def test_the_page_shows_each_slice_with_every_judgement_most_doubtful_first(
    workspace: Path, tmp_path: Path
) -> None:
    written = write_conflicts(workspace, tmp_path / "reports")
    assert written.page == tmp_path / "reports" / "conflicts" / "index.html"
    page = Page(written.page)
    assert text(page.all("p", class_="verdict")[0]).startswith(
        "The reviewers of 2 slices disagree. Somebody else should decide"
    )
    first, second = page.all("li", class_="card")
    assert "patient_0/slice_00000.png" in text(first)
    assert [text(one) for one in first.iter("li") if one.get("class") is None][:3] == [
        "Bad image by AB, 2026-03-02 09:03:00 UTC",
        "Glioma, coronal by CD, 2026-03-02 09:04:00 UTC",
        "Glioma, coronal by GH, 2026-03-02 09:05:00 UTC",
    ]
    assert "Unsure by EF" in text(second)
    rows = page.by_id("table-slices").findall("./tbody/tr")
    assert [row.get("data-opinions") for row in rows] == [
        "bad_image=Bad image (AB)|glioma coronal=Glioma, coronal (CD and GH)",
        "glioma transverse=Glioma, transverse (AB)|"
        "meningioma transverse=Meningioma, transverse (CD)",
    ]
    assert {row.get("data-run") for row in rows} == {RUN_ID}
    assert len(page.all("image")) == 2


def test_a_picture_withheld_in_one_run_is_on_no_page_with_another(
    workspace: Path, tmp_path: Path
) -> None:
    tables = typical_tables(12)  # the same files in a newer run, which withholds one
    tables.thumbnails[0] |= dict.fromkeys(("jpeg", "overlay", "view_jpeg", "view_evidence"))
    other = write_run(tmp_path / "other", tables, run_id=NEWER).root
    shutil.move(other, workspace / "runs" / NEWER)
    bring(workspace, (4, "AB", "glioma coronal"), (4, "CD", "none coronal"), run_id=NEWER)
    page = Page(write_conflicts(workspace, tmp_path / "reports").page)
    hidden = tables.slices[0]["slice_id"]
    card = next(one for one in page.all("li", class_="card") if one.get("data-id") == hidden)
    assert text(card.find("div")) == WITHHELD
    assert len(page.all("image")) == 2


def test_slices_of_several_runs_are_settled_on_one_page(workspace: Path, tmp_path: Path) -> None:
    other = write_run(tmp_path / "other", typical_tables(12), run_id=NEWER).root
    shutil.move(other, workspace / "runs" / NEWER)
    bring(workspace, (5, "AB", "glioma coronal"), (5, "CD", "none coronal"), run_id=NEWER)
    rows = Page(write_conflicts(workspace, tmp_path).page).by_id("table-slices")
    runs = [row.get("data-run") for row in rows.findall("./tbody/tr")]
    assert sorted(filter(None, runs)) == [RUN_ID, RUN_ID, NEWER]


def test_a_conflict_of_a_run_that_is_gone_is_named(workspace: Path, tmp_path: Path) -> None:
    shutil.rmtree(workspace / "runs")
    written = write_conflicts(workspace, tmp_path)
    assert [one.item for one in written.conflicts] == [None, None]
    words = text(Page(written.page).root)
    assert "2 slices cannot be shown, since the run that was reviewed is no longer" in words
    assert written.conflicts[0].slice_id[:12] in words


def test_where_nobody_disagrees_the_page_says_so(workspace: Path, tmp_path: Path) -> None:
    write_conflicts(workspace, tmp_path)
    decided = {"adjudication": "yes", "reviewed_at": "2026-03-03T09:00:00Z"}
    bring(workspace, (3, "IJ", "glioma transverse"), (1, "IJ", "bad_image"), **decided)
    page = Page(write_conflicts(workspace, tmp_path).page)
    assert text(page.all("p", class_="verdict")[0]).startswith("No slice is in conflict")
    assert page.all("table") == []


def test_a_hostile_note_stays_text(workspace: Path, tmp_path: Path) -> None:
    bring(workspace, (4, "AB", "none coronal"), (4, "CD", "unsure"), note=f"{HOSTILE}\u202egnp")
    bring(workspace, (4, "GH", "glioma coronal"))
    page = Page(write_conflicts(workspace, tmp_path).page)
    assert "onerror=alert(1)" in text(page.by_id("review"))
    assert "\u202e" not in page.source
    assert page.all("img") == []


def test_the_command_lists_conflicts_and_names_the_page(workspace: Path) -> None:
    run = ["labels", "conflicts", "--workspace", str(workspace)]
    plain = CliRunner().invoke(cli.app, run)
    assert plain.exit_code == 0
    lines = plain.stdout.splitlines()
    assert len(lines) == 3
    assert "patient_0/slice_00002.png  AB: Glioma, transverse; CD: Meningioma" in lines[1]
    assert Path(lines[2]).is_file()
    told = json.loads(CliRunner().invoke(cli.app, [*run, "--json"]).stdout)
    assert told["report"] == lines[2]
    assert [one["path"] for one in told["conflicts"]] == [
        "patient_0/slice_00000.png",
        "patient_0/slice_00002.png",
    ]
    assert told["conflicts"][1]["labels"][0] == {
        "reviewer": "AB",
        "said": "glioma transverse",
        "words": "Glioma, transverse",
        "reviewed_at": "2026-03-02T09:00:00+00:00",
        "confidence": None,
        "note": None,
    }


def test_slices_of_one_file_are_told_apart_by_their_frames(tmp_path: Path) -> None:
    tables = typical_tables(2)
    for frame, row in enumerate(tables.slices[:2]):
        row |= {"path": "volume.nii.gz", "frame": frame}
        for rows in tables.predictions.values():
            rows[frame] |= {"path": "volume.nii.gz", "frame": frame}
    write_run(workspace := tmp_path / "data", tables)
    for slice_ in (1, 2):
        bring(workspace, (slice_, "AB", "none coronal"), (slice_, "CD", "glioma coronal"))
    run = ["labels", "conflicts", "--workspace", str(workspace)]
    plain = CliRunner().invoke(cli.app, run).stdout.splitlines()
    assert {line.split("  ")[1] for line in plain[:2]} == {
        "volume.nii.gz, frame 0",
        "volume.nii.gz, frame 1",
    }
    rows = Page(Path(plain[2])).rows("table-slices")
    assert {row[2] for row in rows} == {"volume.nii.gz frame 0", "volume.nii.gz frame 1"}
    told = json.loads(CliRunner().invoke(cli.app, [*run, "--json"]).stdout)
    assert {one["frame"] for one in told["conflicts"]} == {0, 1}


def test_an_import_that_leaves_conflicts_says_where_they_are_listed(workspace: Path) -> None:
    run = ["labels", "import", str(workspace / "labels.csv"), "--workspace", str(workspace)]
    answer = CliRunner().invoke(cli.app, run)
    assert "CD: glioma, coronal\n" in answer.stdout
    assert "AB: bad image\n" in answer.stdout
    assert answer.stderr.endswith(f"artemis-cli labels conflicts --workspace {workspace}\n")


class TestInTheBrowser:
    pytestmark = BROWSER_TEST

    def test_a_third_person_settles_both_by_keyboard_and_the_csv_ends_the_conflict(
        self, open_page: OpenPage, workspace: Path, tmp_path: Path
    ) -> None:
        target = write_conflicts(workspace, tmp_path / "reports").page
        page = open_page(target)
        page.get_by_role("button", name="Start", exact=True).click()
        page.keyboard.type("zz")
        page.keyboard.press("Enter")
        assert page.get_by_role("button", name="1 Bad image (AB)").is_visible()
        page.keyboard.press("1")
        page.keyboard.press("n")
        page.keyboard.press("2")
        chosen = page.get_by_role("button", name="2 Meningioma, transverse (CD)")
        assert chosen.get_attribute("aria-pressed") == "true"
        assert "settled: meningioma, transverse" in page.locator(".card").nth(1).inner_text()
        assert page.locator("[data-d=count]").inner_text() == "2 of 2 settled"
        with page.expect_download() as waiting:
            page.get_by_role("button", name="Export CSV").click()
        waiting.value.save_as(file := tmp_path / "settled.csv")
        rows = [row.values for row in read_rows(file)]
        assert [(row["verdict"], row["run_id"], row["adjudication"]) for row in rows] == [
            ("bad_image", RUN_ID, True),
            ("correct", RUN_ID, True),
        ]
        assert import_labels(file, workspace).conflicts.empty
        states = dict(read_reviewed(workspace)[["slice_id", "state"]].itertuples(index=False))
        assert sorted(states.values()) == ["agreed", "agreed", "bad_image"]

    def test_on_a_telephone_no_reviewer_s_answer_lies_beyond_the_edge(
        self, open_page: OpenPage, workspace: Path, tmp_path: Path
    ) -> None:
        target = write_conflicts(workspace, tmp_path / "reports").page
        page = open_page(target, viewport={"width": 390, "height": 844})
        fits = "one => one.scrollWidth <= one.clientWidth"
        assert page.locator(".scroll:has(#table-slices)").evaluate(fits)
        page.get_by_role("button", name="Settle slice 1").click()
        page.keyboard.type("zz")
        page.keyboard.press("Enter")
        page.keyboard.press("1")
        row = page.locator("#table-slices tr[data-id]").first
        assert [cell.split("\n")[0] for cell in row.locator("td").all_inner_texts()] == [
            "1", "", "patient_0/slice_00000.png",
            "Glioma, coronal", "65%", "Meningioma, coronal", "35%",
            "bad image", "AB: bad image; CD: glioma, coronal; GH: glioma, coronal",
        ]  # fmt: skip
        assert row.locator("td").evaluate_all("all => all.map(one => one.dataset.h)")[2:] == [
            "File", "mobilenet_v2", "Confidence", "baseline", "Confidence", "Settled", "Reviewers",
        ]  # fmt: skip

    def test_another_workspace_of_the_same_slices_has_a_store_of_its_own(
        self, open_page: OpenPage, workspace: Path, tmp_path: Path
    ) -> None:
        pages = []
        for name, secret in (("one", b"1" * 32), ("two", b"2" * 32)):
            other = shutil.copytree(workspace, tmp_path / name)
            (other / IDENTITY_KEY).write_bytes(secret)
            pages.append(write_conflicts(other, tmp_path / f"{name}-reports").page)
        stores = [
            re.findall(r'data-store="(conflicts-[0-9a-f]{16})"', page.read_text()) for page in pages
        ]
        assert stores[0] != stores[1]
        assert [len(one) for one in stores] == [1, 1]
        page = open_page(pages[0])
        page.get_by_role("button", name="Settle slice 1").click()
        page.keyboard.type("zz")
        page.keyboard.press("Enter")
        page.keyboard.press("1")
        assert page.locator("[data-d=count]").inner_text() == "1 of 2 settled"
        beside = page.context.new_page()  # of the same browser, which keeps one store for files
        for path, settled in zip(pages, (1, 0), strict=True):
            beside.goto(path.as_uri())
            beside.get_by_text(f"{settled} of 2 settled").wait_for()

    def test_what_is_kept_counts_no_more_once_somebody_has_objected(
        self, open_page: OpenPage, workspace: Path, tmp_path: Path
    ) -> None:
        target = write_conflicts(workspace, tmp_path / "reports").page
        page = open_page(target)
        page.get_by_role("button", name="Settle slice 1").click()
        page.keyboard.type("ab")
        page.keyboard.press("Enter")
        page.keyboard.press("2")
        said = page.locator("[data-d=said]").inner_text()
        assert said.startswith("Slice 1: settled, glioma, coronal. AB judged it before: a third")
        page.reload()
        page.get_by_text("1 of 2 settled").wait_for()  # another process may show it, a moment later
        later = target.read_text().replace("2026-03-02T09:05", "2999-03-02T09:05")
        target.write_text(later)
        page.reload()
        assert page.locator("[data-d=count]").inner_text() == "0 of 2 settled"
