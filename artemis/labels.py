"""The one table of the twelve categories (four tumours x three planes).

Everything that needs a category, its order, its column name or an alias of it
derives it from here; the order is part of every trained model and is checked
against the manifest when a model is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

TUMORS: Final = ("glioma", "meningioma", "pituitary", "none")
PLANES: Final = ("coronal", "sagittal", "transverse")
NO_TUMOR: Final = "none"
OBLIQUE: Final = "oblique"
"""Plane of a header whose slice normal lies between the anatomical axes; never a category."""

_TUMOR_ALIASES: Final = {
    "glioma_tumor": "glioma",
    "meningioma_tumor": "meningioma",
    "pituitary_tumor": "pituitary",
    "no": "none",
    "no_tumor": "none",
    "notumor": "none",
}
_PLANE_ALIASES: Final = {"axial": "transverse", "transversal": "transverse"}


@dataclass(frozen=True, slots=True)
class Category:
    """One of the twelve categories.

    Attributes
    ----------
    index : int
        Position in every probability vector, 0 to 11.
    tumor : str
        One of `TUMORS`.
    plane : str
        One of `PLANES`.
    """

    index: int
    tumor: str
    plane: str

    @property
    def name(self) -> str:
        """Name of the category, ``<tumor>_<plane>``."""
        return f"{self.tumor}_{self.plane}"


CATEGORIES: Final = tuple(
    Category(index, tumor, plane)
    for index, (tumor, plane) in enumerate((t, p) for t in TUMORS for p in PLANES)
)
CATEGORY_NAMES: Final = tuple(category.name for category in CATEGORIES)
PROBABILITY_COLUMNS: Final = tuple(f"p_{name}" for name in CATEGORY_NAMES)
_BY_NAME: Final = {category.name: category for category in CATEGORIES}


def canonical_tumor(name: str) -> str | None:
    """Return the tumour that `name` or one of its aliases means, or None."""
    key = name.strip().lower()
    key = _TUMOR_ALIASES.get(key, key)
    return key if key in TUMORS else None


def canonical_plane(name: str) -> str | None:
    """Return the plane that `name` or one of its aliases means, or None."""
    key = name.strip().lower()
    key = _PLANE_ALIASES.get(key, key)
    return key if key in PLANES else None


def category_of(tumor: str, plane: str) -> Category:
    """Return the category of a tumour and a plane.

    Raises
    ------
    KeyError
        If either is not one of `TUMORS` and `PLANES`.
    """
    return _BY_NAME[f"{tumor}_{plane}"]


def parse_category(name: str) -> Category | None:
    """Return the category that a folder name such as ``no_coronal`` means, or None.

    The plane is the last part after an underscore; the rest is the tumour,
    in any of the spellings that the public data sets use.
    """
    tumor_part, _, plane_part = name.strip().rpartition("_")
    tumor, plane = canonical_tumor(tumor_part), canonical_plane(plane_part)
    return category_of(tumor, plane) if tumor and plane else None
