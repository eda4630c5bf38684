from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path

import pytest

from artemis.models.evidence_map import CAPTION
from artemis.predictions import plain_rows, read_table, write_part
from artemis.report.run import limits
from artemis.report.run.build import build_report
from artemis.report.run.card_pictures import card_pictures
from artemis.report.run.data import load_run
from artemis.report.run.evidence import evidence_legend, evidence_words
from artemis.runs import RunPaths, read_record, write_record
from artemis.schemas import THUMBNAILS_SCHEMA
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
    assert b64decode(drawn) == data.overlays[data.items[10].slice_id]
    assert "no evidence above zero" in text(first)


def test_a_card_shows_what_the_models_see_where_it_is_stored(mapped: Path, tmp_path: Path) -> None:
    run = read_table(mapped, "thumbnails")
    run["view_jpeg"] = [b"seen" if k in (0, 10) else None for k in range(len(run))]
    run["view_evidence"] = [b"felt" if k == 10 else None for k in range(len(run))]
    for part in (mapped / "thumbnails").iterdir():
        write_part(part, [*plain_rows(run)], THUMBNAILS_SCHEMA)
    page = Page(build_report(mapped, tmp_path / "index.html"))
    first, second, third = page.all("li", class_="card")
    assert [one.get("href") for one in first.findall(".//use")] == ["#v1"]
    assert "no evidence above zero" in text(first)
    assert [one.get("href") for one in second.findall(".//use")] == ["#v2", "#v2", "#e2"]
    assert [shot.get("aria-label") for shot in shots(second)] == [
        "MRI slice 11 as the models see it",
        "MRI slice 11 with the evidence of mobilenet_v2 for no tumour",
    ]
    assert page.by_id("v2").get("href") == f"data:image/jpeg;base64,{b64encode(b'seen').decode()}"
    assert page.by_id("e2").get("href") == f"data:image/png;base64,{b64encode(b'felt').decode()}"
    assert third.find(".//img") is not None  # not stored: the thumbnail's overlay


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
    pictures = card_pictures(data, data.review, 1_000_000)
    assert list(pictures) == [data.items[i].slice_id for i in (0, 10, 20)]
    assert [one.overlay is not None for one in pictures.values()] == [False, True, True]
    room = sum(one.characters for one in pictures.values())
    assert len(card_pictures(data, data.review, room)) == 3
    assert len(card_pictures(data, data.review, room - 1)) == 2


def test_evidence_without_room_is_not_called_none(
    mapped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CARD_CHARACTERS", 100)
    page = Page(build_report(mapped, tmp_path / "index.html"))
    first, second, _ = page.all("li", class_="card")
    assert "no evidence above zero" in text(first)
    assert "evidence left out for its size" in text(second)


def test_legend_runs_from_violet_to_yellow() -> None:
    drawn = str(evidence_legend())
    assert drawn.index("#470155") < drawn.index("#fce721")
    assert drawn.index("weak") < drawn.index("strong")


def test_words_name_every_model_without_maps(mapped: Path) -> None:
    assert evidence_words(load_run(mapped)).endswith("baseline gives no evidence maps.")
