from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from artemis.report.retraining import changed as retraining_changed
from artemis.report.retraining.views import audit_address
from artemis.report.words import confidence_step, percent
from tests.report.parsing import text
from tests.report.retrained import DATA, ID, all_changed, epochs, outcome, record, table
from tests.report.retraining.conftest import MakePage


def test_figures_stand_side_by_side_with_their_differences(make_page: MakePage) -> None:
    page, of = make_page(), outcome("mobilenet_v2", 3.6, 2.0)
    rows = table(page, "Figures of mobilenet_v2")
    assert [row[0] for row in rows][:2] == [
        "Accuracy, twelve categories",
        "Macro F1, twelve categories",
    ]
    figures = of.decision.figures
    for row, name in zip(rows, ("accuracy", "macro_f1"), strict=False):
        champion, challenger = figures[f"champion_{name}"], figures[f"challenger_{name}"]
        assert row[1] == f"{champion.value:.3f} ({champion.low:.3f} to {champion.high:.3f})"
        assert row[2].startswith(f"{challenger.value:.3f} (")
        assert row[3].startswith(f"+{challenger.value - champion.value:.3f} (+0.0")
    plane = of.evaluation.metrics["plane_accuracy"]
    assert rows[3][2] == f"{plane.value:.3f} ({plane.low:.3f} to {plane.high:.3f})"
    assert rows[3][3] == "\u2013"  # the gate does not compare it


def test_recall_of_each_tumour_and_figures_of_each_source_are_there(make_page: MakePage) -> None:
    page, of = make_page(), outcome("mobilenet_v2", 3.6, 2.0)
    rows = table(page, "Tumour types, mobilenet_v2")
    assert [row[:2] for row in rows] == [
        [name, "120"] for name in ("Glioma", "Meningioma", "Pituitary", "No tumour")
    ]
    before = of.champion_evaluation.per_tumor["glioma"].recall if of.champion_evaluation else None
    now = of.evaluation.per_tumor["glioma"].recall
    assert before
    assert now
    assert rows[0][2].startswith(f"{before.value:.3f} (")
    assert rows[0][3].startswith(f"{now.value:.3f} (")
    assert rows[0][4].startswith(f"\u2212{before.value - now.value:.3f} (")
    sources = table(page, "Sources, tumour type only, mobilenet_v2")
    assert [row[:3] for row in sources] == [["br35h", "120", "15"], ["cheng", "360", "45"]]
    assert sources[0][4].startswith(f"{of.evaluation.per_source['br35h'].tumor_accuracy.value:.3f}")
    categories = table(page, "Categories, mobilenet_v2")
    assert [len(row) for row in categories] == [6] * 12  # the gate takes no difference of these
    assert "\u2013" not in {cell for row in categories for cell in row}
    assert table(page, "Shortcut tests, mobilenet_v2") == [
        ["Tumour named, picture as it is (300 images)", "\u2013", "0.930 (0.900 to 0.960)"],
        [
            "Source read off the features of no tumour: br35h and unknown",
            "\u2013",
            "0.710 (chance 0.50)",
        ],
    ]


def test_every_figure_names_its_column_for_screens_too_narrow_for_a_head(
    make_page: MakePage,
) -> None:
    (one,) = (
        found
        for found in make_page().all("table", class_="figures")
        if "Figures of baseline" in text(found)
    )
    body = one.find("tbody")
    assert body is not None
    assert [cell.get("data-h") for cell in body[0].iter("td")] == [
        "Champion 20261001-0ddba1",
        "Challenger 20261124-facade",
        "Difference",
    ]


def test_differences_have_the_mark_of_their_model(make_page: MakePage) -> None:
    section = make_page().by_id("comparison")
    marks = [
        {style for child in plot.iter() if (style := child.get("class")) in {"m0", "m1"}}
        for plot in section.iter("svg")
    ]
    assert marks == [{"m0"}, {"m1"}]


def test_confusions_of_both_models_hold_every_locked_slice(make_page: MakePage) -> None:
    page, of = make_page(), outcome("mobilenet_v2", 3.6, 2.0)
    for side, evaluation in (
        ("Champion 20261001-0ddba1", of.champion_evaluation),
        ("Challenger 20261124-c0ffee", of.evaluation),
    ):
        assert evaluation is not None
        rows = table(page, f"{side}, mobilenet_v2: rows the truth, columns the answer")
        folded = np.asarray(evaluation.confusion).reshape(4, 3, 4, 3).sum(axis=(1, 3))
        assert [[int(cell) for cell in row[1:5]] for row in rows] == folded.tolist()
        assert [row[5] for row in rows] == ["120"] * 4


