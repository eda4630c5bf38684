"""Text of a CSV that a spreadsheet would take for a formula: the one rule, and its undoing.

Such text gets an apostrophe before it (OWASP, "CSV Injection"). So does text with apostrophes
before what would be one, so that taking one away gives back exactly what was written.
``report/assets/page.js`` holds the same rule for the pages.
"""

from __future__ import annotations

import re
from typing import Final

STARTS: Final = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
"""Spreadsheets take text that begins so for a formula.

The last four are the full-width forms of the first, which some spreadsheets read alike.
"""

_FORMULA: Final = re.compile(f"[{re.escape(STARTS)}]")
_DEFUSED: Final = re.compile(f"'+[{re.escape(STARTS)}]")


def is_formula(text: str) -> bool:
    """Return whether a spreadsheet would take text for a formula."""
    return _FORMULA.match(text) is not None


def defused(text: str) -> str:
    """Return text as a cell that no spreadsheet runs."""
    return f"'{text}" if is_formula(text) or _DEFUSED.match(text) else text


def undone(cell: str) -> str:
    """Return the text that `defused` made a cell of."""
    return cell[1:] if _DEFUSED.match(cell) else cell
