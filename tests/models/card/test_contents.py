from __future__ import annotations

import re
from pathlib import Path

import pytest

from artemis.models.card.blocks import (
    Card,
    Facts,
    Failures,
    Figures,
    Paragraph,
    Reliability,
    Section,
)
from artemis.models.card.contents import build_card, read_card
from artemis.models.card.limits import KNOWN_LIMITS
from artemis.models.manifest import (
    CROSS_VALIDATED,
    ControlPatch,
    Interval,
    Manifest,
    Randomisation,
    Shuffled,
    load_manifest,
)
from artemis.report.model_card import card_page
from artemis.training.figures.tables import describe

KEYS = [
    "use", "data", "protocol", "figures", "confusion", "calibration", "sets", "ood", "studies",
    "evidence", "shortcuts", "failures", "limits", "outlines",
]  # fmt: skip


def section(card: Card, key: str) -> Section:
    (found,) = (one for one in card.sections if one.key == key)
    return found


def words(part: Section) -> str:
    return " ".join(block.text for block in part.blocks if isinstance(block, Paragraph))


def tables(part: Section) -> dict[str, tuple[tuple[str, ...], ...]]:
    return {
        block.table.caption: block.table.rows for block in part.blocks if isinstance(block, Figures)
    }


def without(manifest: Manifest, **of_evaluation: object) -> Manifest:
    evaluation = manifest.evaluation.model_copy(update=of_evaluation)
    return manifest.model_copy(update={"evaluation": evaluation})


def test_a_card_has_every_section_once_and_in_order(shipped: Path) -> None:
    assert [one.key for one in read_card(shipped).sections] == KEYS


@pytest.mark.parametrize("sources", [{"ward 7": 60}, {"unknown": 60}, {"cheng": 50, "ward 7": 9}])
def test_a_card_of_other_data_says_nothing_of_the_public_ones(
    full: Manifest, sources: dict[str, int]
) -> None:
    """Else whoever trains on patients of their own reads that these are public collections."""
    training = full.training.model_copy(update={"per_source": sources})
    card = build_card(without(full, per_source={}).model_copy(update={"training": training}))
    told = [one for one in card.sections if one.key != "data"]
    text = str(told).replace("Patients and public involved", "")
    assert not re.findall(r"public (?:data|set|collections)|the collections|come with the", text)
    assert "Figures are of public data" not in card_page(card)


def test_a_card_of_other_data_claims_no_more_patients_than_are_known(full: Manifest) -> None:
    """Pictures may have come without patients; then groups are copies and slices of one file."""
    training = full.training.model_copy(update={"per_source": {"ward 7": 60}})
    card = build_card(full.model_copy(update={"training": training}))
    assert card.summary.endswith(
        "Measured on 240 slices of 60 groups (patients, as far as they are known) that whoever "
        "answered had not been trained on."
    )
    told = f"{training.groups:,} groups (patients, as far as they are known) were trained on."
    assert told in words(section(card, "data"))
    assert "240 images of 60 groups (patients, as f" in words(section(card, "figures"))
    outlined = tables(section(card, "outlines"))["CLAIM, update of 2024 (Tejani et al.), 44 items"]
    (disjoint,) = (row for row in outlined if row[0] == "19, 20")
    assert disjoint[2:] == ("yes", "Protocol: by patient, as far as patients are known")


def test_a_card_of_the_public_data_names_them(shipped: Path) -> None:
    card = read_card(shipped)
    assert KNOWN_LIMITS[0] in str(section(card, "limits"))
    assert "the public collections hold no such record" in str(section(card, "outlines"))
    assert "of 564 patient groups that whoever answered" in card.summary
    assert "Figures are of public data" in card_page(card)


@pytest.mark.parametrize(("groups", "said"), [(20, False), (19, True), (1, True)])
def test_intervals_over_few_groups_are_said_to_be_too_narrow(
    full: Manifest, groups: int, said: bool
) -> None:
    few = without(full, groups=groups)
    for text in (words(section(build_card(few), "figures")), describe("", few.evaluation)):
        assert ("Over fewer than 20 groups such intervals are too narrow." in text) is said


def test_figures_by_plane_have_intervals(full: Manifest) -> None:
    rows = tables(section(build_card(full), "figures"))["By plane"]
    of = full.evaluation.per_plane["coronal"]
    assert [row[0] for row in rows] == ["coronal", "sagittal", "transverse"]
    assert rows[0][1] == "80"
    assert rows[0][4] == (
        f"{of.tumor_accuracy.value:.3f} ({of.tumor_accuracy.low:.3f} to "
        f"{of.tumor_accuracy.high:.3f})"
    )


def test_both_reliability_diagrams_are_drawn_from_the_record(full: Manifest) -> None:
    part = section(build_card(full), "calibration")
    drawn = [block for block in part.blocks if isinstance(block, Reliability)]
    assert [one.caption for one in drawn] == [
        "Reliability, bins of equal width",
        "Reliability, bins of equal mass",
    ]
    assert all(sum(one["images"] for one in block.bins) == 240 for block in drawn)
    assert {one["images"] for one in drawn[1].bins} == {16}


