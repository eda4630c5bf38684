"""What a card is made of: sections of blocks, which Markdown and page write each in their way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from artemis.models.figures import Table
from artemis.models.manifest import Mistake


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Plain text; a `note` says how to read what follows."""

    text: str
    note: bool = False
    kind: ClassVar[str] = "paragraph"


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list, each item plain text."""

    items: tuple[str, ...]
    kind: ClassVar[str] = "bullets"


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values, of which none is a figure."""

    caption: str
    rows: tuple[tuple[str, str], ...]
    kind: ClassVar[str] = "facts"


@dataclass(frozen=True, slots=True)
class Figures:
    """A table.

    Attributes
    ----------
    table : Table
        The cells.
    text : bool
        Whether the columns hold words rather than numbers.
    folded : bool
        Whether a page shows it only when asked; detail that few need.
    """

    table: Table
    text: bool = False
    folded: bool = False
    kind: ClassVar[str] = "figures"


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts by truth (rows) and answer (columns), square, in the order of `names`."""

    caption: str
    names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    kind: ClassVar[str] = "confusion"


@dataclass(frozen=True, slots=True)
class Reliability:
    """Bins of confidence with how often each was right, as `Evaluation.reliability` has them."""

    caption: str
    name: str
    bins: Sequence[Mapping[str, float]]
    kind: ClassVar[str] = "reliability"


@dataclass(frozen=True, slots=True)
class Failures:
    """The most confident mistakes.

    Attributes
    ----------
    mistakes : tuple of Mistake
        The surest first.
    said : tuple of str
        The confidence of each, no finer than the model's calibration deserves.
    """

    mistakes: tuple[Mistake, ...]
    said: tuple[str, ...]
    kind: ClassVar[str] = "failures"


Block = Paragraph | Bullets | Facts | Figures | Confusion | Reliability | Failures


@dataclass(frozen=True, slots=True)
class Section:
    """A section: a key that is its anchor, a title, and blocks."""

    key: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Card:
    """A whole card.

    Attributes
    ----------
    name, version : str
        Of the model.
    created : datetime
        When the model was made, not the card: the same records give the same card.
    summary : str
        The model in a sentence.
    readouts : tuple of (str, str)
        The few figures that stand first.
    sections : tuple of Section
        In their order.
    """

    name: str
    version: str
    created: datetime
    summary: str
    readouts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
