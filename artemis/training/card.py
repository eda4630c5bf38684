"""The model card, written out of the manifest and by no hand."""

from __future__ import annotations

from artemis import RESEARCH_USE
from artemis.models.manifest import Manifest, OutOfDistribution, PredictionSets
from artemis.training.figures.tables import (
    class_table,
    figure,
    metrics_table,
    shortcut_table,
    source_table,
)


def render_card(manifest: Manifest) -> str:
    """Return the card of a model as Markdown.

    Its outline follows Mitchell et al., "Model Cards for Model Reporting" (FAT* 2019).
    """
    return (
        "\n\n".join(
            [
                f"# {manifest.name} {manifest.version}",
                f"**{RESEARCH_USE}**",
                _intended_use(),
                _data(manifest),
                _figures(manifest),
                _confidence(manifest),
                _limits(),
            ]
        )
        + "\n"
    )


def _intended_use() -> str:
    return (
        "## Intended use\n\n"
        "Sorting single slices of brain MRI, mostly contrast-enhanced T1, by tumour type (glioma, "
        "meningioma, pituitary, none) and anatomical plane, for research. Not for diagnosis, not "
        "for triage of patients, not for images of other body parts or modalities."
    )


def _data(manifest: Manifest) -> str:
    training = manifest.training
    rows = "\n".join(f"| {name} | {count} |" for name, count in training.per_category.items())
    return (
        "## Data\n\n"
        f"{training.images} images of {training.groups} patient groups; {training.split}. "
        f"{training.label_corrections} labels were corrected by the tumour that the picture's "
        'own source gives. Pictures come from the public Kaggle set "Brain Tumor Classification '
        "(MRI)\" by S. Bhuvaji and others, most of them from J. Cheng's figshare set 1512427 "
        "(CC BY 4.0).\n\n"
        f"Training set SHA-256: `{training.training_set_sha256}`\n\n"
        f"| category | training images |\n|---|---:|\n{rows}"
    )


def _figures(manifest: Manifest) -> str:
    evaluation = manifest.evaluation
    parts = [
        "## Figures",
        f"{evaluation.protocol} {evaluation.images} images of {evaluation.groups} groups; 95 % "
        "intervals by bootstrap over the groups.",
        metrics_table(evaluation),
        source_table(evaluation),
        class_table("tumour type", evaluation.per_tumor),
        class_table("category", evaluation.per_category),
    ]
    if evaluation.shortcuts is not None:
        parts += [
            "## Shortcut tests",
            "What the model answers without the tumour, and with nothing else. A share of the "
            "first far above chance, or a source that is easily read off the features, means "
            "that it reads more than the tumour.",
            shortcut_table(evaluation.shortcuts),
        ]
    return "\n\n".join(parts)


def _confidence(manifest: Manifest) -> str:
    far = manifest.out_of_distribution
    return (
        "## Confidence\n\n"
        f"Logits are divided by a temperature of {manifest.temperature:.3f}, fitted on "
        f"{manifest.temperature_fitted_on}. A slice that lies further than "
        f"{far.threshold:.2f} from the training slices ({far.method}) is sent to review; "
        f"{100 * far.held_out_false_refusals:.0f} % of held-out slices lie beyond it."
        + _far(far)
        + (f"\n\n{_sets(manifest.prediction_sets)}" if manifest.prediction_sets else "")
    )


def _far(far: OutOfDistribution) -> str:
    if far.far_auroc is None:
        return ""
    refused = ", ".join(f"{kind} {100 * share:.0f} %" for kind, share in far.far_refused.items())
    return (
        f" Drawn pictures that are no brain MRI are told from held-out slices with an area under "
        f"the ROC curve of {far.far_auroc:.3f}; beyond the distance lie, by kind: {refused}."
    )


def _sets(sets: PredictionSets) -> str:
    by_tumor = ", ".join(f"{name} {share:.2f}" for name, share in sets.tumor_coverage.items())
    return (
        f"Sets of categories are to hold the truth of {100 * sets.level:.0f} % of the slices of "
        f"unseen patients ({sets.method}, fitted on {sets.fitted_on}). Measured on patient groups "
        f"that their thresholds were not fitted on: {figure(sets.coverage)} of slices, with "
        f"{figure(sets.mean_size)} categories a set; {sets.group_coverage:.3f} of a patient's "
        f"slices on average; by true tumour type {by_tumor}."
    )


def _limits() -> str:
    return (
        "## Limits\n\n"
        '- Source and class are tied in the training data: no image of "none" comes from the '
        "source of most tumours, so the model may partly know the source by its look. See the "
        "figures per source.\n"
        "- Few patients are known by name of source; age, sex, scanner and field strength are "
        "not recorded, so no figure by subgroup of patients can be given.\n"
        "- Other tumours, metastases, treated tumours and other sequences were not trained on; "
        "the model still answers with one of its twelve categories."
    )
