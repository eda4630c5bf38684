"""How much a page holds, and what is chosen where a run holds more.

A page is mailed, opened on a phone and printed. Measured on the project's own slices, a
thumbnail takes 3.5 kB as base64, a table row 0.6 kB and a place on the contact sheet 0.2 kB. So
long as all is below 5 MB for 1,000 slices and 12 MB for 10,000 a page has every picture. Long
names, of which the table leaves out the middle, and many reasons for review take their room, or
make a table of 10,000 rows pages of slices. What is left out is said on the page, with where it
is. Each picture is in the page once, however often it is shown. The larger ones of 40 cards take
0.33 MB.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from markupsafe import escape

from artemis.batches.thumbnails import VIEWS
from artemis.report.run.card_pictures import CardPicture, card_pictures
from artemis.report.run.data import RunData
from artemis.report.run.items import SliceItem, once
from artemis.report.run.stored_pictures import take
from artemis.report.run.study_data import StudyEntry
from artemis.report.words import breakable, shortened

REVIEW_CARDS: Final = VIEWS + VIEWS // 2
"""Slices shown in full in the review section; the rest of the queue is in the table.

The first `VIEWS` with the larger pictures of their chunks, the others with their thumbnails.
"""

DISAGREEMENT_ROWS: Final = 200
"""Rows of the list of disagreements between two models."""

ERROR_ROWS: Final = 100
"""Rows of the list of wrong answers, where the truth is known."""

REFUSAL_ROWS: Final = 500
"""Rows of the list of refused and failed inputs."""

TABLE_ROWS: Final = 10_000
"""Rows of the table of slices."""

TABLE_BYTES: Final = 7_500_000
"""Bytes of the table of slices, about; a run whose rows take more has pages of slices."""

ROW_NAME: Final = 120
"""Characters of a file's path in the table of slices; of a longer one the middle is left out."""

ROW_SENTENCE: Final = 160
"""Characters there of the sentence why a slice was refused or failed."""

ANY_TEXT: Final = 400
"""Characters of either elsewhere on the page."""

FIRST_ROWS: Final = 250
"""Rows of a table that a browser with scripts reads at once; more are read when it is idle."""

CHUNK_ROWS: Final = 500
"""Rows that are then read at a time."""

SUMMARY_ROWS: Final = 2_000
"""Rows of the table where a run has more than fit: the rest are on pages of slices beside it."""

PAGE_ROWS: Final = 1_000
"""Slices of one page of slices beside the report."""

THUMBNAILS: Final = 1_000
"""Slices whose thumbnail is embedded."""

THUMBNAIL_CHARACTERS: Final = 3_800_000
"""Characters of base64 for all pictures of a page together, the cards' included, at most."""

PAGE_BYTES: Final = 5_000_000
"""Bytes of a page with a table of 1,000 rows or fewer, at most."""

_MORE_BYTES: Final = 777
"""Bytes more for each row beyond 1,000, so that 10,000 rows are below 12 MB."""

_PICTURE_CELL: Final = 80
"""Bytes of a row's picture and its place on the contact sheet, without the picture."""

_OTHER_BYTES: Final = 125_000
"""Bytes of a page beside what is reckoned by its slices: style, scripts, plots, provenance."""

_SHOWN_PICTURE: Final = 265
"""Bytes of a picture on the contact sheet and in the store, without the picture itself."""

_TRUTH_BYTES: Final = 45_000
_STUDY_BYTES: Final = 5_000
"""Bytes of the section on the truth, and of one study."""

STUDIES: Final = 30
"""Series and studies shown; the rest are in the table `studies`."""

CARD_CHARACTERS: Final = 600_000
"""Characters of base64 for all pictures of the cards together: 40 large ones take 0.4 million."""


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


def table_fits(data: RunData) -> bool:
    """Return whether one page can hold the table of all slices of a run."""
    if len(data.items) > TABLE_ROWS:
        return False
    models = len(data.models)
    return sum(_row_bytes(item, models) for item in data.items) <= TABLE_BYTES


def _row_bytes(item: SliceItem, models: int) -> int:
    """Return about how long a row's HTML is: its tags, its answers, its name, its sentence."""
    tags = 412 + 60 * models if item.answers else 342 + 35 * models
    tags += 13 * sum(answer.trained_on for answer in item.answers.values())
    wrong = len(item.wrong_models)
    words = _bytes(shortened(item.reason or "", ROW_SENTENCE)) + 60 * (wrong > 0) + 7 * wrong
    if item.needs_review:
        words += 60 + _bytes(" ".join(item.codes)) + _bytes("; ".join(item.review_words()))
    return tags + words + _name_bytes(item, ROW_NAME)


def _card_bytes(item: SliceItem, models: int) -> int:
    words = _bytes("; ".join(item.review_words())) + _name_bytes(item, ANY_TEXT)
    return 1_000 + 880 * models + words


