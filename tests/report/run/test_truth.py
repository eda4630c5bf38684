from __future__ import annotations

import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from artemis.errors import LabelsError, RunRecordError
from artemis.labels import CATEGORIES, CATEGORY_NAMES
from artemis.predictions import part_name, write_part
from artemis.report.run.as_data import csv_data, data_rows
from artemis.report.run.build import build_report
from artemis.report.run.data import load_run
from artemis.report.run.kept_truth import forget_truth, keep_truth
from artemis.report.run.truth import Share, model_truth, pairs_of, truth_view, wilson
from artemis.report.run.truth_data import from_folders
from artemis.schemas import TRUTH_SCHEMA
from tests.report.conftest import RUN_ID, Tables, prediction_row, typical_tables
from tests.report.parsing import Page, text

MakeRun = Callable[..., Path]


def with_labels(run: Path, target: Path, labels: Path) -> Path:
    """Write the report of a run that is given labels."""
    keep_truth(run, labels)
    return build_report(run, target)


def labelled(ok: int = 24) -> Tables:
    """Return a batch in folders named by category.

    The first model is right but in slice 0 (wrong tumour), 1 (wrong plane) and 2 (both).
    """
    tables = typical_tables(ok)
    for index, row in enumerate(tables.slices[:ok]):
        row["path"] = f"{CATEGORY_NAMES[index % 12]}/{index:03d}.png"
        for model, rows in tables.predictions.items():
            rows[index] = prediction_row(row, model, index % 12, 0.9)
    for index, category in ((0, 3), (1, 2), (2, 9)):
        rows = tables.predictions["mobilenet_v2"]
        rows[index] = prediction_row(tables.slices[index], "mobilenet_v2", category, 0.7)
    return tables


@pytest.fixture
def run(make_run: MakeRun) -> Path:
    return make_run(labelled())


@pytest.mark.parametrize(
    ("path", "batch", "expected"),
    [
        ("glioma_coronal/a.png", "/scans", "glioma_coronal"),
        ("no_axial/ward 7/a.png", "/scans", "none_transverse"),
        ("glioma_coronal/pituitary_sagittal/a.png", "/scans", "pituitary_sagittal"),
        ("a.png", "/scans/notumor_coronal", "none_coronal"),
        ("glioma_coronal.png", "/scans", None),
    ],
)
def test_the_innermost_folder_that_names_a_category_holds(
    path: str, batch: str, expected: str | None
) -> None:
    found = from_folders(batch).of(path, 0, None)
    assert (found.name if found else None) == expected


def test_errors_are_split_by_tumour_and_plane(run: Path) -> None:
    data = load_run(run)
    first = model_truth("mobilenet_v2", pairs_of(data, "mobilenet_v2"))
    assert [(words, count) for words, count, _ in first.errors] == [
        ("Right", 21),
        ("Wrong tumour, right plane", 1),
        ("Right tumour, wrong plane", 1),
        ("Both wrong", 1),
    ]
    assert [share.hits for _, share in first.shares] == [21, 22, 22]
    assert first.categories.cells[0][3].count == 1
    assert first.categories.cells[0][0].agreement
    assert first.tumors.rows == ("Glioma", "Meningioma", "Pituitary", "No tumour")
    assert first.tumors.total == first.planes.total == first.categories.total == 24
    glioma_coronal = first.classes[0]
    assert glioma_coronal.recall == Share(1, 2)
    assert glioma_coronal.precision == Share(1, 1)


