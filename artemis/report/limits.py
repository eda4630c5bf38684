"""How much a page holds, and what is chosen where a run holds more.

A page is mailed, opened on a phone and printed. Measured on the project's own slices, a
thumbnail takes 3.5 kB as base64 and a table row 0.6 kB: a page of 1,000 slices has 4.3 MB,
one of 10,000 has 6.3 MB. What is left out is said on the page, with where it is.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Final

from artemis.report.data import RunData, SliceItem

REVIEW_CARDS: Final = 40
"""Slices shown in full in the review section; the rest of the queue is in the table."""

DISAGREEMENT_ROWS: Final = 200
"""Rows of the list of disagreements between two models."""

REFUSAL_ROWS: Final = 500
"""Rows of the list of refused and failed inputs."""

TABLE_ROWS: Final = 5_000
"""Rows of the table of slices."""

THUMBNAILS: Final = 1_000
"""Slices whose thumbnail is embedded."""

THUMBNAIL_CHARACTERS: Final = 3_900_000
"""Characters of base64 for all thumbnails of the table together."""

STUDIES: Final = 30
"""Series and studies shown; the rest are in the table `studies`."""

STRIP_CHARACTERS: Final = 250_000
"""Characters of base64 for the supporting slices of all studies together."""

OVERLAY_CHARACTERS: Final = 300_000
"""Characters of base64 for all evidence overlays of the review section together."""


def by_urgency(data: RunData) -> list[SliceItem]:
    """Return all slices: review first, then disagreements, refused and failed, and the rest.

    The most doubtful stand first among those to review, so that every card has its picture;
    within each other group the order is the run's own.
    """

    def urgency(item: SliceItem) -> tuple[int, float, int]:
        if item.needs_review:
            return 0, -item.doubt, item.number
        if item.disagreement:
            return 1, 0.0, item.number
        return (2 if item.status != "ok" else 3), 0.0, item.number

    return sorted(data.items, key=urgency)


def table_items(data: RunData, limit: int = TABLE_ROWS) -> list[SliceItem]:
    """Return at most `limit` slices for the table, the urgent ones chosen, in the run's order."""
    return sorted(by_urgency(data)[:limit], key=lambda item: item.number)


def embedded_thumbnails(
    data: RunData, limit: int = THUMBNAILS, characters: int = THUMBNAIL_CHARACTERS
) -> dict[str, str]:
    """Return ``data:`` addresses of the thumbnails to embed, by slice id.

    Parameters
    ----------
    data : RunData
        The run.
    limit : int
        Largest number of thumbnails.
    characters : int
        Largest sum of their base64 lengths.

    Returns
    -------
    dict of str to str
        Slice id to ``data:image/jpeg;base64,...``; one entry for all copies of a slice.
    """
    chosen: dict[str, str] = {}
    left = characters
    for item in by_urgency(data):
        jpeg = data.thumbnails.get(item.slice_id)
        if jpeg is None or item.slice_id in chosen:
            continue
        encoded = b64encode(jpeg).decode("ascii")
        if len(chosen) >= limit or len(encoded) > left:
            break
        chosen[item.slice_id] = f"data:image/jpeg;base64,{encoded}"
        left -= len(encoded)
    return chosen


def embedded_overlays(
    data: RunData, limit: int | None = None, characters: int = OVERLAY_CHARACTERS
) -> dict[str, str]:
    """Return ``data:`` addresses of the evidence overlays to embed, by slice id.

    Those of the cards of the review section, the most doubtful first.

    Parameters
    ----------
    data : RunData
        The run.
    limit : int, optional
        Largest number of cards; `REVIEW_CARDS` by default.
    characters : int
        Largest sum of the overlays' base64 lengths.
    """
    chosen: dict[str, str] = {}
    left = characters
    for item in data.review[: REVIEW_CARDS if limit is None else limit]:
        overlay = data.overlays.get(item.slice_id)
        if overlay is None or item.slice_id in chosen:
            continue
        encoded = b64encode(overlay).decode("ascii")
        if len(encoded) > left:
            break
        chosen[item.slice_id] = f"data:image/jpeg;base64,{encoded}"
        left -= len(encoded)
    return chosen
