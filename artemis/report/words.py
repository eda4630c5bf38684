"""The words and number formats of the pages: every code that a reader sees is put here.

Pure functions of their arguments, independent of locale and clock, so that a page can be
rebuilt byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from markupsafe import Markup

from artemis.said import CATEGORY_WORDS as CATEGORY_WORDS
from artemis.said import TUMOR_WORDS as TUMOR_WORDS
from artemis.said import confidence_step as confidence_step
from artemis.said import counted as counted
from artemis.said import number as number
from artemis.said import percent as percent
from artemis.said import sentence as sentence
from artemis.said import visible as visible

DASH: Final = "\u2013"
"""What stands where there is no value."""

CUT: Final = "\u2026"
"""What stands where text was left out."""

_JOINTS: Final = re.compile(r"(?<=[/_-])|(?=\.)")

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
    "text_burnt_in": "the file says that text is burnt into it",
}
WITHHELD: Final = f"picture withheld: {REVIEW_REASON_WORDS['text_burnt_in']}"
"""What stands in the place of a picture that may name the patient."""

STUDY_REASON_WORDS: Final[Mapping[str, str]] = {
    "models_disagree": "the models name different tumours",
    "low_confidence": "low confidence",
    "out_of_distribution": "most supporting slices are unlike the training images",
    "series_disagree": "its series name different tumours",
}
UNLIKE: Final = REVIEW_REASON_WORDS["out_of_distribution"]
"""What stands in the place of a confidence that means nothing."""

QUALITY_WORDS: Final[Mapping[str, str]] = {
    "mean_intensity": "Mean intensity, 0 to 255",
    "contrast": "Contrast, 0 to 255",
    "foreground_fraction": "Foreground share, 0 to 1",
    "entropy": "Entropy, bits",
    "sharpness": "Sharpness, Laplacian variance",
}


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


def measured(value: float) -> str:
    """Return a measure with three digits, ``0.384``, ``72.5``; from 1,000 on as whole number."""
    return number(round(value)) if abs(value) >= 1000 else f"{value:.3g}"


def seen_words(category: str | None) -> str:
    """Return what is said of a model that was trained on the very picture that it answers.

    Parameters
    ----------
    category : str or None
        What a network of its recipe that had not seen the picture answered, where one did.
    """
    without = "" if category is None else f"; without it the answer is {CATEGORY_WORDS[category]}"
    return f"trained on this picture{without}"


def shortened(text: str, most: int) -> str:
    """Return text of at most `most` characters: of a longer one, `CUT` stands for its middle.

    Two thirds of what is kept are of its end, where a path has the file and a sentence what to do.
    """
    if len(text) <= most:
        return text
    begin = (most - 1) // 3
    return f"{text[:begin]}{CUT}{text[len(text) - (most - 1 - begin) :]}"


def breakable(text: str) -> Markup:
    """Return a path as HTML that breaks a line after ``/``, ``_`` and ``-`` or before a dot."""
    return Markup("<wbr>").join(part for part in _JOINTS.split(text) if part)


def joined(parts: list[str]) -> str:
    """Return parts as an English list, ``a, b and c``."""
    return " and ".join(part for part in (", ".join(parts[:-1]), *parts[-1:]) if part)


def listed(parts: list[str], last: str = "and") -> str:
    """Return parts that hold commas themselves as a list, ``a, b; c, d; and e, f``."""
    return "; ".join([*parts[:-1], f"{last} {parts[-1]}"]) if len(parts) > 1 else "".join(parts)


_RAISED: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def tiny(value: float) -> str:
    """Return a measure with its power of ten, ``3.1 x 10⁻⁷`` or ``10⁻⁵``; from 0.01 on in full."""
    if not 0 < value < 0.01:
        return f"{value:.3g}"
    digits, _, power = f"{value:.1e}".partition("e")
    times = "" if digits == "1.0" else f"{digits.removesuffix('.0')} \u00d7 "
    return f"{times}10{str(int(power)).translate(_RAISED)}"


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