def test_changed_predictions_are_counted_and_broken_ones_stand_first(make_page: MakePage) -> None:
    page, rows = make_page(), [row for row in all_changed() if row.model == "mobilenet_v2"]
    kinds = [row.kind for row in rows]
    counts = {kind: kinds.count(kind) for kind in ("broken", "mended", "still wrong")}
    assert min(counts.values()) > 0
    readouts = page.by_id("changed").findall("dl")[0]
    assert [text(one) for one in readouts] == [
        f"Answered differently{len(rows)}",
        *(f"{kind.capitalize()}{count}" for kind, count in counts.items()),
    ]
    surest = max(
        (row for row in rows if row.kind == "broken"), key=lambda row: row.challenger_confidence
    )
    card = page.by_id("changed-1-broken-1")
    assert page.all("li", class_="card")[0] is card
    before, now = (text(one) for one in card.iter("li") if one is not card)
    tumor, plane = surest.truth.replace("none", "no tumour").split("_")
    truth = f"{tumor.capitalize()}, {plane}"
    assert text(card).startswith(f"Truth {truth} slice ")
    assert before.startswith(f"✓ right: {truth}")
    of = record().outcomes["mobilenet_v2"]
    assert of.champion_evaluation is not None
    old, new = (
        confidence_step(one.metrics["ece"].value) for one in (of.champion_evaluation, of.evaluation)
    )
    assert before.endswith(percent(surest.champion_confidence, old))
    assert now.startswith("✗ wrong: ")
    assert now.endswith(percent(surest.challenger_confidence, new))
    image = card.find("img")
    assert image is not None
    assert image.get("src", "").startswith("data:image/jpeg;base64,/9j/")
    assert image.get("alt") == f"MRI slice, in truth {truth}"


def test_what_is_left_out_is_said_with_where_it_is(
    make_page: MakePage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retraining_changed, "CHANGED_CARDS", 2)
    monkeypatch.setattr(retraining_changed, "THUMBNAIL_CHARACTERS", 0)
    page = make_page()
    mended = sum(row.model == "mobilenet_v2" and row.kind == "mended" for row in all_changed())
    notes = [text(note) for note in page.all("p", class_="limit")]
    assert (
        f"Shown: 2 of {mended}, those of which the challenger is surest. The rest are in "
        f"retrainings/{ID}/changed.parquet."
    ) in notes
    assert page.all("img") == []
    assert len(page.all("div", class_="nopicture")) == len(page.all("li", class_="card")) == 12


def test_answer_without_a_finite_probability_is_shown_with_a_dash(make_page: MakePage) -> None:
    odd = replace(all_changed()[0], challenger_confidence=float("nan"), truth="glioma_oblique")
    page = make_page(record(outcomes={"mobilenet_v2": outcome("mobilenet_v2", 3.6, 2.0)}), [odd])
    assert text(page.by_id("changed-1-still-wrong-1")).endswith("\u2013")
    assert "holds 1; one of them is not whole." in text(page.all("p", class_="alert")[0])


def test_each_stage_has_its_curves_with_what_they_say(make_page: MakePage) -> None:
    figures = make_page().by_id("curves").findall("figure")
    titles = [text(one) for figure in figures for one in figure.iter("h4")]
    assert titles == [
        "Calibrating: 4 of 4 epochs, 50.0 s",
        "Training: 4 of 4 epochs, 50.0 s",
        "Calibrating: 15 of 15 epochs, 3 min 8 s",
        "Training: 15 of 15 epochs, 3 min 8 s",
    ]
    assert (
        "Loss from 2.000 to 0.800; training accuracy from 0.500 to 0.875; held-out macro F1 "
        "from 0.400 to 0.775."
    ) in text(figures[0])
    assert "no slices were held out to watch" in text(figures[3])
    loss, shares = figures[0].iter("svg")
    assert loss.get("aria-label") == "calibrating, 4 of 4 epochs: loss from 2.000 to 0.800"
    assert len(list(shares.iter("polyline"))) == 2
    assert len(list(list(figures[3].iter("svg"))[1].iter("polyline"))) == 1


