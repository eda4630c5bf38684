"""The sections of a card that hold what was measured; where a record lacks it, they say so."""

from __future__ import annotations

from typing import Final

import numpy as np

from artemis.labels import CATEGORY_NAMES, PLANES, TUMORS
from artemis.models.card.blocks import (
    Block,
    Confusion,
    Figures,
    Paragraph,
    Reliability,
    Section,
)
from artemis.models.card.sources import groups_of, of_public_data
from artemis.models.evidence_map import CAPTION, gives_evidence
from artemis.models.figures import (
    class_table,
    few_groups,
    figure,
    metrics_table,
    plane_confusion,
    randomisation_table,
    rules_table,
    shortcut_table,
    subset_table,
    table_of,
    together_table,
    tumor_confusion,
)
from artemis.models.manifest import Interval, Manifest, Randomisation
from artemis.said import class_words, confidence_step

_RIGHT: Final = (
    "accuracy",
    "macro_f1",
    "tumor_accuracy",
    "plane_accuracy",
    "accuracy_surest_80",
    "accuracy_surest_80_together",
    "aurc",
    "aurc_together",
)
_SURE: Final = (
    "ece",
    "ece_equal_mass",
    "ece_uncalibrated",
    "brier",
    "brier_by_patient",
    "nll",
    "nll_by_patient",
)
_BELOW: Final = (
    "Chance in the bins of a draw adds to its calibration error, since every difference counts as "
    "one, so an interval can lie above its value."
)
_EVIDENCE: Final = ("pointing_game", "energy_in_box", "heat_outside_head")

_OF_PUBLIC: Final = (
    " In the public data only patients with a tumour are known, by slices that show it: no whole "
    "examination was measured."
)
_STEP_WORDS: Final = {1: "whole per cent", 5: "steps of five per cent", 10: "steps of ten per cent"}


def figures(manifest: Manifest) -> Section:
    """Return how often the answers are right: over all, by source, plane, type and category."""
    evaluation = manifest.evaluation
    blocks = (
        Paragraph(
            f"{evaluation.images:,} images of {groups_of(manifest, evaluation.groups)}; every "
            "figure with its 95% interval by bootstrap over the groups. A class that is never "
            "missed has an interval from 1 to 1: that is all that the method can say of few "
            f"slices, and no certainty.{few_groups(evaluation.groups)}",
            note=True,
        ),
        Figures(metrics_table(evaluation.metrics, _RIGHT)),
        Figures(subset_table("source", evaluation.per_source)),
        Paragraph(
            "A source that holds one tumour type only can be answered by its look; macro F1 is "
            "over the types that occur in it.",
            note=True,
        ),
        Figures(subset_table("plane", evaluation.per_plane)),
        Figures(class_table("tumour type", evaluation.per_tumor)),
        Figures(class_table("category", evaluation.per_category)),
    )
    return Section("figures", "Figures", blocks)


def confusions(manifest: Manifest) -> Section:
    """Return what is taken for what: by tumour type, by plane, and in full."""
    counts = np.asarray(manifest.evaluation.confusion)
    parts = (
        ("Tumour types", TUMORS, tumor_confusion(counts)),
        ("Planes", PLANES, plane_confusion(counts)),
        ("All twelve categories", CATEGORY_NAMES, counts),
    )
    return Section(
        "confusion",
        "Confusion",
        (
            Paragraph(
                "Slices by truth, a row each, and answer, a column each; the diagonal is right.",
                note=True,
            ),
            *(
                Confusion(caption, tuple(names), tuple(map(tuple, table.tolist())))
                for caption, names, table in parts
            ),
        ),
    )


