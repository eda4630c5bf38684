from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from artemis.errors import RunRecordError
from artemis.labels import CATEGORIES
from artemis.report.changes.compare import compare_runs
from artemis.report.changes.page import comparison_page, write_comparison
from artemis.report.run import limits
from artemis.report.run.build import build_report
from tests.report.compared import NEWER, ONE_MODEL, Write, answer
from tests.report.conftest import (
    HOSTILE,
    RUN_ID,
    Tables,
    prediction_row,
    slice_row,
    typical_tables,
)
from tests.report.parsing import Page, text


def test_changes_are_found_by_content_under_another_name_surest_first(runs) -> None:
    (model,) = compare_runs(*runs).models
    assert (model.version_a, model.version_b) == ("1.0.0", "2.0.0")
    assert (model.slices, model.same) == (11, 8)
    found = [(row["changed"], row["category_a"], row["category_b"]) for row in model.changed]
    assert found == [
        ("tumor", "glioma_transverse", "meningioma_transverse"),
        ("plane", "glioma_sagittal", "glioma_transverse"),
        ("both", "meningioma_coronal", "pituitary_sagittal"),
    ]
    assert model.changed[0]["path_a"] == "patient_0/slice_00002.png"
    assert model.changed[0]["path_b"] == "elsewhere/other.png"


def test_a_changed_answer_to_what_is_unlike_the_training_images_stands_last(write: Write) -> None:
    first, second = (typical_tables(4, ONE_MODEL, rejected=False) for _ in range(2))
    for index, confidence in enumerate((0.6, 0.9, 0.4)):
        answer(second, index, 5 + index, confidence)
    second.predictions["mobilenet_v2"][1]["review_reasons"] = ["out_of_distribution"]
    for row in second.predictions["mobilenet_v2"]:
        row["model_version"] = "2.0.0"
    (model,) = compare_runs(write(RUN_ID, first), write(NEWER, second, "2.0.0")).models
    assert [row["path_a"][-6:] for row in model.changed] == ["00.png", "02.png", "01.png"]


def test_what_only_one_run_holds_or_classified_is_listed(runs) -> None:
    changes = compare_runs(*runs)
    assert changes.in_both == 15
    listed = [(row["run"], row["kind"], row["path"]) for row in changes.unmatched]
    assert listed == [
        ("a", "answered_only_here", "patient_0/slice_00011.png"),
        ("a", "only_here", "photo.jpg"),
        ("b", "only_here", "new.png"),
    ]
    assert changes.unmatched[0]["other_reason_code"] == "blank"


def test_a_copy_counts_once(write: Write) -> None:
    tables = typical_tables(2, ONE_MODEL, rejected=False)
    copy = tables.slices[0] | {"path": "copy.png"}
    tables.slices.append(copy)
    tables.predictions["mobilenet_v2"].append(prediction_row(copy, "mobilenet_v2", 0, 0.9))
    changes = compare_runs(write(RUN_ID, tables), write(NEWER, typical_tables(2, ONE_MODEL)))
    assert (changes.in_both, changes.copies, changes.models[0].slices) == (2, (1, 0), 2)


def test_the_page_gives_counts_first_then_agreement_then_changes(runs) -> None:
    page = Page(write_comparison(*runs).page)
    assert text(page.all("p", class_="verdict")[0]) == (
        "3 of 11 predictions of mobilenet_v2 changed (version 1.0.0 to 2.0.0)."
    )
    readouts = [text(one) for one in page.all("dl", class_="readouts")[0]]
    assert readouts[:4] == [
        "Slices in both15",
        "Changed, mobilenet_v23",
        "Only in A1",
        "Only in B1",
    ]
    assert "one version of a model answers them otherwise" in text(
        page.all("p", class_="caption")[0]
    )
    agreement = text(page.all("p", class_="agreement")[0])
    assert agreement == (
        "On 11 slices both runs give the same tumour and plane 73% (8)tumour 82% (9)plane 82% (9)"
    )
    cards = page.all("li", class_="card")
    assert [text(card.find(".//p[@class='why']")) for card in cards] == [
        "Another tumour",
        "Another plane",
        "Another tumour and plane",
    ]
    assert cards[0].find("img") is not None
    tops = [text(item) for item in cards[0].findall(".//ol/li")]
    assert tops == ["Glioma, transverse92%", "Meningioma, transverse90%"]
    assert page.rows("only-here-b")[0][0] == "new.png"


def test_the_tables_hold_every_change_and_csv_says_the_same(runs) -> None:
    written = write_comparison(*runs)
    assert [path.name for path in written.tables] == [
        "changed.parquet",
        "changed.csv",
        "unmatched.parquet",
        "unmatched.csv",
    ]
    table = pq.read_table(written.tables[0])
    assert table["category_b"].to_pylist() == [CATEGORIES[i].name for i in (5, 2, 7)]
    assert len(written.tables[1].read_text().splitlines()) == 4
    assert len(written.tables[3].read_text().splitlines()) == 4


def test_the_same_runs_give_the_same_bytes_and_a_place_in_the_list(runs) -> None:
    first = write_comparison(*runs)
    before = [path.read_bytes() for path in (first.page, *first.tables)]
    again = write_comparison(*runs)
    assert [path.read_bytes() for path in (again.page, *again.tables)] == before
    listed = first.page.parents[2] / "index.html"
    assert f"comparisons/{RUN_ID}--{NEWER}/index.html" in listed.read_text()


