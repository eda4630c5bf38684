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
"""Of every model that Artemis trains, a sentence or two each."""


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