def calibration(manifest: Manifest) -> Section:
    """Return whether an answer said with 80 % is right four times out of five."""
    evaluation = manifest.evaluation
    ece = evaluation.metrics.get("ece")
    step = _STEP_WORDS[confidence_step(None if ece is None else ece.value)]
    blocks: tuple[Block, ...] = (
        Paragraph(
            f"Logits are divided by a temperature of {manifest.temperature:.3f}, fitted on "
            f"{manifest.temperature_fitted_on}. By its calibration error this model's confidence "
            f"is printed in {step}, wherever people read it; the Parquet tables hold it exactly."
        ),
        Figures(metrics_table(evaluation.metrics, _SURE, "How sure against how right")),
        *(
            (Paragraph(_BELOW, note=True),)
            if any(
                one.value < one.low
                for name, one in evaluation.metrics.items()
                if name.startswith("ece")
            )
            else ()
        ),
        *(
            Reliability(f"Reliability, bins of {words}", manifest.name, bins)
            for words, bins in (
                ("equal width", evaluation.reliability),
                ("equal mass", evaluation.reliability_equal_mass),
            )
        ),
    )
    return Section("calibration", "Calibration", blocks)


def prediction_sets(manifest: Manifest) -> Section:
    """Return how often the sets hold the truth, and how large they are."""
    sets = manifest.prediction_sets
    level = f"{100 * sets.level:.0f}%"
    thresholds = table_of(
        f"Sets of {level}, by true tumour type",
        ("tumour type", "share of slices whose set holds the truth", "threshold"),
        [
            (class_words(name), f"{share:.3f}", f"{sets.thresholds[name]:.3f}")
            for name, share in sets.tumor_coverage.items()
        ],
    )
    return Section(
        "sets",
        "Prediction sets",
        (
            Paragraph(
                f"A set of categories is to hold the truth of {level} of the slices of unseen "
                "patients. A category is in it if one minus its probability is at most the "
                "threshold of its tumour type (least ambiguous sets, Sadinle et al., JASA 2019; "
                f"here {sets.method}), fitted on {sets.fitted_on}. Measured on patient groups that "
                "the thresholds were not fitted on."
            ),
            Figures(
                table_of(
                    f"Sets of {level}",
                    ("measure", "value (95% interval)"),
                    [
                        ("Share of slices whose set holds the truth", figure(sets.coverage)),
                        ("Categories in a set", figure(sets.mean_size)),
                        ("Share of a patient's slices, on average", f"{sets.group_coverage:.3f}"),
                    ],
                )
            ),
            Figures(thresholds),
        ),
    )


def out_of_distribution(manifest: Manifest) -> Section:
    """Return how far from its training slices a slice may lie, and what is refused."""
    far = manifest.out_of_distribution
    blocks = (
        Paragraph(
            f"A slice that lies further than {far.threshold:.2f} from the training slices "
            "(Mahalanobis distances of the network's features and of the picture's own grey "
            f"levels and layout, together; here {far.method}) is sent to review, and its "
            "confidence is not shown. "
            f"The limit was set where {100 * far.aimed_false_refusals:.0f}% of the held-out "
            f"slices lie beyond it; {_refused(far.false_refusals)}"
        ),
        Paragraph(
            "Drawn pictures that are no brain MRI are told from held-out slices with an area "
            f"under the ROC curve of {far.far_auroc:.3f}. Near images, such as other sequences "
            "and field strengths, are not in this record."
        ),
        Figures(
            table_of(
                "Drawn pictures beyond the distance",
                ("kind", "share"),
                [(kind, f"{100 * share:.0f}%") for kind, share in far.far_refused.items()],
            )
        ),
    )
    return Section("ood", "Unlike the training images", blocks)


def _refused(share: Interval | None) -> str:
    if share is None:
        return (
            "how many of other patients' do was not measured for this model: the distances of "
            "its held-out slices are not kept."
        )
    return (
        f"of the slices of other patients than a limit was so set on, {figure(share)} lie "
        "beyond it."
    )