def linked_anchors(page: Path) -> list[tuple[str, str]]:
    """Return the page that each link of the cards leads to, and the number of its row there."""
    found = []
    for card in Page(page).all("li", class_="card"):
        for link in card.findall(".//h4/a"):
            address, _, anchor = link.get("href", "").partition("#")
            target = (page.parent / address).resolve()
            found.append((target.name, text(next(iter(Page(target).by_id(anchor))))))
    return found


def test_cards_lead_to_the_slice_in_the_reports_that_are_there(runs) -> None:
    assert linked_anchors(write_comparison(*runs).page) == []  # no report has been made
    reports = write_comparison(*runs).page.parents[2]
    build_report(runs[0], reports / RUN_ID / "index.html")
    led = linked_anchors(write_comparison(*runs).page)
    assert led == [("index.html", number) for number in "324"]


def test_cards_lead_to_the_pages_of_slices_where_a_report_has_such(
    runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("TABLE_ROWS", 4), ("SUMMARY_ROWS", 1), ("PAGE_ROWS", 3)):
        monkeypatch.setattr(limits, name, value)
    reports = write_comparison(*runs).page.parents[2]
    build_report(runs[1], reports / NEWER / "index.html")
    assert linked_anchors(write_comparison(*runs).page) == [
        ("slices-0001.html", "3"),
        ("slices-0001.html", "2"),
        ("slices-0002.html", "4"),
    ]


def test_runs_without_a_common_slice_say_so(write: Write) -> None:
    row = slice_row("z.png", slice_id="aa" * 32)
    other = Tables([row], {"mobilenet_v2": [prediction_row(row, "mobilenet_v2", 0, 0.9)]})
    changes = compare_runs(write(RUN_ID, typical_tables(1, ONE_MODEL)), write(NEWER, other))
    assert "no slice in common" in comparison_page(changes)


def test_a_model_that_answered_no_common_slice_is_not_said_to_agree(write: Write) -> None:
    second = typical_tables(1, ONE_MODEL)
    second.slices[0]["slice_id"] = "aa" * 32
    second.predictions["mobilenet_v2"][0]["slice_id"] = "aa" * 32
    page = Page(
        write_comparison(write(RUN_ID, typical_tables(1, ONE_MODEL)), write(NEWER, second)).page
    )
    section = page.by_id("model-1")
    assert "so there is nothing to compare." in text(section)
    assert list(section.iter("table")) == []
    assert "the same answer" not in text(section)


def test_what_became_of_a_slice_in_the_other_run_is_said_in_words(runs) -> None:
    changes = compare_runs(*runs)
    changes.unmatched[0]["other_reason_code"] = "too_small"
    target = runs[0].parent / "page.html"
    target.write_text(comparison_page(changes), encoding="utf-8")
    page = Page(target)
    (row,) = page.rows("answered-only-here-a")
    assert row[-2:] == ["classified", "refused: too small"]
    assert [row[-1] for row in page.rows("only-here-b")] == ["classified"]  # no empty column


def test_a_confidence_that_means_nothing_is_not_shown(write: Write) -> None:
    first, second = (typical_tables(1, ONE_MODEL, rejected=False) for _ in "ab")
    answer(second, 0, 5)
    second.predictions["mobilenet_v2"][0]["review_reasons"] = ["out_of_distribution"]
    written = write_comparison(write(RUN_ID, first), write(NEWER, second))
    card = Page(written.page).all("li", class_="card")[0]
    assert "Unlike the training images: how sure the model is means nothing here." in text(card)
    assert len(list(card.iter("svg"))) == 1  # a bar of no length would be read as 0%


def test_hostile_names_stay_text_on_the_page_and_in_cells(write: Write) -> None:
    def hostile(category: int, path: str) -> Tables:
        row = slice_row(path, slice_id="cd" * 32)
        return Tables([row], {"mobilenet_v2": [prediction_row(row, "mobilenet_v2", category, 0.7)]})

    runs = write(RUN_ID, hostile(0, HOSTILE)), write(NEWER, hostile(4, "=1+1\u202e.png"))
    written = write_comparison(*runs)
    page = Page(written.page)
    assert len(page.all("script")) == 1
    shown = [text(one) for one in page.all("li", class_="card")[0].iter("bdi")]
    assert shown == ["=1+1⟨U+202E⟩.png", HOSTILE]
    assert "'=1+1" in written.tables[1].read_text()


def test_the_page_fetches_nothing_and_has_the_same_policy(runs) -> None:
    page = Page(write_comparison(*runs).page)
    policy = page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0].get("content", "")
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    for element in page.root.iter():
        assert not {"style", "onclick", "onerror"} & set(element.attrib)
        assert element.get("src", "data:").startswith("data:")


def test_a_category_of_another_version_is_named(runs) -> None:
    table = runs[1] / "predictions" / "model=mobilenet_v2" / "part-00000.parquet"
    frame = pq.read_table(table).to_pandas()
    frame.loc[0, "category"] = "oedema_coronal"
    frame.to_parquet(table)
    with pytest.raises(RunRecordError, match=r"twelve categories.*'oedema_coronal'"):
        compare_runs(*runs)
