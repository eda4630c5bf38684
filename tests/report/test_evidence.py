from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from artemis.evidence_map import CAPTION
from artemis.report import limits
from artemis.report.build import build_report
from artemis.report.data import load_run
from artemis.report.evidence import evidence_legend, evidence_words
from artemis.runs import RunPaths, read_record, write_record
from tests.report.conftest import jpeg, typical_tables
from tests.report.parsing import Page, shots, text

MakeRun = Callable[..., Path]


def let_first_model_map(run: Path) -> None:
    record = read_record(run)
    first, *others = record.models
    models = [first.model_copy(update={"evidence_maps": True}), *others]
    write_record(RunPaths(run.parents[1], run.name), record.model_copy(update={"models": models}))


@pytest.fixture
def mapped(make_run: MakeRun) -> Path:
    """A run whose first model maps its evidence in every slice but the first."""
    tables = typical_tables(30)
    for number, row in enumerate(tables.thumbnails[1:], start=200):
        row["overlay"] = jpeg(number)
    run = make_run(tables)
    let_first_model_map(run)
    return run


def test_each_card_shows_the_evidence_beside_the_picture(mapped: Path, tmp_path: Path) -> None:
    page = Page(build_report(mapped, tmp_path / "index.html"))
    first, second, _ = page.all("li", class_="card")
    assert [shot.get("aria-label") for shot in shots(second)] == [
        "MRI slice 11, no tumour, sagittal to mobilenet_v2"
    ]
    (overlay,) = second.findall(".//img")
    assert overlay.get("alt") == "MRI slice 11 with the evidence of mobilenet_v2 for no tumour"
    drawn = overlay.get("src", "").partition("base64,")[2]
    data = load_run(mapped)
    assert base64.b64decode(drawn) == data.overlays[data.items[10].slice_id]
    assert "no evidence above zero" in text(first)


def test_legend_and_caption_stand_once(mapped: Path, tmp_path: Path) -> None:
    page = Page(build_report(mapped, tmp_path / "index.html"))
    assert text(page.root).count(CAPTION) == 1
    assert page.source.count("Colours of the evidence") == 1
    note = text(page.all("div", class_="evidence")[0])
    assert "where mobilenet_v2 finds what speaks for the tumour type" in note
    assert "baseline gives no evidence maps." in note


def test_a_run_without_maps_says_so_in_words(make_run: MakeRun, tmp_path: Path) -> None:
    page = Page(build_report(make_run(), tmp_path / "index.html"))
    note = text(page.all("div", class_="evidence")[0])
    assert note == "No evidence is drawn: mobilenet_v2 and baseline give no evidence maps."
    assert CAPTION not in page.source
    card = page.all("li", class_="card")[0]
    assert len(shots(card)) == 1
    assert card.find(".//img") is None


def test_overlays_go_to_the_most_doubtful_and_stop_at_their_size(mapped: Path) -> None:
    data = load_run(mapped)
    assert list(limits.embedded_overlays(data)) == [data.items[i].slice_id for i in (10, 20)]
    assert list(limits.embedded_overlays(data, limit=2)) == [data.items[10].slice_id]
    assert limits.embedded_overlays(data, characters=100) == {}


def test_legend_runs_from_violet_to_yellow() -> None:
    drawn = str(evidence_legend())
    assert drawn.index("#470155") < drawn.index("#fce721")
    assert drawn.index("weak") < drawn.index("strong")


def test_words_name_every_model_without_maps(mapped: Path) -> None:
    assert evidence_words(load_run(mapped)).endswith("baseline gives no evidence maps.")
