"""Whether changed answers became right or wrong, where a run knows the truth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet as pq

from artemis.labels import CATEGORIES
from artemis.report.changes.compare import compare_runs
from artemis.report.changes.page import write_comparison
from artemis.report.run.kept_truth import keep_truth
from tests.report.compared import NEWER, Write
from tests.report.conftest import (
    RUN_ID,
    Tables,
    prediction_row,
    slice_row,
)
from tests.report.parsing import Page, text


def label(run: Path, labels: Mapping[str, str]) -> None:
    """Keep labels with a run: category by path."""
    file = run.parent / "labels.csv"
    lines = ["path,category", *(f"{path},{name}" for path, name in labels.items())]
    file.write_text("\n".join(lines), encoding="utf-8")
    keep_truth(run, file)


def truth_sentences(page: Page) -> list[str]:
    """Return what the page says of the first model's truth."""
    return [text(one) for one in page.by_id("model-1").iter("p") if one.get("class") == "limit"]


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
