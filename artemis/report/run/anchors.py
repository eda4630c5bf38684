"""Identifiers of slices on the pages of a run, the same in every report on the same files."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

_DIGITS: Final = 16
_NOT_HEXADECIMAL: Final = re.compile(r"[^0-9a-f]")


class Anchors:
    """Gives the slices of a run their identifiers, asked for each in the run's order."""

    def __init__(self) -> None:
        self._copies: Counter[str] = Counter()

    def next(self, slice_id: str | None) -> str:
        """Return the identifier of the next slice, of its hash and a count of its copies."""
        stem = _NOT_HEXADECIMAL.sub("", slice_id or "")[:_DIGITS] or "unread"
        self._copies[stem] += 1
        return f"slice-{stem}-{self._copies[stem]}"
