"""A card as Markdown. Text from outside stays text: nothing in it is read as markup."""

from __future__ import annotations

import re
from typing import Final

from artemis import RESEARCH_USE
from artemis.models.card.blocks import (
    Block,
    Bullets,
    Card,
    Confusion,
    Facts,
    Failures,
    Figures,
    Paragraph,
    Reliability,
    Section,
)
from artemis.models.figures import (
    Table,
    bins_table,
    confusion_table,
    mistakes_table,
    table_of,
)
from artemis.said import visible

_MARKUP: Final = re.compile(r"[\\`*<>|\[\]&]|(?<!\w)_|_(?!\w)")


def render_card(card: Card) -> str:
    """Return a card as Markdown."""
    opening = [
        f"# {escaped(card.name)} {escaped(card.version)}",
        f"**{RESEARCH_USE}**",
        escaped(card.summary),
        markdown_table(table_of("", ("figure", "value"), card.readouts)),
    ]
    return "\n\n".join([*opening, *(_section(section) for section in card.sections)]) + "\n"


def markdown_table(table: Table, *, text: bool = False) -> str:
    """Return a table; all columns but the first are aligned to the right unless it is text."""
    lines = [_row(table.head), "|---|" + ("---|" if text else "---:|") * (len(table.head) - 1)]
    return "\n".join([*lines, *(_row(row) for row in table.rows)])


def escaped(text: str) -> str:
    """Return plain text so that Markdown shows it as it is, on one line."""
    return _MARKUP.sub(lambda found: f"\\{found.group()}", visible(text))


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(escaped(cell) for cell in cells) + " |"


def _section(section: Section) -> str:
    return "\n\n".join([f"## {section.title}", *(_block(block) for block in section.blocks)])


def _block(block: Block) -> str:
    match block:
        case Paragraph(text=text):
            return escaped(text)
        case Bullets(items=items):
            return "\n".join(f"- {escaped(item)}" for item in items)
        case Facts(caption=caption, rows=rows):
            return _titled(table_of(caption, ("", ""), rows), text=True)
        case Figures(table=table, text=text):
            return _titled(table, text=text)
        case Confusion(caption=caption, names=names, counts=counts):
            return _titled(confusion_table(names, counts, caption))
        case Reliability(caption=caption, bins=bins):
            return _titled(bins_table(caption, bins))
        case Failures():
            return _titled(mistakes_table(block.once()))


def _titled(table: Table, *, text: bool = False) -> str:
    return f"**{escaped(table.caption)}**\n\n{markdown_table(table, text=text)}"