@pytest.mark.parametrize(
    ("ece", "said"), [(0.02, "whole per cent"), (0.05, "steps of five"), (0.051, "steps of ten")]
)
def test_a_card_says_how_finely_confidence_is_printed(
    full: Manifest, ece: float, said: str
) -> None:
    full.evaluation.metrics["ece"] = full.evaluation.metrics["ece"].model_copy(
        update={"value": ece}
    )
    assert f"is printed in {said}" in words(section(build_card(full), "calibration"))


def test_a_calibration_error_below_its_own_interval_is_explained(full: Manifest) -> None:
    note = "Chance in the bins of a draw adds to its calibration error"
    full.evaluation.metrics["ece"] = Interval(value=0.03, low=0.02, high=0.05)
    full.evaluation.metrics["ece_equal_mass"] = Interval(value=0.03, low=0.02, high=0.05)
    assert note not in words(section(build_card(full), "calibration"))
    full.evaluation.metrics["ece"] = Interval(value=0.0202, low=0.0207, high=0.052)
    assert note in words(section(build_card(full), "calibration"))


@pytest.mark.parametrize(("ece", "step"), [(0.018, 1), (0.03, 5), (0.06, 10)])
def test_mistakes_are_said_no_finer_than_calibration_deserves(
    shipped: Path, ece: float, step: int
) -> None:
    manifest = load_manifest(shipped)
    measured = manifest.evaluation.metrics | {"ece": Interval(value=ece, low=0, high=0.1)}
    part = section(build_card(without(manifest, metrics=measured)), "failures")
    (found,) = (block for block in part.blocks if isinstance(block, Failures))
    assert set(found.said) <= {f">{100 - step}%", *(f"{n}%" for n in range(step, 100, step))}
    assert [one.confidence for one in found.mistakes] == sorted(
        (one.confidence for one in found.mistakes), reverse=True
    )


def test_a_model_without_mistakes_says_so(full: Manifest) -> None:
    assert words(section(build_card(without(full, mistakes=[])), "failures")) == "There is none."


def test_shortcut_tests_stand_as_they_are_in_the_record(full: Manifest) -> None:
    rows = tables(section(build_card(full), "shortcuts"))["Shortcut tests"]
    assert ("tumour named, tumour box blanked", "40", "0.400 (0.300 to 0.500)") in rows
    bare = build_card(without(full, shortcuts=None))
    assert "Not in the record of this model" in words(section(bare, "shortcuts"))


def test_several_slices_together_stand_beside_the_mean_of_the_slices(full: Manifest) -> None:
    part = section(build_card(full), "studies")
    studies = full.evaluation.studies
    assert studies is not None
    assert "by the rule mean of top 8" in words(part)
    whole, series = tables(part)["Tumour type of several slices together"]
    assert whole[:3] == ("all slices of a patient", "60", "240")
    assert whole[3:] == tuple(
        f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})"
        for one in (studies.patients.accuracy, studies.patients.by_slice, studies.patients.gain)
    )
    assert series[0] == "those of one plane"
    rules = tables(part)["Rules that make one answer of several slices"]
    assert [row[0] for row in rules if "(used)" in row[0]] == ["mean of top 8 (used)"]
    assert rules[0][2] == f"{studies.rules['mean_of_top_1'].diluted[10]:.3f}"
    bare = build_card(without(full, studies=None))
    assert "Not in the record of this model" in words(section(bare, "studies"))


def test_evidence_of_shuffled_weights_is_told_as_it_is_in_the_record(full: Manifest) -> None:
    shuffled = Shuffled(correlation=-0.0123, absolute=0.2, slices=276, pointing_game=None)
    found = Randomisation(images=300, pointing_game=0.9, shuffled={"heads": shuffled})
    card = build_card(_with_evidence(full, found))
    rows = tables(section(card, "evidence"))["Evidence with shuffled weights"]
    assert rows == (
        ("none", "-", "-", "-", "0.900"),
        ("those of the heads", "-0.012", "0.200", "276", "-"),
    )
    bare = build_card(_with_evidence(full, None))
    said = "Whether the evidence depends on what was learnt was not measured for this model."
    assert said in words(section(bare, "evidence"))


def _with_evidence(full: Manifest, found: Randomisation | None) -> Manifest:
    pointing = {"pointing_game": Interval(value=0.9, low=0.8, high=0.95)}
    measured = without(full, metrics=full.evaluation.metrics | pointing)
    return measured.model_copy(update={"randomisation": found})


