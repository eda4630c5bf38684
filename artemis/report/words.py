"""The words and number formats of the pages: every code that a reader sees is put here.

Pure functions of their arguments, independent of locale and clock, so that a page can be
rebuilt byte for byte.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from artemis.labels import CATEGORIES

DASH: Final = "\u2013"
"""What stands where there is no value."""

TUMOR_WORDS: Final[Mapping[str, str]] = {
    "glioma": "glioma",
    "meningioma": "meningioma",
    "pituitary": "pituitary",
    "none": "no tumour",
}

CATEGORY_WORDS: Final[Mapping[str, str]] = {
    category.name: f"{TUMOR_WORDS[category.tumor]}, {category.plane}" for category in CATEGORIES
}

STATUS_WORDS: Final[Mapping[str, str]] = {
    "ok": "classified",
    "refused": "refused",
    "failed": "failed",
}

REVIEW_REASON_WORDS: Final[Mapping[str, str]] = {
    "models_disagree": "the models disagree",
    "set_larger_than_one": "more than one category is plausible",
    "low_confidence": "low confidence",
    "out_of_distribution": "unlike the training images",
    "plane_mismatch": "plane differs from the header\u2019s",
    "poor_quality": "poor picture quality",
}

STUDY_REASON_WORDS: Final[Mapping[str, str]] = {
    "models_disagree": "the models name different tumours",
    "low_confidence": "low confidence",
    "out_of_distribution": "most supporting slices are unlike the training images",
    "series_disagree": "its series name different tumours",
}
UNLIKE: Final = REVIEW_REASON_WORDS["out_of_distribution"]
"""What stands in the place of a confidence that means nothing."""

_WHOLE: Final = 0.02  # calibration errors up to which whole per cent, and fives, are printed
_FIVES: Final = 0.05

QUALITY_WORDS: Final[Mapping[str, str]] = {
    "mean_intensity": "Mean intensity, 0 to 255",
    "contrast": "Contrast, 0 to 255",
    "foreground_fraction": "Foreground share, 0 to 1",
    "entropy": "Entropy, bits",
    "sharpness": "Sharpness, Laplacian variance",
}

_JOINERS: Final = "\u200c\u200d"  # part of ordinary words and emoji; they reorder nothing
_HIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


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
    rounded = step * math.floor(100 * share / step + 0.5) if step > 1 else round(100 * share)
    if rounded >= 100 and share < 1:
        return f">{100 - step}%"
    if rounded <= 0 and share > 0:
        return f"<{step}%"
    return f"{rounded}%"


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


def confidence_words(confidence: float, ece: float | None, *, far: bool = False) -> str:
    """Return a confidence as people may read it: no finer than it deserves.

    Parameters
    ----------
    confidence : float
        Calibrated probability, in [0, 1].
    ece : float or None
        See `confidence_step`.
    far : bool
        Whether the slice is out of distribution. Its confidence means nothing, and is not said.
    """
    return UNLIKE if far else percent(confidence, confidence_step(ece))


def share_of(part: int, whole: int) -> str:
    """Return ``part / whole`` as whole per cent, or a dash where `whole` is zero."""
    return percent(part / whole) if whole else DASH


def number(count: int) -> str:
    """Return a count with thousands separated by commas."""
    return f"{count:,}"


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return a count with its noun in the singular or plural, ``1 slice``, ``2 slices``."""
    return f"{number(count)} {noun if count == 1 else plural or noun + 's'}"


def joined(parts: list[str]) -> str:
    """Return parts as an English list, ``a, b and c``."""
    return " and ".join(part for part in (", ".join(parts[:-1]), *parts[-1:]) if part)


def sentence(text: str) -> str:
    """Return text with its first letter in upper case and the rest as it is."""
    return text[:1].upper() + text[1:]


def duration(seconds: float) -> str:
    """Return wall-clock seconds as ``0.42 s``, ``12.3 s``, ``2 min 5 s`` or ``1 h 2 min``."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def moment(time: datetime) -> str:
    """Return a time as ``2026-03-01 12:00:05 UTC``; a time without a zone is taken as UTC."""
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return f"{aware.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
