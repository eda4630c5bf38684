from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from artemis.errors import RunRecordError
from artemis.labels import CATEGORIES
from artemis.report import limits
from artemis.report.build import build_report
from artemis.report.changes import compare_runs
from artemis.report.changes_page import comparison_page, write_comparison
from artemis.report.kept_truth import keep_truth
from artemis.runs import read_record, write_record
from tests.report.conftest import (
    HOSTILE,
    RUN_ID,
    Tables,
    prediction_row,
    slice_row,
    typical_tables,
    write_run,
)
from tests.report.parsing import Page, text

NEWER = "20260302T080000Z-ffffff"
ONE_MODEL = ("mobilenet_v2",)
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a run of one workspace under an id of its own."""

    def make(run_id: str, tables: Tables, version: str = "1.0.0") -> Path:
        paths = write_run(tmp_path / run_id / "workspace", tables, ONE_MODEL, run_id=run_id)
        record = read_record(made := paths.root)
        models = [model.model_copy(update={"version": version}) for model in record.models]
        write_record(paths, record.model_copy(update={"models": models}))
        target = tmp_path / "workspace" / "runs" / run_id
        target.parent.mkdir(parents=True, exist_ok=True)
        return made.rename(target)

    return make


def answer(tables: Tables, index: int, category: int, confidence: float = 0.8) -> None:
    """Replace one answer of the model."""
    row = prediction_row(tables.slices[index], "mobilenet_v2", category, confidence)
    tables.predictions["mobilenet_v2"][index] = row | {"model_version": "2.0.0"}


def label(run: Path, labels: Mapping[str, str]) -> None:
    """Keep labels with a run: category by path."""
    file = run.parent / "labels.csv"
    lines = ["path,category", *(f"{path},{name}" for path, name in labels.items())]
    file.write_text("\n".join(lines), encoding="utf-8")
    keep_truth(run, file)


def truth_sentences(page: Page) -> list[str]:
    """Return what the page says of the first model's truth."""
    return [text(one) for one in page.by_id("model-1").iter("p") if one.get("class") == "limit"]


@pytest.fixture
def runs(write: Write) -> tuple[Path, Path]:
    """Twelve slices of categories 0 to 11; the second run renames one and changes three."""
    first, second = typical_tables(12, ONE_MODEL), typical_tables(12, ONE_MODEL)
    for index in range(12):
        answer(second, index, index)
    answer(second, 1, 2, 0.6)  # glioma sagittal to transverse
    answer(second, 2, 5, 0.9)  # glioma to meningioma, both transverse
    answer(second, 3, 7, 0.4)  # meningioma coronal to pituitary sagittal
    renamed = {"path": "elsewhere/other.png"}
    second.slices[2] |= renamed
    second.predictions["mobilenet_v2"][2] |= renamed
    second.slices[11]["status"], second.slices[11]["reason_code"] = "refused", "blank"
    del second.predictions["mobilenet_v2"][11]
    del second.slices[12]  # photo.jpg, refused by the first
    second.slices.append(slice_row("new.png", slice_id="ab" * 32))
    return write(RUN_ID, first), write(NEWER, second, "2.0.0")


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


def test_changed_answers_became_right_or_wrong_where_either_run_knows_the_truth(runs) -> None:
    label(runs[0], {"patient_0/slice_00001.png": "glioma_transverse"})
    label(
        runs[1],
        {
            "elsewhere/other.png": "glioma_transverse",  # the name that only run B has it under
            "patient_0/slice_00003.png": "none_coronal",
            "patient_0/slice_00004.png": "meningioma_sagittal",
        },
    )
    written = write_comparison(*runs)
    table = pq.read_table(written.tables[0]).select(["true_tumor", "true_plane", "became"])
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        ("glioma", "transverse", "wrong"),
        ("glioma", "transverse", "right"),
        ("none", "coronal", "still_wrong"),
    ]
    assert ",tumor,glioma,transverse,wrong," in written.tables[1].read_text().splitlines()[1]
    page = Page(written.page)
    assert truth_sentences(page) == [
        "Of 3 changed answers whose truth is known 1 became right, 1 became wrong and 1 stayed "
        "wrong.",
        "Of 4 slices in both runs whose truth is known, 2 (50%) are right in run A and as many in "
        "run B.",
    ]
    assert [
        text(card.findall(".//p[@class='why']")[1]) for card in page.all("li", class_="card")
    ] == [
        "In truth glioma, transverse: now wrong, right before.",
        "In truth glioma, transverse: now right.",
        "In truth no tumour, coronal: still wrong.",
    ]
    readouts = [text(one) for one in page.all("dl", class_="readouts")[0]]
    assert readouts[2:4] == ["Became right, mobilenet_v21", "Became wrong, mobilenet_v21"]
    assert "the labels labels.csv (SHA-256 " in text(page.by_id("provenance"))


