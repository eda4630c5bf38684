from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from artemis import RESEARCH_USE
from artemis.errors import RunRecordError
from artemis.ingest.reasons import REMEDIES, Reason
from artemis.models.card.limits import KNOWN_LIMITS, known_limits
from artemis.report.page import render_page
from artemis.report.run.build import build_report
from artemis.report.run.sections import SECTIONS
from artemis.runs import read_record
from artemis.seen import SeenSlices
from tests.report.conftest import RUN_ID, Tables, slice_row, typical_tables
from tests.report.parsing import Page, text

MakeRun = Callable[..., Path]


@pytest.fixture
def page(make_run: MakeRun, tmp_path: Path) -> Page:
    return Page(build_report(make_run(), tmp_path / "report" / "index.html"))


def test_the_same_inputs_give_the_same_bytes(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    first = build_report(run, tmp_path / "a.html").read_bytes()
    again = build_report(run, tmp_path / "elsewhere" / "b.html").read_bytes()
    assert first == again


def test_the_report_is_made_without_tensorflow_prefect_or_typer() -> None:
    code = (
        "import sys, artemis.report.run.build, artemis.report.index\n"
        "heavy = {'tensorflow', 'keras', 'prefect', 'typer', 'ai_edge_litert'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_sections_stand_in_their_declared_order_each_with_its_caption(page: Page) -> None:
    parts = page.all("section", class_="part")
    declared = [section.key for section in SECTIONS if section.key not in {"studies", "truth"}]
    assert [part.get("id") for part in parts] == declared
    captions = [text(one) for one in page.all("p", class_="caption")]
    assert len(captions) == len(declared)
    assert all(len(caption) > 60 and "{" not in caption for caption in captions)
    assert [link.get("href") for link in page.all("nav")[0].iter("a")] == [
        f"#{key}" for key in declared
    ]


def test_the_notice_stands_before_the_verdict(page: Page) -> None:
    assert page.source.index(RESEARCH_USE) < page.source.index('class="verdict"')
    assert text(page.all("p", class_="notice")[0]).startswith(RESEARCH_USE)
    assert RESEARCH_USE in page.all("style")[0].text  # also at the foot of each printed sheet


def test_each_slice_is_a_row_with_both_answers_and_its_status(page: Page) -> None:
    rows = page.rows("table-slices")
    assert len(rows) == 34
    assert rows[1][2:] == [
        "patient_0/slice_00001.png",
        "0",
        "sagittal",
        "Glioma, sagittal",
        "91%",
        "Glioma, sagittal",
        "81%",
        "classified",
        "",
    ]
    assert rows[10][9:] == ["to review", "The models disagree; low confidence (baseline)"]
    assert rows[30][2] == "photo.jpg"
    assert rows[30][5:] == [
        *["\u2013"] * 4,
        "refused",
        "Expected greyscale. Received three differing channels.",
    ]


def test_the_most_doubtful_slice_is_the_first_card(page: Page) -> None:
    cards = page.all("li", class_="card")
    assert len(cards) == 3
    assert "patient_0/slice_00000.png" in text(cards[0])
    assert "The models disagree; low confidence (baseline)" in text(cards[0])
    tops = [text(item) for item in cards[0].findall(".//ol/li")]
    assert tops[0] == "Glioma, coronal65%"
    assert tops[3] == "Meningioma, coronal35%"
    assert len(tops) == 6


def test_confidence_is_in_fives_where_the_calibration_deserves_no_more(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run()
    record = read_record(run)
    coarse = [model.model_copy(update={"ece": 0.04}) for model in record.models]
    changed = record.model_copy(update={"models": coarse})
    (run / "run.json").write_text(changed.model_dump_json(), encoding="utf-8")
    page = Page(build_report(run, tmp_path / "index.html"))
    row = page.rows("table-slices")[1]
    assert (row[6], row[8]) == ("90%", "80%")
    tops = [text(item) for item in page.all("li", class_="card")[0].findall(".//ol/li")]
    assert tops[0] == "Glioma, coronal65%"


def test_confidence_of_a_slice_unlike_the_training_images_is_not_shown(
    make_run: MakeRun, tmp_path: Path
) -> None:
    tables = typical_tables(1, rejected=False)
    for rows in tables.predictions.values():
        rows[0]["review_reasons"] = ["out_of_distribution"]
    page = Page(build_report(make_run(tables), tmp_path / "index.html"))
    assert page.rows("table-slices")[0][5:9] == [
        "Glioma, coronal",
        "not said",
        "Meningioma, coronal",
        "not said",
    ]
    card = page.all("li", class_="card")[0]
    assert text(card.findall(".//ol/li")[0]) == "Glioma, coronal"
    assert "how sure the model is means nothing here" in text(card)
    assert "%" not in text(card)
    assert "There is no value to plot." in text(page.by_id("figure-confidence"))


def test_refused_and_failed_inputs_have_reason_sentence_and_remedy(page: Page) -> None:
    section = text(page.by_id("refusals"))
    for code in (Reason.COLOUR_PICTURE, Reason.MODALITY, Reason.TRUNCATED, Reason.EMPTY_FILE):
        assert code.replace("_", " ") in section
        assert REMEDIES[code] in section
    assert "Expected a whole PNG. Received its first half." in section


def test_a_batch_without_refusals_says_so(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(typical_tables(3, rejected=False))
    page = Page(build_report(run, tmp_path / "index.html"))
    assert "Every input could be classified." in text(page.by_id("refusals"))


def test_a_remedy_at_the_end_of_a_sentence_is_not_said_twice(
    make_run: MakeRun, tmp_path: Path
) -> None:
    remedy = REMEDIES[Reason.BLANK]
    reason = f"a.png: expected a picture. Received black. {remedy}"
    row = slice_row("a.png", status="refused", reason_code="blank", reason=reason)
    page = Page(build_report(make_run(Tables([row])), tmp_path / "index.html"))
    assert text(page.by_id("refusals")).count(remedy) == 1


def test_models_and_provenance_name_hash_command_versions_and_settings(page: Page) -> None:
    assert "a" * 64 in text(page.by_id("cards"))
    provenance = text(page.by_id("provenance"))
    for expected in (RUN_ID, "/scans/ward 7", "ingest.min_side", "3.11.9", "20.0 s", "1.5"):
        assert expected in provenance
    mailed = "The command and the settings name folders of the machine that it ran on."
    assert mailed in provenance
    command = page.by_id("provenance").find(".//pre/code")
    assert text(command) == "artemis-cli classify-batch '/scans/ward 7'"


def test_a_run_that_no_command_began_shows_no_empty_one(make_run: MakeRun, tmp_path: Path) -> None:
    page = Page(build_report(make_run(command=""), tmp_path / "index.html"))
    titles = [text(one) for one in page.by_id("provenance").iter("summary")]
    assert titles[0] == "Run"
    assert "Command" not in titles


def test_distances_are_drawn_on_those_of_the_training_slices_where_these_are_known(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run()
    figure = Page(build_report(run, tmp_path / "index.html")).by_id("figure-strangeness")
    assert figure.findall(".//path[@class='behind']") == []
    assert "lie is not in this run\u2019s record." in text(figure)
    record = read_record(run)
    seen = SeenSlices(slices=7177, ood_score=[1.0 + step / 10 for step in range(21)])
    first = record.models[0].model_copy(
        update={"seen": seen, "trained_on": {"glioma_coronal": 7177}}
    )
    changed = record.model_copy(update={"models": [first, *record.models[1:]]})
    (run / "run.json").write_text(changed.model_dump_json(), encoding="utf-8")
    page = Page(build_report(run, tmp_path / "index.html"))
    figure = page.by_id("figure-strangeness")
    assert len(figure.findall(".//path[@class='behind']")) == 1
    assert "mobilenet_v2: median 2, of the training slices 2" in text(figure)
    assert "The outline is where the slices that the model was trained on lie" in text(figure)
    assert "7177" not in text(page.by_id("cards"))


def test_planes_are_counted_over_all_tumour_types(make_run: MakeRun, tmp_path: Path) -> None:
    tables = typical_tables(9)
    for rows, planes in zip(tables.predictions.values(), ("cccccsstt", "ccccsssst"), strict=True):
        for row, letter in zip(rows, planes, strict=True):
            plane = {"c": "coronal", "s": "sagittal", "t": "transverse"}[letter]
            row |= {"plane": plane, "category": f"{row['tumor']}_{plane}"}
    figure = Page(build_report(make_run(tables), tmp_path / "index.html")).by_id("figure-planes")
    (plot,) = figure.findall(".//svg")
    assert plot.get("aria-label") == (
        "Slices by plane, mobilenet_v2 then baseline. "
        "Coronal: 5, 4; Sagittal: 2, 4; Transverse: 2, 1."
    )


def test_figures_of_models_are_rounded_and_their_thresholds_are_in_words(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run()
    record = read_record(run)
    first = record.models[0].model_copy(
        update={
            "ood_threshold": 2.320453405380249,
            "macro_f1": 0.89,
            "set_thresholds": {"glioma": 0.6874, "none": 0.5},
        }
    )
    changed = record.model_copy(update={"models": [first, *record.models[1:]]})
    (run / "run.json").write_text(changed.model_dump_json(), encoding="utf-8")
    page = Page(build_report(run, tmp_path / "index.html"))
    rows = [text(row) for row in page.by_id("cards").findall(".//tr")]
    assert "Out-of-distribution threshold2.32" in rows
    assert "Macro F10.890" in rows
    sets = "Thresholds of the sets of plausible categories"
    assert [row for row in rows if row.startswith(sets)] == [
        f"{sets}glioma 0.687, no tumour 0.500",
        f"{sets}glioma 0.700, meningioma 0.700, pituitary 0.700, no tumour 0.700",
    ]


def test_known_limits_stand_once_and_what_was_seen_rarely_with_its_model(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run()
    record = read_record(run)
    counts = {"none_coronal": 21, "glioma_coronal": 21, "none_sagittal": 300}
    first = record.models[0].model_copy(update={"trained_on": counts})
    changed = record.model_copy(update={"models": [first, *record.models[1:]]})
    (run / "run.json").write_text(changed.model_dump_json(), encoding="utf-8")
    cards = Page(build_report(run, tmp_path / "index.html")).by_id("cards")
    assert [text(item) for item in cards.findall(".//li")] == [*KNOWN_LIMITS]
    said = "Trained on fewer than 50 images: no tumour, coronal; glioma, coronal. Their figures say"
    models = [text(model) for model in cards.findall(".//div[@class='model']")]
    assert [said in words for words in models] == [True, False]


def test_limits_of_a_model_of_other_data_speak_of_no_public_collections(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run()
    record = read_record(run)
    first = record.models[0].model_copy(update={"public_data": False})
    changed = record.model_copy(update={"models": [first, *record.models[1:]]})
    (run / "run.json").write_text(changed.model_dump_json(), encoding="utf-8")
    cards = Page(build_report(run, tmp_path / "index.html")).by_id("cards")
    assert [text(item) for item in cards.findall(".//li")] == [*known_limits(public=False)]
    assert "public" not in text(cards)


@pytest.mark.parametrize("frame", [0, 1])
def test_a_frame_is_named_only_where_a_file_holds_more_than_one(
    make_run: MakeRun, tmp_path: Path, frame: int
) -> None:
    tables = typical_tables(12)
    for rows in (tables.slices, *tables.predictions.values()):
        rows[0]["frame"] = frame
    page = Page(build_report(make_run(tables), tmp_path / "index.html"))
    assert page.by_id("main").get("class") == (None if frame else "no-frame")
    facts = text(page.all("p", class_="meta")[0])
    assert "256 \u00d7 240 px" in facts
    assert facts.startswith("frame 1 · coronal" if frame else "coronal by its header")


def test_only_the_first_model_s_plots_say_that_doubt_is_sent_to_review(page: Page) -> None:
    for figure, words in (
        ("confidence", ["review below 60%", "doubt below 60%"]),
        ("strangeness", ["review above 9.50", "strange above 9.50"]),
    ):
        plots = page.by_id(f"figure-{figure}").iter("svg")
        assert [text(list(plot.iter("text"))[-1]) for plot in plots] == words
    assert "sent to review where the answer is mobilenet_v2\u2019s" in text(
        page.by_id("distributions")
    )


def test_every_picture_and_plot_has_words_and_every_figure_a_caption(page: Page) -> None:
    assert all(image.get("alt", "").startswith("MRI slice ") for image in page.all("img"))
    assert all(
        plot.get("aria-label") or plot.get("aria-hidden") == "true" for plot in page.all("svg")
    )
    assert all(len(text(caption)) > 60 for caption in page.all("figcaption"))


def test_headings_go_down_one_level_at_a_time(page: Page) -> None:
    levels = [int(e.tag[1]) for e in page.root.iter() if e.tag in {"h1", "h2", "h3", "h4"}]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_tables_have_captions_and_scoped_heads(page: Page) -> None:
    assert all(table.find("caption") is not None for table in page.all("table"))
    assert all(head.get("scope") for head in page.all("th"))
    assert {"header", "nav", "main", "footer"} <= {element.tag for element in page.root.iter()}


def test_ids_are_unique_and_every_inner_link_has_its_target(page: Page) -> None:
    ids = [e.get("id") for e in page.root.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    links = {link.get("href", "") for link in page.all("a")}
    assert all(link.removeprefix("#") in ids for link in links)


def test_the_policy_allows_this_style_and_script_alone(page: Page) -> None:
    policy = page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0].get("content", "")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        elements = page.all(tag)
        assert len(elements) == 1
        digest = hashlib.sha256((elements[0].text or "").encode()).digest()
        assert f"{tag}-src 'sha256-{base64.b64encode(digest).decode()}'" in policy


def test_nothing_on_the_page_is_inline_styled_or_fetched(page: Page) -> None:
    for element in page.root.iter():
        assert "style" not in element.attrib
        assert not [name for name in element.attrib if name.startswith("on")]
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            assert element.get(name, "#").startswith(("#", "data:"))
    assert "url(" not in page.all("style")[0].text
    assert "@import" not in page.all("style")[0].text


@pytest.mark.parametrize(
    "tables",
    [
        pytest.param(Tables(), id="no slice"),
        pytest.param(typical_tables(0), id="only refused and failed"),
        pytest.param(typical_tables(1, rejected=False), id="one slice"),
    ],
)
def test_sparse_batches_render(make_run: MakeRun, tmp_path: Path, tables: Tables) -> None:
    page = Page(build_report(make_run(tables), tmp_path / "index.html"))
    assert len(page.all("section", class_="part")) == len(SECTIONS) - 2  # no studies, no truth


def test_a_report_of_one_model_speaks_of_no_other(make_run: MakeRun, tmp_path: Path) -> None:
    page = Page(build_report(make_run(models=("baseline",)), tmp_path / "index.html"))
    models = text(page.by_id("models"))
    assert models.startswith("5 Answers by tumour and plane ")
    assert "Only one model was run" in models
    words = text(page.by_id("main"))
    of_several = ["models taken together", "the others\u2019", "side by side", "trained apart"]
    of_several += ["two marks", "marks apart", "one scale", "both can"]
    assert [one for one in of_several if one in words] == []
    assert "Most doubtful is where baseline is least sure; what is unlike" in words
    assert "is sent here. Sets of plausible categories" in words
    assert "A mark at zero is a category that it never gave." in words
    assert "models disagree" not in [text(one) for one in page.all("option")]


def test_no_model_in_the_record_renders(make_run: MakeRun, tmp_path: Path) -> None:
    page = Page(build_report(make_run(typical_tables(0), models=()), tmp_path / "index.html"))
    assert "names no model" in text(page.by_id("cards"))


def test_an_unfinished_run_says_that_more_may_follow(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(status="running", finished=None, timings={})
    page = Page(build_report(run, tmp_path / "index.html"))
    assert "had not finished" in text(page.all("p", class_="alert")[0])
    assert "No timing was recorded." in text(page.by_id("provenance"))


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunRecordError, match=r"run\.json: expected the record of a run"):
        build_report(tmp_path, tmp_path / "index.html")
    assert not (tmp_path / "index.html").exists()


def test_a_name_that_a_template_lacks_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="opening"):
        render_page("index.html.j2")