def _listed_bytes(item: SliceItem, models: int) -> int:
    """Return about how long a row of the lists of disagreements, errors or refusals is."""
    sentence = _bytes(shortened(item.reason or "", ANY_TEXT))
    return 300 + 80 * models + sentence + _name_bytes(item, ANY_TEXT)


def _name_bytes(item: SliceItem, most: int) -> int:
    return len(breakable(shortened(item.path, most)).encode())


def _bytes(text: str) -> int:
    return len(escape(text).encode())


def table_items(data: RunData) -> list[SliceItem]:
    """Return the slices of the report's own table in the run's order.

    All of them where they fit, and else the `SUMMARY_ROWS` most urgent.
    """
    if table_fits(data):
        return list(data.items)
    return sorted(by_urgency(data)[:SUMMARY_ROWS], key=lambda item: item.number)


def embedded_thumbnails(
    data: RunData,
    limit: int | None = None,
    characters: int | None = None,
    rows: Sequence[SliceItem] | None = None,
) -> dict[str, str]:
    """Return ``data:`` addresses of the thumbnails to embed, by `SliceItem.picture`.

    Parameters
    ----------
    data : RunData
        The run.
    limit : int, optional
        Largest number of thumbnails; `THUMBNAILS` by default.
    characters : int, optional
        Largest sum of their base64 lengths; by default what the table and the cards' pictures
        leave of the page.
    rows : sequence of SliceItem, optional
        Only pictures of these slices, in their order; by default those of the report.

    Returns
    -------
    dict of str to str
        To ``data:image/jpeg;base64,...``; one entry for all copies of a slice that look alike.
    """
    chosen: dict[str, str] = {}
    cards = review_pictures(data).values() if rows is None else ()
    larger = sum(card.characters for card in cards)
    left = _room(data, rows) - larger if characters is None else characters
    most = THUMBNAILS if limit is None else limit
    claims = _claims(data) if rows is None else (item.picture for item in rows)
    pictured = (name for name in dict.fromkeys(claims) if name in data.thumbnails)
    names = list(islice(pictured, most))
    jpegs = take(data.thumbnails, names)
    for name in names:
        encoded = b64encode(jpegs[name]).decode("ascii")
        if len(encoded) > left:
            break
        chosen[name] = f"data:image/jpeg;base64,{encoded}"
        left -= len(encoded)
    return chosen


def _room(data: RunData, rows: Sequence[SliceItem] | None) -> int:
    """Return how many characters of pictures a page has room for beside a table of these rows."""
    listed = table_items(data) if rows is None else rows
    table = sum(_row_bytes(item, len(data.models)) + _PICTURE_CELL for item in listed)
    page = PAGE_BYTES + _MORE_BYTES * max(0, len(listed) - PAGE_ROWS)
    return min(THUMBNAIL_CHARACTERS, page - other_bytes(data, rows) - table)


def other_bytes(data: RunData, rows: Sequence[SliceItem] | None = None) -> int:
    """Return about how long a page is beside its table of these rows and its pictures."""
    if rows is not None:
        return _OTHER_BYTES + _SHOWN_PICTURE * len(rows)
    models = len(data.models)
    lists = (
        (item for item in data.items if item.disagreement),
        (item for item in data.known if item.wrong),
        iter(data.rejected),
    )
    most = (DISAGREEMENT_ROWS, ERROR_ROWS, REFUSAL_ROWS)
    listed = (item for of, many in zip(lists, most, strict=True) for item in islice(of, many))
    return (
        _OTHER_BYTES
        + _SHOWN_PICTURE * min(THUMBNAILS, len(data.thumbnails))
        + sum(_card_bytes(item, models) for item in review_cards(data))
        + sum(_listed_bytes(item, models) for item in listed)
        + _TRUTH_BYTES * bool(data.known)
        + _STUDY_BYTES * len(shown_studies(data))
    )


def shown_studies(data: RunData) -> list[StudyEntry]:
    """Return the studies on the page, those that need a human first."""
    return sorted(data.studies, key=lambda entry: not entry.needs_review)[:STUDIES]


def _claims(data: RunData) -> Iterator[str]:
    """Yield the pictures wanted: of slices shown in full, of the studies' strips, of the rest."""
    yield from (item.picture for item in review_cards(data))
    for entry in shown_studies(data):
        yield from next(iter(entry.answers.values())).supporting
    yield from (item.picture for item in by_urgency(data))


def review_cards(data: RunData) -> list[SliceItem]:
    """Return the slices shown in full, the most doubtful first, each picture once."""
    return once(data.review)[:REVIEW_CARDS]


def review_pictures(data: RunData) -> dict[str, CardPicture]:
    """Return the pictures of the cards of the review section, the most doubtful first."""
    return card_pictures(data, review_cards(data), CARD_CHARACTERS)
