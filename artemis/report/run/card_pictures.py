"""The pictures of a card: what the models see of a slice, large, with the evidence over it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from artemis.batches.thumbnails import VIEWS
from artemis.report.run.data import RunData
from artemis.report.run.items import SliceItem
from artemis.report.run.stored_pictures import take


@dataclass(frozen=True, slots=True)
class CardPicture:
    """Addresses of the pictures that a card shows of one slice.

    Attributes
    ----------
    number : int
        Tells the pictures of one page's cards apart.
    view : str or None
        What the models see; a slice that was not among the most doubtful of its chunk, or of
        the page, has none and shows its thumbnail.
    evidence : str or None
        The evidence alone, to be laid over the view.
    overlay : str or None
        The thumbnail with its evidence, where there is no view.
    """

    number: int
    view: str | None
    evidence: str | None
    overlay: str | None

    @property
    def characters(self) -> int:
        """How long the addresses are together."""
        return sum(len(one) for one in (self.view, self.evidence, self.overlay) if one)


def card_pictures(
    data: RunData, cards: Sequence[SliceItem], characters: int
) -> dict[str, CardPicture]:
    """Return the pictures of the cards by `SliceItem.picture`, in their order, as many as fit.

    Larger ones for the first `VIEWS` at most.

    Parameters
    ----------
    data : RunData
        The run.
    cards : sequence of SliceItem
        Slices shown in full.
    characters : int
        Largest sum of the lengths of all addresses.
    """
    names = list(dict.fromkeys(item.picture for item in cards))
    views, evidence = take(data.views, names[:VIEWS]), take(data.view_evidence, names[:VIEWS])
    overlays = take(data.overlays, (name for name in names if name not in views))
    chosen: dict[str, CardPicture] = {}
    left = characters
    for number, name in enumerate(names, start=1):
        one = CardPicture(
            number,
            view=_address("jpeg", views.get(name)),
            evidence=_address("png", evidence.get(name)) if name in views else None,
            overlay=_address("jpeg", overlays.get(name)),
        )
        if one.characters > left:
            break
        chosen[name] = one
        left -= one.characters
    return chosen


def _address(kind: str, file: bytes | None) -> str | None:
    return None if file is None else f"data:image/{kind};base64,{b64encode(file).decode('ascii')}"