def test_wilson_s_interval_is_that_of_his_formula() -> None:
    assert wilson(9, 10) == pytest.approx((0.5958, 0.9821), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert Share(9, 10).words == "90% (60 to 98%)"
    assert Share(0, 0).words == "\u2013"


def test_the_page_shows_matrices_intervals_reliability_and_wrong_answers(
    run: Path, tmp_path: Path
) -> None:
    page = Page(build_report(run, tmp_path / "index.html"))
    section = page.by_id("truth")
    words = text(section)
    assert "Known for 24 of 24 classified slices, by the names of the folders." in words
    assert "tumour and plane 88% (69 to 96%)" in words
    assert len(section.findall(".//table[@class='matrix']")) == 6
    plots = [svg.get("aria-label", "") for svg in section.iter("svg")]
    assert "Reliability diagram of baseline: said 90%, right 100% of 24 slices." in plots
    findings = text(page.all("dl", class_="findings")[0])
    assert "right in 88% of 24 slices whose truth is known" in findings
    last = section.findall(".//table")[-1]
    kinds = [text(row[7]) for row in last.find("tbody")]
    assert kinds == ["wrong tumour", "wrong plane", "both wrong"]
    assert page.rows("table-slices")[0][-1] == "In truth glioma, coronal."


@pytest.mark.parametrize(
    ("seen", "section", "top"),
    [
        (
            24,
            "It was trained on all these pictures, so the figures flatter; networks of the same "
            "recipe that had not seen them were right in 50% (31 to 69%) of 24.",
            "but trained on all of them (50% by networks that had not seen them)",
        ),
        (
            12,
            "It was trained on 12 of these pictures, so the figures flatter; networks of the same "
            "recipe that had not seen them were right in 50% (25 to 75%) of 12; on the 12 other "
            "slices it is right in 100% (76 to 100%).",
            "but trained on 12 of them (50% by networks that had not seen them)",
        ),
    ],
)
def test_a_model_that_was_trained_on_the_pictures_is_said_to_flatter(
    make_run: MakeRun, tmp_path: Path, seen: int, section: str, top: str
) -> None:
    tables = labelled()
    rows = tables.predictions["mobilenet_v2"]
    for index, row in enumerate(rows[:seen]):  # every other one is right without the picture
        unseen = CATEGORY_NAMES[(index + index % 2) % 12]
        row |= {"trained_on": True, "out_of_fold_category": unseen}
    rows[4] |= {"needs_review": True, "review_reasons": ["low_confidence"]}
    page = Page(build_report(make_run(tables), tmp_path / "index.html"))
    first, other = page.by_id("truth").findall(".//div[@class='truth']")
    assert section in text(first)
    assert "trained on" not in text(other)
    model, baseline = page.all("dl", class_="findings")[0].findall("div")
    assert text(model).endswith(f"24 slices whose truth is known, {top}")
    assert "trained on" not in text(baseline)
    said = "Trained on this picture; without it the answer is meningioma, sagittal."
    assert said in text(page.by_id("review"))


def test_a_wrong_answer_whose_confidence_means_nothing_is_not_the_surest(make_run: MakeRun) -> None:
    tables = labelled()
    far = tables.predictions["mobilenet_v2"][0]
    far |= {"confidence": 0.99, "review_reasons": ["out_of_distribution"]}
    assert [item.number for item in truth_view(load_run(make_run(tables)))["wrong"]] == [2, 3, 1]


def test_a_batch_whose_truth_is_not_known_has_no_such_section(
    make_run: MakeRun, tmp_path: Path
) -> None:
    page = Page(build_report(make_run(), tmp_path / "index.html"))
    assert "Against the truth" not in page.source
    assert not [one for one in page.all("option") if text(one).startswith("wrong")]


def test_wrong_answers_of_each_model_are_found_in_the_table(run: Path, tmp_path: Path) -> None:
    tables = load_run(run)
    assert [item.number for item in tables.items if "mobilenet_v2" in item.wrong_models] == [
        1,
        2,
        3,
    ]
    page = Page(build_report(run, tmp_path / "index.html"))
    choices = {text(one): one.get("value") for one in page.all("option")}
    assert choices["wrong, mobilenet_v2"] == "wrong0"
    assert choices["wrong, baseline"] == "wrong1"
    states = [row.get("data-s", "").split() for row in page.by_id("table-slices").iter("tr")]
    assert sum("wrong0" in one for one in states) == 3
    assert not any("wrong1" in one for one in states)


@pytest.mark.parametrize(
    "content",
    [
        "path,category\npatient_0/slice_00001.png,no_axial\n",
        "path,frame,tumor,plane\npatient_0/slice_00001.png,0,notumor,transversal\n",
    ],
)
def test_a_file_of_labels_is_read_in_any_spelling(
    make_run: MakeRun, tmp_path: Path, content: str
) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(content, encoding="utf-8")
    page = Page(with_labels(make_run(), tmp_path / "index.html", file))
    note = text(page.by_id("truth").find("p"))
    known = r"Known for 1 of 30 classified slices, by the labels labels\.csv "
    assert re.fullmatch(known + r"\(SHA-256 [0-9a-f]{12}…\)\.", note)
    assert "In truth no tumour, transverse." in page.rows("table-slices")[1][-1]


def test_labels_that_name_no_slice_are_counted_on_the_page(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run()
    path = load_run(run).ok[0].path
    file = tmp_path / "labels.csv"
    for mistyped, words in (
        (["a.png"], ", one label of which names no slice of this run."),
        (["a.png", "b.png"], ", 2 labels of which name no slice of this run."),
    ):
        lines = [f"{name},glioma_coronal\n" for name in mistyped]
        file.write_text(f"path,category\n{path},none_coronal\n" + "".join(lines))
        page = with_labels(run, tmp_path / "index.html", file).read_text(encoding="utf-8")
        assert words in page
    file.write_text(f"path,category\n{path},none_coronal\n", encoding="utf-8")
    page = with_labels(run, tmp_path / "index.html", file).read_text(encoding="utf-8")
    assert "no slice of this run" not in page


def test_names_are_taken_as_the_csv_of_a_run_writes_them(make_run: MakeRun, tmp_path: Path) -> None:
    tables = typical_tables(3)
    for rows in (tables.slices, *tables.predictions.values()):
        rows[0]["path"] = "=IMA(1).png"
    run = make_run(tables)
    written = pd.read_csv(StringIO("".join(csv_data(run))), dtype="string")
    labels = written[written["model"] == "baseline"][["path", "frame"]]
    assert "'=IMA(1).png" in labels["path"].tolist()
    labels.assign(category="none_coronal").to_csv(tmp_path / "labels.csv", index=False)
    keep_truth(run, tmp_path / "labels.csv")
    assert {item.path for item in load_run(run).known} == {item.path for item in load_run(run).ok}


def test_frames_that_pandas_made_broken_numbers_are_the_same_frames(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run()
    one, other = load_run(run).ok[:2]
    file = tmp_path / "labels.csv"
    pd.DataFrame(
        {
            "path": [one.path, other.path],
            "frame": [float(one.frame), None],  # of a picture nobody names it
            "category": ["none_coronal", "glioma_sagittal"],
        }
    ).to_csv(file, index=False)
    assert f"{one.frame}.0" in file.read_text(encoding="utf-8")
    keep_truth(run, file)
    known = [item.truth and item.truth.name for item in load_run(run).known]
    assert known == ["none_coronal", "glioma_sagittal"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "path;category\na.png;glioma_coronal\n",
            r"expected the columns path and category.* commas instead of semicolons: ",
        ),
        ("path\tcategory\na.png\tglioma_coronal\n", r"with commas instead of tabs: "),
        (
            "run_id;slice_id;verdict\n",
            r"Received run_id;slice_id;verdict\. Save it with commas instead of semicolons: ",
        ),
        (
            "path,frame,category\na.nii,1,glioma_coronal\na.nii,first,none_coronal\n",
            r"the frame as a whole number from 0, or nothing, in line 3\. Received 'first'",
        ),
        ("path,category\na.png,glioma\n", r"one of the twelve categories in line 2. Received 'gl"),
        (
            "path,category\na.png,glioma_coronal\na.png,none_coronal\n",
            r"one category a slice. Received another in line 3 for 'a.png'",
        ),
        ("path,category\nelse.png,glioma_coronal\n", r"labels of this run's slices, such as 'p"),
        ("path,category\na\\else.png,glioma_coronal\n", r"the batch folder, with forward slashes"),
    ],
)
def test_what_is_wrong_with_a_file_of_labels_is_said(
    make_run: MakeRun, tmp_path: Path, content: str, message: str
) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(LabelsError, match=message):
        with_labels(make_run(), tmp_path / "index.html", file)
    assert not (tmp_path / "index.html").exists()


def test_a_file_of_labels_that_is_not_there_is_named_without_a_code(
    make_run: MakeRun, tmp_path: Path
) -> None:
    with pytest.raises(LabelsError, match=r"Received: No such file or directory\. Give a"):
        keep_truth(make_run(), tmp_path / "nothing.csv")


def test_every_category_may_be_the_truth() -> None:
    assert all(from_folders("/").of(f"{c.name}/a.png", 0, None) == c for c in CATEGORIES)


def test_a_report_made_again_has_the_labels_that_the_run_was_given(
    run: Path, tmp_path: Path
) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("path,category\nglioma_coronal/000.png,none_sagittal\n", encoding="utf-8")
    page = tmp_path / "index.html"
    first = with_labels(run, page, file).read_bytes()
    file.unlink()
    assert build_report(run, page).read_bytes() == first
    assert load_run(run).truth_words.startswith("the labels labels.csv (SHA-256 ")
    truth = {item.path: item.truth.name for item in load_run(run).known if item.truth}
    assert (len(truth), truth["glioma_coronal/000.png"]) == (24, "none_sagittal")
    row = next(row for row in data_rows(run) if row["path"] == "glioma_coronal/000.png")
    assert (row["true_tumor"], row["true_plane"]) == ("none", "sagittal")


def test_where_labels_say_nothing_the_folders_do_and_both_are_named(
    run: Path, tmp_path: Path
) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("path,category\nglioma_coronal/000.png,none_sagittal\n", encoding="utf-8")
    page = Page(with_labels(run, tmp_path / "index.html", file))
    note = text(page.by_id("truth").find("p"))
    assert note.startswith("Known for 24 of 24 classified slices, by the labels labels.csv (SHA-")
    assert note.endswith("…), else by the names of the folders.")
    assert page.rows("table-slices")[0][-1] == "In truth no tumour, sagittal."


def test_what_reviewers_disagree_on_is_not_known_by_its_folder_either(
    run: Path, tmp_path: Path
) -> None:
    one, other = (item.slice_id for item in load_run(run).items[:2])
    rows = [(one, "glioma", "AB"), (one, "none", "CD"), (other, "glioma", "AB")]
    file = tmp_path / "review.csv"
    file.write_text(
        "run_id,slice_id,verdict,tumor,plane,reviewer,confidence,reviewed_at\n"
        + "".join(
            f"{RUN_ID},{slice_id},correct,{tumor},coronal,{who},,2026-03-01T12:00:00Z\n"
            for slice_id, tumor, who in rows
        ),
        encoding="utf-8",
    )
    keep_truth(run, file)
    assert [item.truth and item.truth.name for item in load_run(run).items[:3]] == [
        None,
        "glioma_coronal",
        "glioma_transverse",
    ]


def test_without_its_labels_a_run_is_measured_against_its_folders_again(
    run: Path, tmp_path: Path
) -> None:
    before = build_report(run, tmp_path / "index.html").read_bytes()
    file = tmp_path / "labels.csv"
    file.write_text("path,category\nglioma_coronal/000.png,none_sagittal\n", encoding="utf-8")
    keep_truth(run, file)
    forget_truth(run)
    assert load_run(run).truth_words == "the names of the folders"
    assert build_report(run, tmp_path / "index.html").read_bytes() == before
    assert len([row for row in data_rows(run) if row["true_tumor"]]) == 2 * 24


def test_labels_that_name_nothing_leave_those_that_were_kept(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("path,category\nglioma_coronal/000.png,none_sagittal\n", encoding="utf-8")
    keep_truth(run, file)
    file.write_text("path,category\nelse.png,none_sagittal\n", encoding="utf-8")
    with pytest.raises(LabelsError, match=r"such as 'glioma_coronal/000\.png'"):
        keep_truth(run, file)
    assert load_run(run).truth_words.startswith("the labels labels.csv")


def test_a_kept_category_of_another_version_is_named(run: Path) -> None:
    row = {"path": "a.png", "frame": 0, "tumor": "cyst", "plane": "coronal"}
    target = run / "truth" / part_name(0)
    write_part(target, [{**row, "source": "x", "run_id": RUN_ID}], TRUTH_SCHEMA)
    with pytest.raises(RunRecordError, match=r"Received 'cyst', 'coronal'\. Give the labels again"):
        load_run(run)
