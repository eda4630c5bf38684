from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from artemis.answers.studies import StudyReason, study_rows
from artemis.report.plots.sparkline import sparkline
from artemis.report.run import limits
from artemis.report.run.build import build_report
from artemis.report.words import STUDY_REASON_WORDS
from artemis.schemas import PREDICTIONS_SCHEMA, SLICES_SCHEMA
from artemis.settings import ReviewSettings
from tests.report.conftest import RUN_ID, Tables, jpeg, prediction_row, typical_tables
from tests.report.parsing import Page, shots, text

MakeRun = Callable[..., Path]


def with_studies(
    tables: Tables, series: int = 2, each: int = 10, far: Collection[int] = ()
) -> Tables:
    """Make the first slices of a batch series of one study, the second model of another mind.

    In series k the slices from the third to the seventh are of tumour k at 90 %, the others
    of none; the second model answers none throughout. Those of `far` are strange to the first.
    """
    for number in range(series * each):
        row = tables.slices[number]
        kind, place = divmod(number, each)
        row |= {"study_key": "5afe" * 4, "series_key": f"{kind:016x}", "series_index": place}
        category = 3 * kind if 2 <= place < 7 else 9
        for model, answered in zip(tables.predictions, (category, 9), strict=True):
            tables.predictions[model][number] = prediction_row(row, model, answered, 0.9)
        if number in far:
            strange = {"needs_review": True, "review_reasons": ["out_of_distribution"]}
            next(iter(tables.predictions.values()))[number] |= strange
    tables.studies = studies_of(tables)
    return tables


def studies_of(tables: Tables) -> list[dict[str, Any]]:
    predictions = [row for rows in tables.predictions.values() for row in rows]
    rows = study_rows(
        pd.DataFrame(tables.slices, columns=SLICES_SCHEMA.names),
        pd.DataFrame(predictions, columns=PREDICTIONS_SCHEMA.names),
        ReviewSettings(),
    )
    return [row | {"run_id": RUN_ID} for row in rows]


@pytest.fixture
def page(make_run: MakeRun, tmp_path: Path) -> Page:
    run = make_run(with_studies(typical_tables(30)))
    return Page(build_report(run, tmp_path / "index.html"))


def test_single_pictures_have_no_such_section(make_run: MakeRun, tmp_path: Path) -> None:
    page = Page(build_report(make_run(), tmp_path / "index.html"))
    assert "Series and studies" not in page.source


def test_a_study_and_each_of_its_series_has_an_entry(page: Page) -> None:
    titles = [text(h) for h in page.by_id("studies").iter("h3")]
    assert titles == [
        "Study 5afe5afe, all 2 series",
        "Study 5afe5afe, series 00000000",
        "Study 5afe5afe, series 00000000",
    ]
    assert text(page.by_id("study-2").find(".//p")).startswith(
        "10 slices, 10 classified · coronal, sagittal, transverse · patient_0/slice_00000.png"
    )


def test_an_entry_gives_every_model_s_answer_and_why_to_look(page: Page) -> None:
    entry = text(page.by_id("study-2"))
    assert "The models name different tumours" in entry
    assert "mobilenet_v2Glioma 58%" in entry  # the mean of 5 slices at 92 % and 3 at 3 %
    assert "baselineNo tumour 9" in entry


def test_the_rule_of_an_entry_is_said_in_words(page: Page) -> None:
    assert "by the mean of up to 8 slices" in text(page.by_id("study-2"))
    assert "mean_of_top" not in text(page.by_id("studies"))


def test_the_strip_leads_to_the_slices_that_speak_most_for_the_answer(page: Page) -> None:
    strip = page.by_id("study-2").findall(".//ol/li")
    assert [text(item) for item in strip] == [f"{n} 92%" for n in (3, 4, 5, 6, 7)]
    links = [link.get("href", "") for item in strip for link in item.iter("a")]
    assert len(links) == len(strip)
    assert all(page.by_id(link.removeprefix("#")) is not None for link in links)
    assert all(len(shots(item)) == 1 for item in strip)


