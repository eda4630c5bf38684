from __future__ import annotations

from pathlib import Path

from artemis import RESEARCH_USE
from artemis.benchmark.page import build_benchmark_page, verdict
from artemis.benchmark.record import Check, Timing
from tests.benchmark.records import benchmark_record
from tests.report.parsing import Page, text

HOSTILE = "</script><img src=x onerror=alert(1)>\u202egnp"


def test_verdict_says_how_fast_beside_what_and_how_near_to_the_limit() -> None:
    assert verdict(benchmark_record()) == (
        "100 pictures at 50 a second, 2.5 times as fast as the original's loop. "
        "That is 75% of what these stages allow on this machine; "
        "the start of the command took 4.2 s besides."
    )


def test_verdict_says_how_many_pictures_were_left_out() -> None:
    assert verdict(benchmark_record(unusable=1)).endswith(
        " 1 other picture, which a batch does not classify, was left out."
    )
    assert verdict(benchmark_record(unusable=3)).endswith(
        " 3 other pictures, which a batch does not classify, were left out."
    )


def test_page_shows_every_timing_once(tmp_path: Path) -> None:
    page = Page(build_benchmark_page(benchmark_record(), tmp_path / "index.html"))
    rows = [
        [text(cell) for cell in row if cell.tag in ("th", "td")]
        for section in ("path", "stage", "peer")
        for row in page.by_id(section).iter("tr")
    ]
    assert ["classify-batch", "100", "50", "20.00", "15.00 to 25.00"] in rows
    assert ["decode and check", "50", "250", "4.00", "2.00 to 6.00"] in rows
    assert ["the original's loop", "100", "20", "50.00", "50.00 to 60.00"] in rows
    assert RESEARCH_USE.split(".")[0] in text(page.root)


def test_thousands_are_set_apart_as_on_every_page(tmp_path: Path) -> None:
    read = Timing(name="read", kind="stage", images=2000, seconds=[0.05])
    record = benchmark_record(timings=[*benchmark_record().timings, read])
    stage = Page(build_benchmark_page(record, tmp_path / "index.html")).by_id("stage")
    assert "read2,00040,0000.03" in text(stage)


def test_page_says_why_there_are_no_peers_and_which_answers_differ(tmp_path: Path) -> None:
    record = benchmark_record(
        timings=[one for one in benchmark_record().timings if one.kind != "peer"],
        ratios={},
        left_out="TensorFlow is not installed; the extra `train` brings it.",
        checks=[Check(name="one run and another", difference=0.5, limit=1e-5)],
    )
    page = Page(build_benchmark_page(record, tmp_path / "index.html"))
    assert "Not measured. TensorFlow is not installed" in text(page.by_id("peer"))
    assert "another0.510⁻⁵no" in text(page.by_id("checks"))
    assert "no" in [text(cell) for cell in page.by_id("checks").iter("td")]
    assert "with nothing to compare with" in text(page.root)


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    record = benchmark_record(machine={"processor": HOSTILE}, models={HOSTILE: HOSTILE})
    page = Page(build_benchmark_page(record, tmp_path / "index.html"))
    assert page.all("img") == []
    assert "onerror=alert(1)" in text(page.root)
    assert "\u202e" not in page.source