def test_a_blanked_box_stands_beside_its_control_or_the_card_says_that_there_is_none(
    full: Manifest,
) -> None:
    found = full.evaluation.shortcuts
    assert found is not None
    bare = build_card(without(full, shortcuts=found.model_copy(update={"control": None})))
    said = "How much blanking by itself disturbs the model was not measured for it"
    assert said in words(section(bare, "shortcuts"))
    share = Interval(value=0.85, low=0.8, high=0.9)
    control = ControlPatch(images=38, control=share, blanked=share, difference=share)
    card = build_card(without(full, shortcuts=found.model_copy(update={"control": control})))
    rows = tables(section(card, "shortcuts"))["Shortcut tests"]
    row = "tumour named, a patch of that size blanked elsewhere in the head"
    assert (row, "38", "0.850 (0.800 to 0.900)") in rows
    assert said not in words(section(card, "shortcuts"))


def test_protocol_tells_held_out_from_cross_validated(full: Manifest) -> None:
    def protocol(split: str) -> str:
        training = full.training.model_copy(update={"split": split})
        of = full.model_copy(update={"training": training})
        return words(section(build_card(of), "protocol"))

    assert "One held-out part" in protocol("whole patient groups: fold 4 tests")
    text = protocol(CROSS_VALIDATED)
    assert "Cross-validated: every figure" in text
    assert "held-out part" not in text


def test_a_model_without_evidence_says_so(full: Manifest) -> None:
    bare = full.model_copy(update={"outputs": {"logits": [12], "features": [8]}})
    card = build_card(bare)
    assert "gives no evidence maps" in words(section(card, "evidence"))
    rows = tables(section(card, "outlines"))["CLAIM, update of 2024 (Tejani et al.), 44 items"]
    assert ("no", "this model gives no evidence maps") in [row[2:] for row in rows]


def test_every_source_has_a_licence_or_says_that_none_is_known(full: Manifest) -> None:
    rows = tables(section(build_card(full), "data"))["Sources"]
    licences = {row[0]: row[4] for row in rows}
    assert licences["cheng"] == "CC BY 4.0"
    assert [row[1:3] for row in rows] == [("7", "120"), ("90", "120")]
    assert "to be stated by whoever labelled the pictures" in licences.values()


def test_no_name_of_a_patient_is_in_a_card(full: Manifest) -> None:
    assert full.evaluation.mistakes[0].group == 1
    assert "A. Patient" not in repr(build_card(full))


def test_outlines_name_every_item_and_do_not_claim_what_the_record_lacks(full: Manifest) -> None:
    told = tables(section(build_card(without(full, shortcuts=None)), "outlines"))
    claim = {row[0]: row for row in told["CLAIM, update of 2024 (Tejani et al.), 44 items"]}
    numbers = [int(n) for item in claim for n in item.split(", ")]
    assert numbers == list(range(1, 45))
    tripod = [row[0] for row in told["TRIPOD+AI, 2024 (Collins et al.), 27 items"]]
    assert [int(n) for item in tripod for n in item.split(", ")] == list(range(1, 28))
    assert claim["30"][2] == "partly"
    assert claim["33"][2:] == ("no", "none is in this record")
    newer = tables(section(build_card(full), "outlines"))
    claim = {row[0]: row for row in newer["CLAIM, update of 2024 (Tejani et al.), 44 items"]}
    assert claim["30"][2] == "yes"


def test_outlines_point_at_sections_that_are_there(shipped: Path) -> None:
    card = read_card(shipped)
    titles = {one.title for one in card.sections}
    for rows in tables(section(card, "outlines")).values():
        for row in rows:
            if row[2] == "yes" and ":" not in row[3]:
                first = row[3].split(";")[0].split(",")[0]
                assert any(first.startswith(title) for title in titles) or first[0].islower(), row


def test_what_the_training_began_with_is_said(full: Manifest) -> None:
    training = full.training.model_copy(update={"first_weights": "random, seed 5"})
    part = section(build_card(full.model_copy(update={"training": training})), "protocol")
    assert Facts("What training began with", (("First weights", "random, seed 5"),)) in part.blocks
    assert full.training.first_weights.startswith("ImageNet, mobilenet_v2_1.0_160_no_top.weights")


def test_settings_of_a_training_are_said_in_words(full: Manifest) -> None:
    training = full.training.model_copy(
        update={"recipe": {"epochs": 12, "original": False, "augmentation": {"box_shift": 0.1}}}
    )
    card = build_card(full.model_copy(update={"training": training}))
    assert tables(section(card, "protocol"))["How it was trained"] == (
        ("epochs", "12"),
        ("as it was in 2022", "no"),
        ("augmentation: box shift", "0.1"),
    )


def test_refusals_of_other_patients_are_said_as_measured_or_as_not_measured(full: Manifest) -> None:
    far = full.out_of_distribution.model_copy(update={"false_refusals": None})
    bare = words(section(build_card(full.model_copy(update={"out_of_distribution": far})), "ood"))
    assert "set where 3% of the held-out slices lie beyond it" in bare
    assert "how many of other patients' do was not measured for this model" in bare
    share = Interval(value=0.042, low=0.021, high=0.07)
    far = far.model_copy(update={"false_refusals": share})
    told = words(section(build_card(full.model_copy(update={"out_of_distribution": far})), "ood"))
    assert "than a limit was so set on, 0.042 (0.021 to 0.070) lie beyond it." in told
    assert "not measured" not in told
