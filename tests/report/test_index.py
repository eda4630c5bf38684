from __future__ import annotations

from pathlib import Path

import pytest

from artemis.report.index import build_index, write_index
from artemis.runs import RunRecord
from tests.report.conftest import HOSTILE, RUN_ID, run_record, typical_tables, write_run
from tests.report.parsing import Page, text


def record(run_id: str = RUN_ID, **changes: object) -> RunRecord:
    return run_record(typical_tables(12)).model_copy(update={"run_id": run_id, **changes})


def test_runs_are_listed_newest_first_with_counts_and_a_link(tmp_path: Path) -> None:
    newer = "20260302T080000Z-ffffff"
    (tmp_path / RUN_ID).mkdir()
    (tmp_path / RUN_ID / "index.html").write_text("a report")
    page = Page(build_index(tmp_path, [record(), record(newer)], tmp_path / "index.html"))
    rows = page.rows("table-runs")
    assert [row[0] for row in rows] == [f"{newer} (no report)", RUN_ID]
    assert rows[1][1:] == [
        "2026-03-01 12:00:00 UTC",
        "ward 7",
        "completed",
        *["16", "16", "12", "2", "2", "2", "–"],  # noqa: RUF001
        "mobilenet_v2 1.0.0 and baseline 1.0.0",
    ]
    links = [link.get("href") for link in page.by_id("table-runs").iter("a")]
    assert links == [f"{RUN_ID}/index.html"]


def test_no_run_is_said(tmp_path: Path) -> None:
    page = Page(build_index(tmp_path, [], tmp_path / "index.html"))
    assert text(page.all("p", class_="verdict")[0]) == "No run has been made yet."
    assert page.all("table") == []


def test_the_order_of_records_does_not_change_the_page(tmp_path: Path) -> None:
    records = [record(), record("20260302T080000Z-ffffff")]
    one = build_index(tmp_path, records, tmp_path / "a.html").read_bytes()
    assert build_index(tmp_path, records[::-1], tmp_path / "b.html").read_bytes() == one


def test_a_hostile_batch_and_run_id_stay_text_and_link_nowhere(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("outside")
    reports = tmp_path / "reports"
    hostile = [record(batch=f"/x/{HOSTILE}"), record("../")]
    page = Page(build_index(reports, hostile, reports / "index.html"))
    assert len(page.all("script")) == 1
    assert page.by_id("table-runs").findall(".//a") == []


def test_the_index_fetches_nothing_and_has_the_same_policy(tmp_path: Path) -> None:
    page = Page(build_index(tmp_path, [record()], tmp_path / "index.html"))
    policy = page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0].get("content", "")
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert all("style" not in element.attrib for element in page.root.iter())


def test_trends_stand_above_the_list_with_words_for_each_plot(tmp_path: Path) -> None:
    newer = "20260302T080000Z-ffffff"
    half = {"counts": run_record(typical_tables(12)).counts.model_copy(update={"slices": 8})}
    records = [record(newer, mean_doubt=0.305, **half), record(mean_doubt=0.1)]
    page = Page(build_index(tmp_path, records, tmp_path / "index.html"))
    plots = [plot.get("aria-label") for plot in page.by_id("trends").iter("svg")]
    assert plots == [
        "Slices found over 2 runs, 2026-03-01 12:00 to 2026-03-01 12:00: from 16 to 8.",
        "Refused or failed over 2 runs, 2026-03-01 12:00 to 2026-03-01 12:00: from 25% to 50%.",
        "To review over 2 runs, 2026-03-01 12:00 to 2026-03-01 12:00: from 17% to 17%.",
        "Mean doubt over 2 runs, 2026-03-01 12:00 to 2026-03-01 12:00: from 0.10 to 0.30.",
    ]
    assert [row[10] for row in page.rows("table-runs")] == ["0.30", "0.10"]


def test_the_list_of_a_workspace_says_the_doubt_that_each_run_recorded(tmp_path: Path) -> None:
    write_run(tmp_path, typical_tables(4), mean_doubt=0.25)
    page = Page(write_index(tmp_path / "runs", tmp_path / "reports"))
    assert page.rows("table-runs")[0][10] == "0.25"
    assert not [e for e in page.root.iter() if e.get("id") == "trends"]  # of one run there is none


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("comparisons/a--b", "a against b"),
        ("retrainings/20261124T020000Z-abcdef", "20261124T020000Z-abcdef"),
        ("models/baseline/20261126-ebadce", "baseline 20261126-ebadce"),
        ("audits/20261124T020000Z-abcdef", "20261124T020000Z-abcdef"),
        ("conflicts", "Conflicts"),
        ("explained/3cde696459abbb3a", "3cde696459abbb3a"),
        ("benchmark", "Benchmark"),
    ],
)
def test_every_other_page_is_listed_by_kind_with_a_link(
    tmp_path: Path, folder: str, name: str
) -> None:
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / "index.html").write_text("a page")
    page = Page(build_index(tmp_path, [record()], tmp_path / "index.html"))
    (link,) = page.by_id(folder.partition("/")[0]).iter("a")
    assert (text(link), link.get("href")) == (name, f"{folder}/index.html")


