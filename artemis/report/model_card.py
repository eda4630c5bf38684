"""A model's card as a page, out of the same structure as its Markdown."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from artemis.datasets.copies import NEAR_CORRELATION, THUMB_SIDE
from artemis.models.card.blocks import (
    Block,
    Card,
    Confusion,
    Facts,
    Failures,
    Reliability,
    Section,
)
from artemis.models.card.contents import read_card
from artemis.models.card.pictures import pictures_path, read_pictures
from artemis.models.figures import bins_table, mistakes_table
from artemis.models.manifest import CARD_PAGE_NAME
from artemis.report.page import render_page
from artemis.report.plots.reliability import CAPTION, reliability_plot
from artemis.report.run.comparison import Matrix, matrix_of
from artemis.report.run.evidence import evidence_legend
from artemis.report.words import CATEGORY_WORDS, visible
from artemis.runs import reports_root
from artemis.said import class_words
from artemis.settings import Settings
from artemis.system.files import write_text_atomic

MODELS: Final = "models"
"""Folder of the cards with pictures among the reports."""

_WIDE: Final = 6
"""Classes from which a matrix has numbers for the heads of its columns."""

Pictures = Mapping[str, Mapping[str, Any]]
"""Rows of `artemis.models.card.pictures` by slice."""


@dataclass(frozen=True, slots=True)
class FailureItem:
    """A mistake as it is shown: its number, what is said of it, and its pictures, if any.

    The data hold the slice `copies` times; `near` are the numbers of mistakes with nearly the
    same picture, which are not shown.
    """

    number: int
    truth: str
    answer: str
    said: str
    group: int
    source: str
    slice_id: str
    path: str
    now: str
    addresses: tuple[str, ...]
    copies: int
    near: tuple[int, ...] = ()


def publish_card(folder: Path, settings: Settings) -> Path | None:
    """Write a model's page into its folder; with pictures, another among the reports.

    Parameters
    ----------
    folder : Path
        Of the model. Its page has no picture, since the folder is what is passed on.
    settings : Settings
        Whose workspace may hold pictures of the model's mistakes.

    Returns
    -------
    Path or None
        The page with pictures, where there are any.
    """
    card = read_card(folder)
    write_text_atomic(folder / CARD_PAGE_NAME, card_page(card))
    pictures = read_pictures(pictures_path(settings.workspace, card.name, card.version))
    if not pictures:
        return None
    target = reports_root(settings) / MODELS / card.name / card.version / "index.html"
    write_text_atomic(target, card_page(card, pictures))
    return target


def card_page(card: Card, pictures: Pictures | None = None) -> str:
    """Return a card as one self-contained page.

    Parameters
    ----------
    card : Card
        See `artemis.models.card.contents.read_card`.
    pictures : mapping, optional
        Of its mistakes, by slice. With them the page is not to be passed on.
    """
    return render_page(
        "model_card.html.j2",
        card=card,
        sections=[_view(section, pictures or {}) for section in card.sections],
        pictured=bool(pictures),
    )


def _view(section: Section, pictures: Pictures) -> dict[str, Any]:
    return {
        "key": section.key,
        "title": section.title,
        "blocks": [_block(block, pictures) for block in section.blocks],
    }


def _block(block: Block, pictures: Pictures) -> dict[str, Any]:
    view: dict[str, Any] = {"kind": block.kind, "block": block}
    match block:
        case Confusion():
            view["matrix"], view["numbered"] = _matrix(block)
        case Reliability(caption=caption, name=name, bins=bins):
            view |= {
                "plot": reliability_plot(bins, f"{visible(name)}, {caption}"),
                "table": bins_table(caption, bins),
                "caption": CAPTION,
            }
        case Facts(rows=rows):
            view["rows"] = [(name, visible(value)) for name, value in rows]
        case Failures():
            view["table"] = mistakes_table(block.once())
            view["items"] = _near_once(_failures(block, pictures), pictures)
            view["legend"] = _legend(pictures)
        case _:
            pass
    return view


def _matrix(block: Confusion) -> tuple[Matrix, bool]:
    """Return a matrix, and whether its columns are numbers that its rows explain."""
    counts = {
        (row, column): count
        for row, of in zip(block.names, block.counts, strict=True)
        for column, count in zip(block.names, of, strict=True)
    }
    matrix = matrix_of(counts, block.names, block.names, diagonal=True)
    if len(block.names) < _WIDE:
        return matrix, False
    names = [*map(class_words, block.names)]
    numbers = [str(k) for k in range(1, len(names) + 1)]
    rows = tuple(f"{k} {name}" for k, name in zip(numbers, names, strict=True))
    return replace(matrix, rows=rows, columns=tuple(numbers)), True


def _failures(block: Failures, pictures: Pictures) -> list[FailureItem]:
    items = []
    for number, (one, said, copies) in enumerate(block.once(), 1):
        kept = pictures.get(one.slice_id, {})
        now = str(kept.get("answer_now", one.answer))
        jpegs = [kept[name] for name in ("jpeg", "overlay") if kept.get(name) is not None]
        items.append(
            FailureItem(
                number=number,
                truth=CATEGORY_WORDS.get(one.truth, one.truth),
                answer=CATEGORY_WORDS.get(one.answer, one.answer),
                said=said,
                group=one.group,
                source=visible(one.source),
                slice_id=one.slice_id,
                path=visible(str(kept.get("path", ""))),
                now="" if now == one.answer else CATEGORY_WORDS.get(now, now),
                addresses=tuple(_address(jpeg) for jpeg in jpegs),
                copies=copies,
            )
        )
    return items


def _near_once(items: list[FailureItem], pictures: Pictures) -> list[FailureItem]:
    """Return the mistakes, of near copies that were answered alike the surest alone."""
    small = [_small(pictures.get(item.slice_id, {}).get("jpeg")) for item in items]
    shown: list[FailureItem] = []
    for item in items:
        mine = small[item.number - 1]
        for place, other in enumerate(shown):
            theirs = small[other.number - 1]
            alike = (item.group, item.truth, item.answer) == (
                other.group,
                other.truth,
                other.answer,
            )
            if alike and mine is not None and theirs is not None and _near(mine, theirs):
                shown[place] = replace(other, near=(*other.near, item.number))
                break
        else:
            shown.append(item)
    return shown


def _small(jpeg: bytes | None) -> NDArray[np.float64] | None:
    """Return a picture at 32 x 32, of mean 0 and length 1, to be correlated."""
    if jpeg is None:
        return None
    side = (THUMB_SIDE, THUMB_SIDE)
    grey = Image.open(io.BytesIO(jpeg)).convert("L").resize(side, Image.Resampling.BOX)
    values = np.asarray(grey, dtype=np.float64)
    values -= values.mean()
    small: NDArray[np.float64] = values / max(float(np.linalg.norm(values)), 1e-9)
    return small


def _near(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    correlations = [float((one * turned).sum()) for turned in (other, other[:, ::-1])]
    return max(correlations) >= NEAR_CORRELATION


def _legend(pictures: Pictures) -> Markup | None:
    drawn = any(row.get("overlay") is not None for row in pictures.values())
    return evidence_legend() if drawn else None


def _address(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{b64encode(jpeg).decode('ascii')}"