def evidence(manifest: Manifest) -> Section:
    """Return whether what speaks for an answer lies where the tumour is."""
    title = "Where the evidence lies"
    if not gives_evidence(manifest.outputs):
        words = "This model gives no evidence maps; nothing is drawn over its slices."
        return Section("evidence", title, (Paragraph(words),))
    measured: dict[str, Interval] = {
        name: manifest.evaluation.metrics[name]
        for name in _EVIDENCE
        if name in manifest.evaluation.metrics
    }
    if not measured:
        words = f"{CAPTION} Its place was not measured on the slices of this record."
        return Section("evidence", title, (Paragraph(words),))
    return Section(
        "evidence",
        title,
        (
            Paragraph(
                f"{CAPTION} Measured against known tumour boxes on slices whose tumour type was "
                "answered rightly; heat outside the head on all slices. Boxes of training slices "
                "supervised the maps where the recipe says so."
            ),
            Figures(metrics_table(measured, _EVIDENCE, "Evidence")),
            *_randomisation(manifest.randomisation),
        ),
    )


def _randomisation(found: Randomisation | None) -> tuple[Block, ...]:
    """Return whether evidence changes when weights are shuffled (Adebayo et al., 2018)."""
    if found is None:
        words = "Whether the evidence depends on what was learnt was not measured for this model."
        return (Paragraph(words),)
    return (
        Paragraph(
            f"Evidence for the same answers to {found.images:,} slices, by the network as "
            "it is and with the order of its weights shuffled within each array (model parameter "
            "randomisation, Adebayo et al., NeurIPS 2018). A rank correlation near 1 would mean "
            "that the maps show the picture and not what was learnt. Where every slice was trained "
            "on, these were too."
        ),
        Figures(randomisation_table(found)),
    )


def studies(manifest: Manifest) -> Section:
    """Return how well several slices of one patient answer together."""
    title, found = "Several slices together", manifest.evaluation.studies
    if found is None:
        words = (
            "Not in the record of this model: among the slices that it was measured on, fewer "
            "than two patients are known to have several."
        )
        return Section("studies", title, (Paragraph(words),))
    return Section(
        "studies",
        title,
        (
            Paragraph(
                "Slices of a series or study get one answer besides their own: here by the rule "
                f"{found.rule.replace('_', ' ')}, where top are the slices that most probably show "
                "a tumour. Measured on known patients with several slices, each by a network that "
                "had not seen the patient; every study counts once, and intervals are over "
                f"patients.{_OF_PUBLIC if of_public_data(manifest) else ''}"
            ),
            Figures(together_table(found)),
            Paragraph(
                "To tell rules apart, slices of other people without a tumour are added to each "
                "patient, and as many studies are made of such slices alone. This is a simulation.",
                note=True,
            ),
            Figures(rules_table(found)),
        ),
    )


def shortcuts(manifest: Manifest) -> Section:
    """Return what a network answers without the tumour, and with nothing else."""
    found = manifest.evaluation.shortcuts
    blocks: tuple[Block, ...] = (
        Paragraph(
            "Not in the record of this model: they are run with the cross-validation by patient "
            "(artemis-cli evaluate patient), and this model was measured on one held-out part. "
            "Whether it reads more than the tumour is not known from this card."
        ),
    )
    if found is not None:
        blocks = (
            Paragraph(
                "What the model answers without the tumour, and with nothing else. A share of the "
                "first far above chance, or a source that is easily read off the features, means "
                "that it reads more than the tumour.",
                note=True,
            ),
            Figures(shortcut_table(found)),
            Paragraph(
                "How much blanking by itself disturbs the model was not measured for it: the "
                "difference to the slices as they are is of the tumour and of the blank together."
                if found.control is None
                else "The control is a patch of the size of the tumour box, as near to its mirror "
                "image as leaves the box alone and lies in the head. Only what is lost beyond it "
                "is lost with the tumour.",
                note=True,
            ),
        )
    return Section("shortcuts", "Shortcut tests", blocks)