def test_without_a_truth_the_page_says_so_and_the_columns_are_null(runs) -> None:
    written = write_comparison(*runs)
    page = Page(written.page)
    assert truth_sentences(page) == ["No truth is known of these slices."]
    assert [len(card.findall(".//p[@class='why']")) for card in page.all("li", class_="card")] == [
        1,
        1,
        1,
    ]
    table = pq.read_table(written.tables[0])
    assert [table[name].null_count for name in ("true_tumor", "true_plane", "became")] == [3, 3, 3]


def test_truth_that_contradicts_itself_is_said_and_counts_as_unknown(runs) -> None:
    path = "patient_0/slice_00001.png"
    label(runs[0], {path: "glioma_sagittal", "patient_0/slice_00005.png": "meningioma_transverse"})
    label(runs[1], {path: "none_sagittal"})
    written = write_comparison(*runs)
    page = Page(written.page)
    assert truth_sentences(page) == [
        "No truth is known of the changed answers.",
        "Of 1 slice in both runs whose truth is known, 1 (100%) is right in run A and as many in "
        "run B.",
        "What is known of 1 slice contradicts itself, so its truth counts as unknown.",
    ]
    assert (
        "Known as no tumour, sagittal and as glioma, sagittal: a contradiction, so its truth "
        "counts as unknown."
    ) in text(page.all("li", class_="card")[1])
    assert pq.read_table(written.tables[0])["became"].null_count == 3


def test_folders_names_are_a_truth_that_copies_in_other_folders_contradict(write: Write) -> None:
    def tables(category: int) -> Tables:
        made = Tables(predictions={"mobilenet_v2": []})
        for path, slice_id in (
            ("glioma_coronal/a.png", "aa" * 32),
            ("glioma_coronal/b.png", "bb" * 32),
            ("no_coronal/copy_of_b.png", "bb" * 32),
        ):
            row = slice_row(path, slice_id=slice_id)
            made.slices.append(row)
            made.predictions["mobilenet_v2"].append(
                prediction_row(row, "mobilenet_v2", category, 0.7)
            )
        return made

    (model,) = compare_runs(write(RUN_ID, tables(3)), write(NEWER, tables(0))).models
    assert [row["became"] for row in model.changed] == ["right", None]
    assert model.contradicted == {"bb" * 32: (CATEGORIES[0], CATEGORIES[9])}
    assert (model.rightness.known, model.rightness.contradicted) == (1, 1)
    assert model.rightness.right == (0, 1)


def test_figures_of_slices_that_a_model_was_trained_on_are_said_to_flatter(runs) -> None:
    table = runs[1] / "predictions" / "model=mobilenet_v2" / "part-00000.parquet"
    frame = pq.read_table(table, partitioning=None).to_pandas()
    frame.loc[[1, 4, 5], "trained_on"] = True
    frame.loc[[1, 4], "out_of_fold_category"] = ["none_coronal", "meningioma_sagittal"]
    frame.to_parquet(table)
    named = {1: "glioma_transverse", 4: "meningioma_sagittal", 5: "meningioma_transverse"}
    label(runs[0], {f"patient_0/slice_{n:05d}.png": name for n, name in named.items()})
    written = write_comparison(*runs)
    page = Page(written.page)
    assert truth_sentences(page) == [
        "Of 1 changed answer whose truth is known 1 became right, none became wrong and none "
        "stayed wrong; the version of run B was trained on all of them.",
        "Of 3 slices in both runs whose truth is known, 2 (67%) are right in run A and 3 (100%) in "
        "run B, 1 more, but the version of run B was trained on all of them, so these figures "
        "flatter. Of 2 answers by networks that had not seen the picture, 1 (50%) is right in "
        "run A and as many in run B.",
    ]
    assert "Trained on this picture; without it the answer is no tumour, coronal." in text(
        page.all("li", class_="card")[1]
    )
    changed = pq.read_table(written.tables[0])
    assert changed["trained_on_b"].to_pylist() == [False, True, False]
    assert changed["out_of_fold_category_b"].to_pylist() == [None, "none_coronal", None]


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
    other = Tables([slice_row("z.png", slice_id="aa" * 32)])
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