def test_epoch_made_twice_after_an_interruption_counts_once(make_page: MakePage) -> None:
    made = epochs("baseline", "training", 3, 6)
    page = make_page(record(epochs=[*made, *epochs("baseline", "training", 4, 6)[2:]]))
    figure = page.by_id("curves").findall("figure")[0]
    assert "Training: 4 of 6 epochs, 50.0 s" in text(figure)
    assert len(list(next(figure.iter("svg")).iter("circle"))) == 4


def test_data_are_counted_with_a_link_to_the_audit(make_page: MakePage) -> None:
    page = make_page()
    counts = {row[0]: row[1] for row in page.rows("data-counts")}
    assert counts == {
        "Images": "2,705",
        "Trained on": "2,150",
        "Calibrated on": "430",
        "Locked": "541",
        "Left out": "9",
        "Reviewed": "37",
        "Reviewed, but unavailable": "2",
        "Reviewed as unusable": "3",
        "Labels corrected": "14",
        "Plane predicted": "11",
    }
    assert table(page, "Images by tumour and plane")[0] == ["Glioma", "100", "101", "102", "303"]
    assert page.rows("data-sources")[0] == ["cheng", "2,000", "74%"]
    links = [link.get("href") for link in page.by_id("data").iter("a")]
    assert links == ["../../audits/20261124T020030Z-abcdef/index.html"]
    assert table(page, "Findings of the audit") == [
        ["Copies with different labels", "4"],
        ["Doubtful labels", "60"],
    ]


@pytest.mark.parametrize(
    ("unknown", "images", "locked"),
    [
        (0, "of 574 patient groups", "whole patient groups, measured on and never trained on"),
        (
            762,
            "of 574 groups; of 762 images neither patient nor group is given, and only copies and "
            "slices of one study or file are held together there",
            "whole groups, measured on and never trained on",
        ),
        (
            2705,
            "of 574 groups; neither patient nor group is given, and only copies and slices of one "
            "study or file are held together",
            "whole groups, measured on and never trained on",
        ),
        (
            None,
            "of 574 groups (patients, as far as they are known)",
            "whole groups, measured on and never trained on",
        ),
    ],
)
def test_groups_are_called_patients_only_where_these_are_known(
    make_page: MakePage, unknown: int | None, images: str, locked: str
) -> None:
    page = make_page(record(data=DATA.model_copy(update={"group_unknown": unknown})))
    said = {row[0]: row[2] for row in page.rows("data-counts")}
    assert (said["Images"], said["Locked"]) == (images, locked)
    groups = outcome("mobilenet_v2", 3.6, 2.0).evaluation.groups
    word = "patient groups" if unknown == 0 else "groups"
    assert f" locked images of {groups} {word}." in text(page.by_id("comparison"))
    assert ("patient group" in text(page.root).lower()) == (unknown == 0)


@pytest.mark.parametrize("audit", ["../../../etc", "/etc/passwd", "a/b", "..", "a\\b", "", None])
def test_audit_that_is_no_plain_name_is_not_linked(audit: str | None) -> None:
    assert audit_address(audit) is None


def test_address_of_the_audit_is_quoted() -> None:
    assert audit_address('a"b c') == "../../audits/a%22b%20c/index.html"


def test_timings_hashes_and_files_are_foldable(make_page: MakePage) -> None:
    page = make_page()
    provenance = page.by_id("provenance")
    assert [text(one) for one in provenance.iter("summary")] == [
        "Retraining",
        "mobilenet_v2",
        "baseline",
        "Timings",
        "Files",
    ]
    assert page.rows("timings")[2] == ["Train mobilenet_v2", "15 min 0 s", "90%"]
    run = dict(table(page, "The retraining"))
    assert run["Key of its inputs"] == "ef" * 32
    assert run["Elapsed"] == "31 min 0 s"
    model = dict(table(page, "Recorded of mobilenet_v2"))
    decision = outcome("mobilenet_v2", 3.6, 2.0).decision
    assert model["Policy of the gate, SHA-256"] == decision.inputs["policy"]
    assert model["Training set, SHA-256"] == "ab" * 32
    assert model["Weights, SHA-256"] == f"{1:064d}"
    assert f"models/baseline/decisions/{decision.id}.json" in text(provenance)
