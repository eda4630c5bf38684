"""The most confident errors: where to look first to learn where a model fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from artemis.labels import CATEGORY_NAMES
from artemis.models.manifest import Mistake

MISTAKES: Final = 16
"""Mistakes that are recorded."""

PER_GROUP: Final = 2
"""Mistakes of one patient group: errors come by patient, and one must not fill the list."""


def worst_mistakes(
    probabilities: NDArray[np.float32],
    categories: NDArray[np.int64],
    slice_ids: Sequence[str],
    groups: Sequence[str],
    sources: Sequence[str],
) -> list[Mistake]:
    """Return the mistakes of the highest confidence, at most two of a group.

    Parameters
    ----------
    probabilities : ndarray, (n, 12), float32
        Calibrated.
    categories : ndarray, (n,), int64
        True category indices.
    slice_ids : sequence of str, length n
        Name of each slice.
    groups : sequence of str, length n
        Patient group of each slice. Its name may be a patient's, so what is returned has its
        number in the order of the list instead, from 1.
    sources : sequence of str, length n
        Source of each slice.

    Returns
    -------
    list of Mistake
        The surest first; of equal confidence by name, whatever the order of the slices.
    """
    answers, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(answers != categories).tolist()
    numbers: dict[str, int] = {}
    taken: Counter[str] = Counter()
    found: list[Mistake] = []
    for row in sorted(wrong, key=lambda row: (-confidence[row], slice_ids[row])):
        group = groups[row]
        if taken[group] == PER_GROUP:
            continue
        taken[group] += 1
        found.append(
            Mistake(
                slice_id=slice_ids[row],
                group=numbers.setdefault(group, len(numbers) + 1),
                source=sources[row],
                truth=CATEGORY_NAMES[categories[row]],
                answer=CATEGORY_NAMES[answers[row]],
                confidence=float(confidence[row]),
            )
        )
        if len(found) == MISTAKES:
            break
    return found
