"""Build the card of a model out of its manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from artemis import RESEARCH_USE
from artemis.labels import PLANES, TUMORS
from artemis.models.card.blocks import (
    Block,
    Bullets,
    Card,
    Facts,
    Failures,
    Figures,
    Paragraph,
    Section,
)
from artemis.models.card.limits import known_limits, rarely_seen
from artemis.models.card.measured import (
    calibration,
    confusions,
    evidence,
    figures,
    out_of_distribution,
    prediction_sets,
    shortcuts,
    studies,
)
from artemis.models.card.outlines import outlines
from artemis.models.card.sources import groups_of, of_public_data, sources_table
from artemis.models.figures import figure, table_of
from artemis.models.manifest import CROSS_VALIDATED, Manifest, load_manifest
from artemis.said import class_words, confidence_step, percent


def read_card(folder: Path) -> Card:
    """Build the card of a model's folder.

    Raises
    ------
    ModelError
        If the model is damaged, see `artemis.models.manifest.load_manifest`.
    """
    return build_card(load_manifest(folder))


def build_card(manifest: Manifest) -> Card:
    """Build a card; nothing but the manifest is in it, so that it can be made anew any time."""
    sections = (
        _use(manifest),
        _data(manifest),
        _protocol(manifest),
        figures(manifest),
        confusions(manifest),
        calibration(manifest),
        prediction_sets(manifest),
        out_of_distribution(manifest),
        studies(manifest),
        evidence(manifest),
        shortcuts(manifest),
        _failures(manifest),
        _limits(manifest),
        outlines(manifest),
    )
    return Card(
        name=manifest.name,
        version=manifest.version,
        created=manifest.created,
        summary=_summary(manifest),
        readouts=_readouts(manifest),
        sections=sections,
        public=of_public_data(manifest),
    )


def cross_validated(manifest: Manifest) -> bool:
    """Return whether the figures are of networks other than the one that serves."""
    return manifest.training.split == CROSS_VALIDATED


def _summary(manifest: Manifest) -> str:
    evaluation = manifest.evaluation
    return (
        f"Sorts a single slice of brain MRI into one of {len(manifest.categories)} categories, "
        f"{len(TUMORS)} tumour types by {len(PLANES)} planes. Measured on "
        f"{evaluation.images:,} slices of {groups_of(manifest, evaluation.groups)} "
        "that whoever answered had not been trained on."
    )


def _readouts(manifest: Manifest) -> tuple[tuple[str, str], ...]:
    metrics = manifest.evaluation.metrics
    shown = {
        "Accuracy": "accuracy",
        "Macro F1": "macro_f1",
        "Tumour type right": "tumor_accuracy",
        "Calibration error": "ece",
    }
    return tuple((words, figure(metrics[name])) for words, name in shown.items() if name in metrics)


def _use(manifest: Manifest) -> Section:
    return Section(
        "use",
        "Intended use",
        (
            Paragraph(
                f"{RESEARCH_USE} Nobody has tested it in the care of patients, and no authority "
                "has cleared it."
            ),
            Bullets(
                (
                    "Meant for: sorting single slices of brain MRI, mostly contrast-enhanced T1, "
                    "by tumour type (glioma, meningioma, pituitary, none) and anatomical plane, "
                    "in research, teaching and the curation of data sets.",
                    "Meant for people who can read such slices themselves and look at what is "
                    "sent to review.",
                    "Misuse: diagnosis, triage, treatment, or telling a patient anything.",
                    'Misuse: taking "none" for the absence of disease. It says only that none of '
                    "the three tumour types was answered.",
                    "Misuse: other body parts, modalities and sequences, other tumours, "
                    "metastases, treated tumours; none of them was trained on.",
                    "Misuse: a figure of this card quoted without its interval, or as that of "
                    "another hospital.",
                )
            ),
            Facts(
                "The model",
                (
                    ("Name and version", f"{manifest.name} {manifest.version}"),
                    ("Made", f"{manifest.created:%Y-%m-%d}"),
                    ("Input", f"grey slice of {manifest.input.side} x {manifest.input.side} px"),
                    (
                        "Preprocessing",
                        "8-bit grey, cut to the head, padded to a square, resized bilinearly "
                        f"({manifest.input.preprocessing})",
                    ),
                    ("Output", f"{len(manifest.categories)} probabilities; the network gives "
                     f"{', '.join(manifest.outputs)}"),
                    ("SHA-256 of the weights", manifest.sha256),
                    (
                        "Exported against trained network",
                        f"probabilities differ by at most {manifest.export_agreement:.4f}",
                    ),
                ),
            ),
        ),
    )  # fmt: skip


def _data(manifest: Manifest) -> Section:
    training = manifest.training
    blocks = (
        Paragraph(
            f"{training.images:,} images of {groups_of(manifest, training.groups)} "
            f"were trained on. {training.label_corrections} labels of the whole set were "
            "corrected by the tumour that the picture's own source gives."
        ),
        Figures(sources_table(manifest), text=True),
        Figures(
            table_of(
                "Images trained on, by category",
                ("category", "images"),
                [(class_words(name), n) for name, n in training.per_category.items()],
            )
        ),
        Facts("The training set", (("SHA-256", training.training_set_sha256),)),
    )
    return Section("data", "Data", blocks)


def _protocol(manifest: Manifest) -> Section:
    if cross_validated(manifest):
        how = (
            "Cross-validated: every figure is of a slice answered by a network of the same recipe "
            "that had seen no slice of its patient group. The network that serves was trained on "
            "all of them afterwards, and is itself measured nowhere."
        )
    else:
        how = (
            "One held-out part: the figures are of the very network that serves, on patient "
            "groups that it was never trained on. One part is one draw: another would give other "
            "figures, and the intervals tell how far they may lie apart by the patients alone."
        )
    training = manifest.training
    return Section(
        "protocol",
        "Protocol",
        (
            Paragraph(f"Split: {training.split}. {manifest.evaluation.protocol}"),
            Paragraph(how),
            Paragraph(
                "A patient group is one patient, as far as patients are known, with whatever "
                "copies of the pictures there are. Intervals are 95% percentile intervals of a "
                "bootstrap over these groups: whole groups are drawn with replacement, since "
                "slices of one patient are not independent."
            ),
            Facts("What training began with", (("First weights", training.first_weights),)),
            Figures(
                table_of("How it was trained", ("setting", "value"), _flat(training.recipe)),
                folded=True,
            ),
            Figures(
                table_of("Versions", ("library", "version"), [*training.versions.items()]),
                folded=True,
            ),
        ),
    )


def _flat(recipe: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for name, value in recipe.items():
        words = "as it was in 2022" if name == "original" else name.replace("_", " ")
        if isinstance(value, Mapping):
            rows += [(f"{words}: " + key.replace("_", " "), str(one)) for key, one in value.items()]
        elif isinstance(value, bool):
            rows.append((words, "yes" if value else "no"))
        else:
            rows.append((words, str(value)))
    return rows


def _failures(manifest: Manifest) -> Section:
    evaluation = manifest.evaluation
    blocks: tuple[Block, ...] = (Paragraph("There is none."),)
    if evaluation.mistakes:
        ece = evaluation.metrics.get("ece")
        step = confidence_step(None if ece is None else ece.value)
        blocks = (
            Paragraph(
                f"Of the {evaluation.images:,} slices that the figures above are of; at most two "
                "of a patient group, since errors come by patient.",
                note=True,
            ),
            Failures(
                tuple(evaluation.mistakes),
                tuple(percent(one.confidence, step) for one in evaluation.mistakes),
            ),
            Paragraph(
                "The card in a model's folder shows no picture: the folder is copied and passed "
                "on, and pictures of patients must not go with it. The name of a slice finds it "
                "in the labelled pictures; where those were at hand when the model was trained, "
                "a page among the reports of that workspace shows them with the evidence.",
                note=True,
            ),
        )
    return Section("failures", "Where it fails", blocks)


def _limits(manifest: Manifest) -> Section:
    rare = rarely_seen(manifest.training.per_category)
    items = (*known_limits(of_public_data(manifest)), *([rare] if rare else []))
    return Section("limits", "Known limits", (Bullets(items),))
