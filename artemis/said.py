"""How values are said to people: shares no finer than they deserve, outside text as it is.

For pages, the terminal and documents alike; the Parquet tables hold every value exactly.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from typing import Final

from artemis.labels import CATEGORIES

TUMOR_WORDS: Final[Mapping[str, str]] = {
    "glioma": "glioma",
    "meningioma": "meningioma",
    "pituitary": "pituitary",
    "none": "no tumour",
}
"""The tumour types as people read them; "labelled none" reads as not labelled."""

CATEGORY_WORDS: Final[Mapping[str, str]] = {
    category.name: f"{TUMOR_WORDS[category.tumor]}, {category.plane}" for category in CATEGORIES
}
"""The twelve categories as people read them."""

_WHOLE: Final = 0.02  # calibration errors up to which whole per cent, and fives, are printed
_FIVES: Final = 0.05

_JOINERS: Final = "\u200c\u200d"  # part of ordinary words and emoji; they reorder nothing
_HIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def sentence(text: str) -> str:
    """Return text with its first letter in upper case and the rest as it is."""
    return text[:1].upper() + text[1:]


def class_words(name: str) -> str:
    """Return a category, tumour type or plane as a cell of a table says it, ``No tumour``."""
    return sentence(CATEGORY_WORDS.get(name) or TUMOR_WORDS.get(name, name))


def visible(text: str) -> str:
    """Return outside text with each invisible control character written as ``⟨U+202E⟩``.

    Control, format (bidirectional overrides, zero-width spaces) and line-separating
    characters can make a name read as another; the two joiners stay, since emoji and
    several scripts are spelt with them.
    """
    return "".join(
        f"⟨U+{ord(character):04X}⟩"
        if unicodedata.category(character) in _HIDDEN_CATEGORIES and character not in _JOINERS
        else character
        for character in text
    )


def commas_instead(header: str) -> str:
    """Return how a table gets commas whose first line has semicolons or tabs between its names.

    Nothing for another line.
    """
    separators = ((";", "semicolons"), ("\t", "tabs"))
    found = next((word for char, word in separators if char in header), "")
    if not found:
        return ""
    return (
        f"Save it with commas instead of {found}: LibreOffice asks for the delimiter when it saves "
        "(Edit filter settings), Excel takes the list separator of the system's region."
    )


def number(count: int) -> str:
    """Return a count with thousands separated by commas."""
    return f"{count:,}"


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return a count with its noun in the singular or plural, ``1 slice``, ``2 slices``."""
    return f"{number(count)} {noun if count == 1 else plural or noun + 's'}"


def percent(share: float, step: int = 1) -> str:
    """Return a share in [0, 1] in steps of whole per cent, ``41%``.

    Only exactly 0 and 1 read ``0%`` and ``100%``; what would be rounded to them reads ``<1%``
    and ``>99%``, or with a step of five ``<5%`` and ``>95%``.

    Parameters
    ----------
    share : float
        In [0, 1].
    step : int
        Per cent between the values that are told apart; divides 100.
    """
    rounded = in_steps(share, step)
    if rounded >= 100 and share < 1:
        return f">{100 - step}%"
    if rounded <= 0 and share > 0:
        return f"<{step}%"
    return f"{rounded}%"


def in_steps(share: float, step: int) -> int:
    """Return a share in [0, 1] as the nearest multiple of `step` per cent, wherever it is said."""
    return step * math.floor(100 * share / step + 0.5) if step > 1 else round(100 * share)


def confidence_step(ece: float | None) -> int:
    """Return how finely a model's confidence may be printed, in per cent: 1, 5 or 10.

    Parameters
    ----------
    ece : float or None
        The expected calibration error that its manifest states: at most 0.02 deserves whole per
        cent, at most 0.05 fives, more deserves tens; and so does a model that was not measured.
    """
    if ece is None or not ece <= _FIVES:
        return 10
    return 1 if ece <= _WHOLE else 5
