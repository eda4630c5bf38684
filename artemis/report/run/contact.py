"""The contact sheet: every picture on the page, by the first model's category."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from artemis.labels import CATEGORIES
from artemis.report.run.data import RunData
from artemis.report.run.items import SliceItem
from artemis.report.run.limits import embedded_thumbnails
from artemis.report.words import CATEGORY_WORDS, listed, sentence


@dataclass(frozen=True, slots=True)
class Group:
    """The slices of one category.

    Attributes
    ----------
    title : str
        The category in words.
    count : int
        Slices of it in the run.
    items : list of SliceItem
        Those pictured, each picture once, the most doubtful first.
    """

    title: str
    count: int
    items: list[SliceItem]


def contact_view(data: RunData) -> dict[str, Any]:
    """Return the groups of the contact sheet, and the categories that no slice was given."""
    pictured = embedded_thumbnails(data)
    groups, empty = [], []
    for category in CATEGORIES:
        items = [item for item in data.ok if _first(item) == category.index]
        words = CATEGORY_WORDS[category.name]
        if not items:
            empty.append(words)
            continue
        once: dict[str, SliceItem] = {}
        for item in sorted(items, key=lambda item: (-item.doubt, item.number)):
            if item.picture in pictured:
                once.setdefault(item.picture, item)
        groups.append(Group(sentence(words), len(items), list(once.values())))
    return {"groups": groups, "empty": listed(empty, "or")}


def _first(item: SliceItem) -> int | None:
    return next((answer.category.index for answer in item.answers.values()), None)
