"""What a model is known not to do, for its card and for the reports of its runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from artemis.said import CATEGORY_WORDS

_RARE: Final = 50  # images of a category below which its figures say little

KNOWN_LIMITS: Final = (
    "Source and tumour type are tied in the public data: no image without a tumour comes from the "
    "source of most tumours, so the model may partly know the source by its look. Figures per "
    "source and shortcut tests tell how far.",
    "Age, sex, ethnicity, scanner and field strength are not recorded, so no figure by group "
    "of people or machine can be given, and nobody knows whom it serves worse.",
    "The public data are collections put together without a plan; nothing says that they are "
    "like the patients of any hospital. No figure of another institution is recorded.",
    "The labels are those of the collections, or of reviewers; no second reading checks them.",
    "Other tumours, metastases, treated tumours and other sequences were not trained on; the "
    "model still answers with one of its twelve categories.",
    "A slice is judged by itself: what the neighbouring slices show is not seen.",
)
"""Of the models of the public data, a sentence or two each."""

_OTHER_DATA: Final = {
    0: "Where source and tumour type are tied in the training data, the model may partly know the "
    "source by its look. Figures per source and shortcut tests tell how far; artemis-cli data "
    "audit names the ties.",
    2: "Nothing in this record says that the training data are like the patients of any other "
    "place. No figure of another institution is recorded.",
    3: "The labels are those that were given with the pictures, or of reviewers; no second reading "
    "checks them.",
}


def known_limits(public: bool) -> tuple[str, ...]:
    """Return the limits of a model of the public data, or of one of any others."""
    if public:
        return KNOWN_LIMITS
    return tuple(_OTHER_DATA.get(place, limit) for place, limit in enumerate(KNOWN_LIMITS))


def rarely_seen(trained_on: Mapping[str, int]) -> str | None:
    """Return which categories a model has seen too rarely, as a sentence; None without one.

    Parameters
    ----------
    trained_on : mapping of str to int
        Training images by category.
    """
    rare = [CATEGORY_WORDS.get(name, name) for name, count in trained_on.items() if count < _RARE]
    if not rare:
        return None
    return f"Trained on fewer than {_RARE} images: {'; '.join(rare)}. Their figures say little."