def test_slices_explained_are_sorted_by_their_files_names_which_stand_beside(
    tmp_path: Path,
) -> None:
    for folder, name in (("aa", "b&quot;.png"), ("bb", "a.png"), ("cc", "c.png")):
        (tmp_path / "explained" / folder).mkdir(parents=True)
        page = f"<head><title>{name} · Artemis</title>"
        (tmp_path / "explained" / folder / "index.html").write_text(page, encoding="utf-8")
    section = Page(build_index(tmp_path, [], tmp_path / "index.html")).by_id("explained")
    assert [text(item) for item in section.iter("li")] == ["bb a.png", 'aa b".png', "cc c.png"]
    assert "By name of the file." in text(section)
    assert "newest" not in text(section)


def test_an_audit_is_listed_with_the_name_of_its_data_the_newest_first(tmp_path: Path) -> None:
    for name in ("20261124T020000Z-abcdef", "20261125T020000Z-abcdef"):
        (tmp_path / "audits" / name).mkdir(parents=True)
        page = tmp_path / "audits" / name / "index.html"
        page.write_text("<title>Audit of ward · Artemis</title>", encoding="utf-8")
    section = Page(build_index(tmp_path, [], tmp_path / "index.html")).by_id("audits")
    assert [text(item) for item in section.iter("li")] == [
        "20261125T020000Z-abcdef Audit of ward",
        "20261124T020000Z-abcdef Audit of ward",
    ]
    assert "The newest first." in text(section)


def test_comparisons_stand_by_their_first_run_and_say_so(tmp_path: Path) -> None:
    for name in ("20261124T020000Z-a--20261126T020000Z-c", "20261125T020000Z-b--20261125T02Z-d"):
        (tmp_path / "comparisons" / name).mkdir(parents=True)
        (tmp_path / "comparisons" / name / "index.html").touch()
    section = Page(build_index(tmp_path, [], tmp_path / "index.html")).by_id("comparisons")
    assert [text(item)[:8] for item in section.iter("li")] == ["20261125", "20261124"]
    assert "By their first run, the newest first." in text(section)


@pytest.mark.parametrize("kind", ["comparisons", "drift"])
def test_pages_of_two_runs_are_listed_with_the_names_of_their_batches_and_not_where_they_lay(
    tmp_path: Path, kind: str
) -> None:
    records = [
        record("a", batch="/home/someone/ward 7"),
        record("b", batch="/home/someone/\u202e<img src=x onerror=alert(1)>"),
    ]
    for name in ("a--b", "a--a", "a--gone", "gone--gone"):
        (tmp_path / kind / name).mkdir(parents=True)
        (tmp_path / kind / name / "index.html").touch()
    page = Page(build_index(tmp_path, records, tmp_path / "index.html"))
    section = page.by_id(kind)
    assert [text(item) for item in section.iter("li")] == [
        "gone against gone",
        "a against gone ward 7 against \N{EN DASH}",
        "a against b ward 7 against \N{MATHEMATICAL LEFT ANGLE BRACKET}U+202E"
        "\N{MATHEMATICAL RIGHT ANGLE BRACKET}<img src=x onerror=alert(1)>",
        "a against a ward 7",
    ]
    assert {name.get("dir") for name in section.iter("bdi")} == {"ltr"}  # none turns the order
    assert len(page.all("script")) == 1
    assert "someone" not in text(section)


def test_a_page_of_one_run_is_listed_with_the_name_of_its_batch(tmp_path: Path) -> None:
    (tmp_path / "drift" / RUN_ID).mkdir(parents=True)
    (tmp_path / "drift" / RUN_ID / "index.html").touch()
    section = Page(build_index(tmp_path, [record()], tmp_path / "index.html")).by_id("drift")
    assert [text(item) for item in section.iter("li")] == [f"{RUN_ID} ward 7"]


def test_the_verdict_counts_the_slices_of_all_runs(tmp_path: Path) -> None:
    records = [record(), record("20260302T080000Z-ffffff")]
    page = Page(build_index(tmp_path, records, tmp_path / "index.html"))
    assert text(page.all("p", class_="verdict")[0]) == (
        "2 runs: 24 of 32 slices classified, 4 for a person to look at."
    )


def test_slices_of_shards_that_were_joined_are_counted_once(tmp_path: Path) -> None:
    shards = [record(f"20260302T08000{n}Z-ffffff") for n in range(2)]
    whole = record("20260302T080100Z-ffffff", merged=[shard.run_id for shard in shards])
    page = Page(build_index(tmp_path, [*shards, whole], tmp_path / "index.html"))
    assert text(page.all("p", class_="verdict")[0]) == (
        "3 runs: 12 of 16 slices classified, 2 for a person to look at."
    )
    assert len(page.rows("table-runs")) == 3
