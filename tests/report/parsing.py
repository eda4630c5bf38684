"""A strict reading of a page: HTML into an element tree, so that tests ask for content."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

VOID = frozenset({"meta", "link", "img", "input", "br", "hr", "col", "wbr"})


class _Tree(HTMLParser):
    """Builds the tree and fails on a tag that is not closed in order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("document")
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        child = SubElement(self.open[-1], tag, {name: value or "" for name, value in attrs})
        if tag not in VOID:
            self.open.append(child)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        SubElement(self.open[-1], tag, {name: value or "" for name, value in attrs})

    def handle_endtag(self, tag: str) -> None:
        last = self.open.pop()
        assert last.tag == tag, f"<{last.tag} {last.attrib}> is closed by </{tag}>"

    def handle_data(self, data: str) -> None:
        parent = self.open[-1]
        if len(parent):
            parent[-1].tail = (parent[-1].tail or "") + data
        else:
            parent.text = (parent.text or "") + data


class Page:
    """A parsed page."""

    def __init__(self, path: Path) -> None:
        self.source = path.read_text(encoding="utf-8")
        tree = _Tree()
        tree.feed(self.source)
        tree.close()
        assert tree.open == [tree.root], f"left open: {[one.tag for one in tree.open[1:]]}"
        self.root = tree.root

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """Return elements by tag and attributes (``class_`` for one of its classes)."""
        style = attributes.pop("class_", None)
        return [
            element
            for element in self.root.iter(tag)
            if (style is None or style in element.get("class", "").split())
            and all(element.get(name) == value for name, value in attributes.items())
        ]

    def by_id(self, identifier: str) -> Element:
        """Return the one element of an id."""
        found = [element for element in self.root.iter() if element.get("id") == identifier]
        assert len(found) == 1, f"{len(found)} elements have the id {identifier!r}"
        return found[0]

    def rows(self, table_id: str) -> list[list[str]]:
        """Return the text of the body cells of a table, those kept beside it included."""
        tables = [self.by_id(table_id)]
        for beside in self.all("noscript", **{"data-rows": table_id}):
            tables += beside.findall(".//table")
        return [[text(cell) for cell in row] for table in tables for row in table.find("tbody")]


def shots(element: Element) -> list[Element]:
    """Return the pictures of slices in an element; each shows one of the page's store."""
    return [svg for svg in element.iter("svg") if svg.get("class") == "shot"]


def text(element: Element) -> str:
    """Return all text of an element, white space collapsed."""
    return " ".join("".join(element.itertext()).split())
