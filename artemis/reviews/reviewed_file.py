"""The CSV of reviewed labels: its one definition, and the check of every cell.

UTF-8 (a byte-order mark may be there), commas, a header line, then a line a label:

================  =====================================================================
``run_id``        run whose report was reviewed
``slice_id``      64 hexadecimal digits
``verdict``       ``agree`` | ``correct`` | ``unsure`` | ``bad_image``
``tumor, plane``  the label: as the model said for ``agree``, as it should have said for
                  ``correct``; blank for the other two
``reviewer``      initials, up to 16 letters, digits, ``.``, ``-`` or ``_``; stored in capitals
``confidence``    1 (guess) to 5 (certain), or blank
``reviewed_at``   ISO 8601 with time zone, such as ``2026-03-01T14:05:00Z``
``note``          optional column: up to 500 characters, no names of patients
``adjudication``  optional column: ``yes`` where reviewers disagreed and this label settles it
================  =====================================================================

No cell begins like a formula, see `artemis.system.formulas`: the apostrophe that an exporter puts
before a note which does is taken away again.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from artemis.errors import LabelsError
from artemis.labels import PLANES, TUMORS, canonical_plane, canonical_tumor
from artemis.said import commas_instead
from artemis.system.formulas import is_formula, undone

COLUMNS: Final = (
    "run_id",
    "slice_id",
    "verdict",
    "tumor",
    "plane",
    "reviewer",
    "confidence",
    "reviewed_at",
    "note",
    "adjudication",
)
"""Columns of the file, in the order in which they are exported."""

OPTIONAL_COLUMNS: Final = frozenset({"note", "adjudication"})
VERDICTS: Final = ("agree", "correct", "unsure", "bad_image")
DECIDING: Final = ("agree", "correct")
"""Verdicts that name a category."""

CLOCK_TOLERANCE: Final = timedelta(minutes=10)
"""How far a reviewer's clock may be ahead of this machine's."""

MAX_BYTES: Final = 64 << 20
MAX_NOTE: Final = 500
_MAX_CELL: Final = 1000
_EARLIEST_YEAR: Final = 2000
_NAMED: Final = 20
_RUN_ID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,63}")
_SLICE_ID: Final = re.compile(r"[0-9a-f]{64}")
_REVIEWER: Final = re.compile(r"[^\W_][\w.\-]{0,15}")
_CONFIDENCE: Final = re.compile(r"[1-5]")


@dataclass(frozen=True, slots=True)
class Row:
    """One label.

    Attributes
    ----------
    line : int
        Where it begins in the file, from 1.
    values : dict
        By column, each of its own type; blank ones are None, ``adjudication`` is bool.
    """

    line: int
    values: dict[str, Any]


class _CellError(Exception):
    """What is wrong with a cell, in words."""


def read_rows(file: Path, now: datetime | None = None) -> list[Row]:
    """Read and check a file of reviewed labels.

    Parameters
    ----------
    file : Path
        The CSV.
    now : datetime, optional
        What labels may not lie after, by more than `CLOCK_TOLERANCE`; the clock's by default.

    Raises
    ------
    LabelsError
        If the file cannot be read or any line of it is wrong; the message names the lines.
    """
    latest = (now or datetime.now(UTC)) + CLOCK_TOLERANCE
    lines = _lines(file, _text(file))
    header = next(lines, (1, []))[1]
    _check_header(file, header)
    rows: list[Row] = []
    problems: list[tuple[int, str]] = []
    for line, cells in lines:
        try:
            rows.append(Row(line, _label(header, cells, latest)))
        except _CellError as error:
            problems.append((line, str(error)))
    if problems:
        raise wrong_lines(file, problems)
    if not rows:
        raise LabelsError(
            f"{file}: expected a line for each label below the header. Received none. "
            "Export the review again."
        )
    return rows


def wrong_lines(file: Path, problems: list[tuple[int, str]]) -> LabelsError:
    """Return the error for lines that are wrong: each with its number, the first 20 of many."""
    problems = sorted(problems)
    named = [f"line {line}: {what}" for line, what in problems[:_NAMED]]
    if len(problems) > _NAMED:
        named.append(f"and {len(problems) - _NAMED} more")
    return LabelsError(
        f"{file}: expected correct labels in every line. Received {len(problems)} wrong: "
        f"{'; '.join(named)}. Nothing was imported. Correct the lines, or export again."
    )


def _text(file: Path) -> str:
    try:
        if not file.is_file():
            raise LabelsError(
                f"{file}: expected a CSV file of reviewed labels. "
                f"Received {'something else' if file.exists() else 'nothing of that name'}. "
                "Export one from a report."
            )
        if file.stat().st_size > MAX_BYTES:
            raise LabelsError(
                f"{file}: expected at most {MAX_BYTES >> 20} MiB of labels. Received "
                f"{file.stat().st_size >> 20} MiB. Divide the file."
            )
        content = file.read_bytes()
    except OSError as error:
        raise LabelsError(
            f"{file}: expected a file that can be read. Received: {error.strerror}."
        ) from error
    try:
        text = content.decode("utf-8-sig")
        bad = text.find("\0")
        line = text.count("\n", 0, max(bad, 0)) + 1
    except UnicodeDecodeError as error:
        bad, line, text = error.start, content.count(b"\n", 0, error.start) + 1, ""
    if bad >= 0:
        raise LabelsError(
            f"{file}: expected text in UTF-8. Received other bytes in line {line}. "
            'Export again, or save it as "CSV UTF-8". Nothing was imported.'
        )
    return text


def _lines(file: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record's first line number and cells; blank lines are passed over."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    begin = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise wrong_lines(
                file, [(begin, f"expected cells of CSV. Received: {error}")]
            ) from error
        if any(cell.strip() for cell in cells):
            yield begin, [cell.strip(" ") for cell in cells]
        begin = reader.line_num + 1


def _check_header(file: Path, header: list[str]) -> None:
    missing = [name for name in COLUMNS if name not in header and name not in OPTIONAL_COLUMNS]
    unknown = [name for name in header if name not in COLUMNS]
    if not missing and not unknown and len(set(header)) == len(header):
        return
    joined = ",".join(header)
    if commas := commas_instead(joined):
        remedy = commas
    elif "path" in header and "slice_id" not in header:
        remedy = (
            "It is no review of a report but names slices by path. `artemis-cli report RUN "
            "--labels FILE` measures a run against such labels."
        )
    else:
        remedy = "Export the review again."
    raise LabelsError(
        f"{file}: expected a first line with the columns {', '.join(COLUMNS)}, each once "
        f"({' and '.join(sorted(OPTIONAL_COLUMNS))} may be left out). Received {_shown(joined)}. "
        f"{remedy} Nothing was imported."
    )


def _label(header: list[str], cells: list[str], latest: datetime) -> dict[str, Any]:
    if len(cells) != len(header):
        raise _CellError(f"expected {len(header)} cells. Received {len(cells)}")
    written = dict.fromkeys(COLUMNS, "") | dict(zip(header, cells, strict=True))
    row = {name: _text_of(name, cell) for name, cell in written.items()}
    verdict = _one_of("verdict", row["verdict"], VERDICTS)
    adjudication = row["adjudication"] and _one_of("adjudication", row["adjudication"], ("yes",))
    if adjudication and verdict == "unsure":
        raise _CellError("expected an adjudication that decides. Received 'unsure'")
    tumor, plane = _category(verdict, row["tumor"], row["plane"])
    confidence = row["confidence"] and _matching("confidence", row["confidence"], _CONFIDENCE)
    return {
        "run_id": _matching("run_id", row["run_id"], _RUN_ID),
        "slice_id": _matching("slice_id", row["slice_id"], _SLICE_ID),
        "verdict": verdict,
        "tumor": tumor,
        "plane": plane,
        "reviewer": _matching("reviewer", row["reviewer"], _REVIEWER).upper(),
        "confidence": int(confidence) if confidence else None,
        "reviewed_at": _time(row["reviewed_at"], latest),
        "note": row["note"] or None,
        "adjudication": bool(adjudication),
    }


def _text_of(name: str, cell: str) -> str:
    if any(unicodedata.category(char) == "Cc" and char not in "\r\n" for char in cell) or (
        name != "note" and ("\n" in cell or "\r" in cell)
    ):
        raise _CellError(f"expected no control characters in {name}. Received {_shown(cell)}")
    if is_formula(cell):
        raise _CellError(f"expected {name} as text, not a formula. Received {_shown(cell)}")
    text, longest = undone(cell), MAX_NOTE if name == "note" else _MAX_CELL
    if len(text) > longest:
        raise _CellError(f"expected at most {longest} characters of {name}. Received {len(text)}")
    return text


def _category(verdict: str, tumor: str, plane: str) -> tuple[str | None, str | None]:
    if verdict not in DECIDING:
        if tumor or plane:
            raise _CellError(
                f"expected no tumor and plane beside {verdict!r}. Received {_shown(tumor + plane)}"
            )
        return None, None
    known = canonical_tumor(tumor), canonical_plane(plane)
    if known[0] is None:
        raise _CellError(f"expected tumor as {_either(TUMORS)}. Received {_shown(tumor)}")
    if known[1] is None:
        raise _CellError(f"expected plane as {_either(PLANES)}. Received {_shown(plane)}")
    return known


def _time(cell: str, latest: datetime) -> datetime:
    try:
        time = datetime.fromisoformat(cell)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None or time.year < _EARLIEST_YEAR:
        raise _CellError(
            "expected reviewed_at as ISO 8601 with a time zone, such as 2026-03-01T14:05:00Z. "
            f"Received {_shown(cell)}"
        )
    if time > latest:
        raise _CellError(f"expected reviewed_at in the past. Received {_shown(cell)}")
    return time.astimezone(UTC)


def _one_of(name: str, cell: str, known: tuple[str, ...]) -> str:
    if cell not in known:
        raise _CellError(f"expected {name} as {_either(known)}. Received {_shown(cell)}")
    return cell


def _matching(name: str, cell: str, pattern: re.Pattern[str]) -> str:
    if not pattern.fullmatch(cell):
        expected = {
            "reviewer": "initials, up to 16 letters and digits",
            "confidence": "a number from 1 to 5, or blank",
            "slice_id": "64 hexadecimal digits",
        }.get(name, "a run's id")
        raise _CellError(f"expected {name} as {expected}. Received {_shown(cell)}")
    return cell


def _either(known: tuple[str, ...]) -> str:
    return " or ".join([", ".join(known[:-1]), known[-1]]) if len(known) > 1 else known[0]


def _shown(cell: str) -> str:
    """Return a cell for a message: escaped, and no longer than a line."""
    return ascii(cell if len(cell) <= 60 else cell[:60] + "...")
