"""What a card is made of: sections of blocks, which Markdown and page write each in their way."""

from __future__ import annotations

from collections import Counter
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
        The surest first; of a slice that the data hold more than once, each copy.
    said : tuple of str
        The confidence of each, no finer than the model's calibration deserves.
    """

    mistakes: tuple[Mistake, ...]
    said: tuple[str, ...]
    kind: ClassVar[str] = "failures"

    def once(self) -> list[tuple[Mistake, str, int]]:
        """Return each mistake once, with its confidence as it is said and how many copies it has.

        Copies are slices of the same pixels with the same label and the same answer.
        """
        copies = Counter(map(_same, self.mistakes))
        first: dict[tuple[str, str, str], tuple[Mistake, str]] = {}
        for one, said in zip(self.mistakes, self.said, strict=True):
            first.setdefault(_same(one), (one, said))
        return [(one, said, copies[key]) for key, (one, said) in first.items()]


def _same(mistake: Mistake) -> tuple[str, str, str]:
    return mistake.slice_id, mistake.truth, mistake.answer


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
    public : bool
        Whether the model is of the public data alone.
    """

    name: str
    version: str
    created: datetime
    summary: str
    readouts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    public: bool
