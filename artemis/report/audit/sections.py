"""The declaration of the page of an audit: its sections in order, and how to read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from artemis.datasets.findings import Kind
from artemis.report.words import visible


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a section: findings of one kind.

    Attributes
    ----------
    kind : Kind
        Which.
    title, caption : str
        Heading, and how to read it.
    style : {'pairs', 'cards', 'list'}
        How it is shown: pictures two and two, one by one, or sentences alone.
    empty : str
        What is said where there is none.
    """

    kind: Kind
    title: str
    caption: str
    style: str
    empty: str


@dataclass(frozen=True, slots=True)
class AuditSection:
    """A section of the page and its parts."""

    key: str
    title: str
    caption: str
    parts: tuple[Part, ...]


SECTIONS: Final = (
    AuditSection(
        "conflicts",
        "Conflicting labels",
        "One picture cannot be two things. Decide which label is right, and correct or remove "
        "the other before training.",
        (
            Part(
                Kind.CONFLICTING_COPIES,
                "Copies with different labels",
                "Equal pictures stand first, then those most alike.",
                "pairs",
                "No copies have different labels.",
            ),
            Part(
                Kind.CONFLICTING_GROUP,
                "Patients and sets of copies with different tumours",
                "A picture of the rarer label beside the most similar one of the commoner. The "
                "commoner label need not be the right one.",
                "pairs",
                "No patient or set of copies has two types of tumour.",
            ),
        ),
    ),
    AuditSection(
        "crossings",
        "Groups that cross a split",
        "A picture in the test set whose copy or patient was trained on is remembered, not "
        "recognised: scores on such a split are too good.",
        (
            Part(
                Kind.UNKNOWN_PATIENTS,
                "Pictures of unknown patients",
                "What is of one person cannot be kept together where nobody says so.",
                "list",
                "Of every picture the patient or a group is known.",
            ),
            Part(
                Kind.CROSSING_SPLIT,
                "Crossings",
                "One finding for each group and split, with the two pictures most alike. Where "
                "they are of one patient they need not look alike.",
                "pairs",
                "No group crosses the given split.",
            ),
            Part(
                Kind.COPIES_APART,
                "Copies that the given groups keep apart",
                "The column group says that these may be split; they look like copies, or like "
                "slices of one patient.",
                "pairs",
                "The given groups hold all copies together, or none were given.",
            ),
        ),
    ),
    AuditSection(
        "labels",
        "Labels most at odds with predictions",
        "Look at the first ones; a wrong prediction stands here as well as a wrong label. Bars "
        "show the probabilities of the tumour types, from 0 to 100%, by a classifier that saw "
        "neither the picture nor its group.",
        (
            Part(
                Kind.DOUBTFUL_LABEL,
                "Doubtful labels",
                "Ranked by how far the label falls behind, allowing for how sure the "
                "predictions are of each type on average.",
                "cards",
                "No prediction differs from its label.",
            ),
        ),
    ),
    AuditSection(
        "pictures",
        "Pictures that may not belong",
        "What could not be read, shows another plane than its label, or is unlike what the "
        "model knows.",
        (
            Part(
                Kind.REFUSED_PICTURE,
                "Refused and failed",
                "These cannot be trained on.",
                "list",
                "Every picture could be read.",
            ),
            Part(
                Kind.OFF_PLANE,
                "Another plane than the label",
                "Planes are predicted with few errors, so most of these labels are wrong. Those "
                "whose labelled plane is the least probable stand first.",
                "cards",
                "Every predicted plane is that of the label.",
            ),
            Part(
                Kind.UNFAMILIAR_PICTURE,
                "Unlike the training images of the model",
                "The furthest stand first: other modalities, other body parts, other sequences, "
                "or rare but right. Some 3% of ordinary pictures lie beyond the limit. CT that "
                "the model was trained on is not found so.",
                "cards",
                "No picture is far from the model's training images.",
            ),
        ),
    ),
    AuditSection(
        "balance",
        "Composition",
        "What is rare is learnt badly, and what is tied to a source is learnt as the source.",
        (
            Part(
                Kind.CLASS_IMBALANCE,
                "Rare categories",
                "More than ten times fewer pictures than the largest category.",
                "list",
                "No category is more than ten times rarer than the largest.",
            ),
            Part(
                Kind.SOURCE_IMBALANCE,
                "Rare sources",
                "More than ten times fewer pictures than the largest source.",
                "list",
                "No source is more than ten times rarer than the largest, or there is only one.",
            ),
            Part(
                Kind.SOURCE_TIE,
                "Ties of source and tumour type",
                "Where a source has one type only, a model can tell the type by scanner, "
                "contrast or frame.",
                "list",
                "There is only one source.",
            ),
        ),
    ),
    AuditSection(
        "copies",
        "Copies",
        "Copies are no fault in themselves. They must be on one side of a split, and they "
        "weigh as often as they occur.",
        (
            Part(
                Kind.EXACT_COPY,
                "Exact copies",
                "Equal decoded pixels.",
                "pairs",
                "There are no exact copies.",
            ),
            Part(
                Kind.NEAR_COPY,
                "Near copies",
                "Shown are the least alike of no known common patient, so that you see where "
                "the limit lies. The numbers count from the most alike, so they fall.",
                "pairs",
                "There are no near copies.",
            ),
        ),
    ),
)

NO_SPLIT: Final = "No split was given, so none can be crossed."
"""What is said of crossings where the labels name neither a split nor folds."""

_TITLES: Final[Mapping[str, str]] = {
    part.kind.value: part.title for section in SECTIONS for part in section.parts
}


def finding_words(kind: str) -> str:
    """Return what a kind of finding is called on pages; of an unknown one, its code readable."""
    return _TITLES.get(kind) or visible(kind).replace("_", " ").capitalize()