def test_a_study_is_said_no_finer_than_its_slices(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(with_studies(typical_tables(30)))
    record = run / "run.json"
    record.write_text(record.read_text().replace('"ece": 0.015', '"ece": 0.07'))
    page = Page(build_report(run, tmp_path / "index.html"))
    assert "mobilenet_v2Glioma 60%" in text(page.by_id("study-2"))
    assert text(page.by_id("study-2").findall(".//ol/li")[0]) == "3 90%"
    plot = page.by_id("study-2").find(".//svg[@class='plot']")
    assert "from <10% to 90%." in plot.get("aria-label")


def test_of_a_study_unlike_the_training_images_no_probability_is_said(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run(with_studies(typical_tables(30), far=(2, 3, 4, 5)))
    page = Page(build_report(run, tmp_path / "index.html"))
    entry = text(page.by_id("study-2"))
    said = "how sure the model is means nothing here and is not shown."
    assert f"mobilenet_v2Glioma Unlike the training images: {said}" in entry
    assert "baselineNo tumour 9" in entry
    assert text(page.by_id("study-2").findall(".//ol/li")[0]) == "3 unlike the training images"
    plot = page.by_id("study-2").find(".//svg[@class='plot']")
    least = "to mobilenet_v2 from 3% to 92% without 4 unlike the training images."
    assert plot.get("aria-label").endswith(least)


def test_slices_unlike_the_training_images_are_a_gap_in_the_line_and_the_caption_says_so(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run(with_studies(typical_tables(30), far=(3, 4)))
    page = Page(build_report(run, tmp_path / "index.html"))
    entry = page.by_id("study-2")
    plot = entry.find(".//svg[@class='plot']")
    first, second, whole = (line.get("points").split() for line in plot.iter("polyline"))
    assert [len(line) for line in (first, second, whole)] == [3, 5, 10]
    assert first[-1].split(",")[0] == "104.0"  # the third slice; the next drawn is the sixth
    assert second[0].split(",")[0] == "200.0"
    assert len(list(plot.iter("circle"))) == 3  # of five supporting slices
    assert "A gap in a line: slices unlike the training images." in text(entry)
    assert "A gap" not in text(page.by_id("study-3"))


def without_answer(tables: Tables, number: int, **values: Any) -> None:
    """Make a slice one that was read and refused, or with ``series_index`` None, unreadable."""
    tables.slices[number] |= {"status": "refused", "reason_code": "blank"} | values
    for rows in tables.predictions.values():
        del rows[number]
    tables.studies = studies_of(tables)


def test_a_slice_that_was_refused_is_a_gap_and_the_caption_says_so(
    make_run: MakeRun, tmp_path: Path
) -> None:
    tables = with_studies(typical_tables(30), far=(3,))
    without_answer(tables, 6)
    entry = Page(build_report(make_run(tables), tmp_path / "index.html")).by_id("study-2")
    lines = [line.get("points").split() for line in entry.find(".//svg").iter("polyline")]
    assert [len(line) for line in lines] == [3, 2, 3, 6, 3]
    said = "A gap in a line: slices unlike the training images, or not classified."
    assert said in text(entry)
    assert text(entry.find(".//p")).startswith("10 slices, 9 classified · ")


def test_where_all_is_familiar_the_caption_speaks_of_refused_slices_alone(
    make_run: MakeRun, tmp_path: Path
) -> None:
    tables = with_studies(typical_tables(30))
    without_answer(tables, 6)
    entry = Page(build_report(make_run(tables), tmp_path / "index.html")).by_id("study-2")
    assert "A gap in a line: slices not classified." in text(entry)


def test_a_slice_whose_place_is_not_known_is_no_gap_at_the_beginning(
    make_run: MakeRun, tmp_path: Path
) -> None:
    tables = with_studies(typical_tables(30))
    without_answer(tables, 6, status="failed", reason_code="truncated", series_index=None)
    entry = Page(build_report(make_run(tables), tmp_path / "index.html")).by_id("study-2")
    plot = entry.find(".//svg")
    assert [len(line.get("points").split()) for line in plot.iter("polyline")] == [9, 9]
    assert plot.get("aria-label").startswith("Probability of glioma along 9 slices")
    assert "A gap" not in text(entry)


def test_copies_in_a_series_are_counted_and_drawn_once_and_the_entry_says_so(
    make_run: MakeRun, tmp_path: Path
) -> None:
    tables = with_studies(typical_tables(30))
    copied = {"slice_id": tables.slices[2]["slice_id"], "series_index": 2}
    tables.slices[3] |= copied
    for rows in tables.predictions.values():
        rows[3]["slice_id"] = copied["slice_id"]
    tables.studies = studies_of(tables)
    page = Page(build_report(make_run(tables), tmp_path / "index.html"))
    entry = page.by_id("study-2")
    said = "10 slices, 9 classified, copies counted once · "
    assert text(entry.find(".//p")).startswith(said)
    plot = entry.find(".//svg")
    assert [len(line.get("points").split()) for line in plot.iter("polyline")] == [9, 9]
    assert "copies" not in text(page.by_id("study-3"))


def test_a_series_is_drawn_along_its_slices_and_a_study_of_several_is_not(page: Page) -> None:
    assert page.by_id("study-1").find(".//svg[@class='plot']") is None
    plot = page.by_id("study-2").find(".//svg[@class='plot']")
    assert plot.get("aria-label") == (
        "Probability of glioma along 10 slices, mobilenet_v2 and baseline; to mobilenet_v2 "
        "from 3% to 92%."
    )
    assert len(list(plot.iter("polyline"))) == 2
    assert len(list(plot.iter("circle"))) == 5


def test_what_is_left_out_is_said_and_those_that_need_a_look_stay(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STUDIES", 1)
    monkeypatch.setattr(limits, "THUMBNAILS", 4)
    run = make_run(with_studies(typical_tables(30)))
    section = Page(build_report(run, tmp_path / "index.html")).by_id("studies")
    assert "Shown: 1 of 3, those that need a person first. All are in runs/" in text(section)
    assert text(section).count("no picture") == 2


def test_a_study_of_one_series_is_shown_once(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(with_studies(typical_tables(30), series=1))
    section = Page(build_report(run, tmp_path / "index.html")).by_id("studies")
    assert [text(h) for h in section.iter("h3")] == ["Study 5afe5afe, series 00000000"]


def test_a_study_that_holds_more_than_its_one_series_of_slices_is_shown_too(
    make_run: MakeRun, tmp_path: Path
) -> None:
    tables = with_studies(typical_tables(30), series=1)
    single = tables.slices[10] | {"study_key": "5afe" * 4, "series_key": f"{9:016x}"}
    tables.slices[10] = single
    for model, rows in tables.predictions.items():
        rows[10] = prediction_row(single, model, 3, 0.9)
    tables.studies = studies_of(tables)
    page = Page(build_report(make_run(tables), tmp_path / "index.html"))
    titles = [text(h) for h in page.by_id("studies").iter("h3")]
    assert titles == ["Study 5afe5afe, all 2 series", "Study 5afe5afe, series 00000000"]
    assert text(page.by_id("study-1").find(".//p")).startswith("11 slices, 11 classified")


def test_every_reason_of_a_study_has_words() -> None:
    assert set(STUDY_REASON_WORDS) == {str(reason) for reason in StudyReason}


def test_a_slice_without_an_answer_is_a_gap() -> None:
    drawn = str(sparkline([[0.0, 0.5, None, 1.0]], {3}, "words"))
    assert drawn.count("<polyline") == 2
    assert 'points="40.0,66.0 136.0,37.0"' in drawn
    assert 'points="326.0,8.0 330.0,8.0"' in drawn  # a lone value is a short dash
    assert drawn.count("<circle") == 1


@pytest.mark.slow
def test_a_page_of_1000_slices_with_larger_pictures_and_studies_is_below_5_megabytes(
    make_run: MakeRun, tmp_path: Path
) -> None:
    tables = with_studies(typical_tables(1000), series=3, each=300)
    for row in tables.thumbnails:
        row["overlay"] = row["view_evidence"] = row["jpeg"]
        row["view_jpeg"] = jpeg(0, side=192)
    assert len(jpeg(0, side=192)) > 6_000  # as large as those of real slices
    target = build_report(make_run(tables), tmp_path / "index.html")
    assert target.stat().st_size <= 5_000_000


def test_volumes_of_one_file_are_drawn_by_place_and_named_apart(
    make_run: MakeRun, tmp_path: Path
) -> None:
    tables = with_studies(typical_tables(30), series=1, each=20)
    for number, row in enumerate(tables.slices[:20]):
        volume, place = divmod(number, 5)
        row |= {"study_key": None, "series_key": None, "format": "nifti", "frame": number}
        row |= {"file_sha256": "ab" * 32, "path": "dynamic.nii.gz", "series_index": place}
        row |= {"volume": volume, "slice_position": 4.0 * place, "header_plane": "transverse"}
        for rows in tables.predictions.values():
            rows[number] |= {"path": row["path"], "frame": number, "needs_review": True}
    tables.studies = studies_of(tables)
    page = Page(build_report(make_run(tables), tmp_path / "index.html"))
    study = page.by_id("study-1")
    assert text(study.find(".//h3")) == "4 volumes of one file"
    assert text(study.find(".//p")) == (
        "20 slices, 20 classified, of 5 places, each the mean of its slices · transverse · "
        "dynamic.nii.gz · by the mean of up to 8 places"
    )
    assert "along 5 places, " in page.source
    facts = {text(one) for one in page.by_id("review").iter("p")}
    assert any("frame 17 · slice 3 of volume 4 · transverse by its header" in one for one in facts)
    assert not any("of its series" in one for one in facts)
