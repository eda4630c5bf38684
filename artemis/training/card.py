"""The model card, written out of the manifest and by no hand."""

from __future__ import annotations

from artemis import RESEARCH_USE
from artemis.models.manifest import Interval, Manifest

_METRICS = {
    "accuracy": "Accuracy, twelve categories",
    "macro_f1": "Macro F1, twelve categories",
    "tumor_accuracy": "Accuracy, tumour type",
    "plane_accuracy": "Accuracy, plane",
    "ece": "Expected calibration error (lower is better)",
    "brier": "Brier score (lower is better)",
}


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
    metrics = "\n".join(
        f"| {label} | {_interval(evaluation.metrics[name])} |" for name, label in _METRICS.items()
    )
    sources = "\n".join(
        f"| {name} | {row['images']:.0f} | {row['accuracy']:.3f} | {row['tumor_accuracy']:.3f} |"
        for name, row in evaluation.per_source.items()
    )
    categories = "\n".join(
        f"| {name} | {row['images']:.0f} | {row['precision']:.3f} | {row['recall']:.3f} |"
        for name, row in evaluation.per_category.items()
    )
    return (
        "## Figures\n\n"
        f"{evaluation.protocol} {evaluation.images} images of {evaluation.groups} groups; 95 % "
        "intervals by bootstrap over the groups.\n\n"
        f"| metric | value (95 % interval) |\n|---|---|\n{metrics}\n\n"
        "| source | images | accuracy | tumour accuracy |\n|---|---:|---:|---:|\n"
        f"{sources}\n\n"
        f"| category | images | precision | recall |\n|---|---:|---:|---:|\n{categories}"
    )


def _confidence(manifest: Manifest) -> str:
    far = manifest.out_of_distribution
    return (
        "## Confidence\n\n"
        f"Logits are divided by a temperature of {manifest.temperature:.3f}, fitted on "
        f"{manifest.temperature_fitted_on}. A slice whose features lie further than "
        f"{far.threshold:.2f} from the training features ({far.method}) is sent to review; "
        f"{100 * far.held_out_false_refusals:.0f} % of held-out slices lie beyond it."
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


def _interval(figure: Interval) -> str:
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"
