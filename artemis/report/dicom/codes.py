"""The codes of exported reports: DICOM's own where it has one, else those of Artemis.

A category of Artemis is the answer of a classifier, not a clinical finding, so it has no
code of a clinical terminology.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept
from pydicom.sr.codedict import codes

from artemis.report.words import REVIEW_REASON_WORDS, TUMOR_WORDS

SCHEME: Final = "99ARTEMIS"

NAMES: Final[Mapping[str, str]] = {
    "intended_use": "Intended use",
    "category": "Category of a brain MRI slice, by a model",
    "tumor": "Tumour type, by a model",
    "plane": "Anatomical plane, by a model",
    "review": "Review by a person",
    "review_reason": "Reason for review",
    "study": "Answer for the whole study, by a model",
}
"""What a content item is about, by code."""

VALUES: Final[Mapping[str, str]] = {
    "research_only": "For research use only. Not for diagnosis. Not a medical device.",
    "review_needed": "Needed",
    "review_optional": "Not called for by the model",
    **{tumor: f"{words[0].upper()}{words[1:]}" for tumor, words in TUMOR_WORDS.items()},
    "coronal": "Coronal",
    "sagittal": "Sagittal",
    "transverse": "Transverse",
}
"""What a content item says, by code."""

_REASON_CODES: Final[Mapping[str, str]] = {  # a code has at most 16 characters
    "set_larger_than_one": "plausible_more",
    "out_of_distribution": "unlike_training",
}


def own_code(code: str) -> CodedConcept:
    """Return a code of Artemis, one of `NAMES` or `VALUES`."""
    return CodedConcept(code, SCHEME, NAMES.get(code) or VALUES[code])


def reason_code(reason: str) -> CodedConcept:
    """Return the code of a reason for review, see `artemis.answers.review.ReviewReason`."""
    meaning = REVIEW_REASON_WORDS.get(reason, reason).replace("\u2019", "'")
    return CodedConcept(_REASON_CODES.get(reason, reason)[:16], SCHEME, meaning)


def dicom_code(name: str) -> CodedConcept:
    """Return a code of DICOM's own or UCUM's or SNOMED CT's, by the name used here."""
    return CodedConcept.from_code(
        {
            "certainty": codes.DCM.CertaintyOfFinding,
            "percent": codes.UCUM.Percent,
            "brain": codes.SCT.Brain,
            "device": codes.DCM.Device,
            "processing": codes.DCM.ProcessingEquipment,
            "procedure": codes.cid100.MRIUnspecifiedBodyRegion,
        }[name]
    )


def coding_schemes() -> list[CodingSchemeIdentificationItem]:
    """Return who is responsible for the codes of Artemis."""
    return [
        CodingSchemeIdentificationItem(
            designator=SCHEME,
            name="Categories and remarks of Artemis",
            responsible_organization="Artemis",
        )
    ]
