"""The page of an audit, a pure function of its ``audit.json`` and Parquet tables."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pandas as pd

from artemis.datasets.audit_record import AuditRecord, read_audit
from artemis.datasets.copies import ALIKE_CORRELATION, ALIKE_HAMMING, NEAR_CORRELATION
from artemis.datasets.findings import Kind, Severity, read_table, shown_findings
from artemis.labels import PLANES, TUMORS
from artemis.report.audit.sections import NO_SPLIT, SECTIONS, Part, finding_words
from artemis.report.page import render_page
from artemis.report.run.comparison import Matrix, matrix_of
from artemis.report.run.limits import THUMBNAIL_CHARACTERS
from artemis.report.words import (
    TUMOR_WORDS,
    WITHHELD,
    counted,
    joined,
    number,
    percent,
    visible,
)
from artemis.system.files import write_text_atomic

PAGE_NAME: Final = "index.html"


SEVERITY_STYLES: Final = {
    Severity.ERROR: ("s-failed", "Errors"),
    Severity.WARNING: ("s-review", "Warnings"),
    Severity.NOTE: ("s-refused", "Notes"),
}


def build_audit_page(folder: Path, target: Path | None = None) -> Path:
    """Write the page of an audit as one self-contained HTML file.

    Parameters
    ----------
    folder : Path
        Of the audit, as `artemis.datasets.audit.audit_dataset` wrote it. Only its record and
        tables are read; the same ones give the same bytes.
    target : Path, optional
        The page; ``index.html`` in `folder` by default. It appears whole or not at all.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    RunRecordError
        If the record or a table is missing, unreadable or of another schema.
    """
    target = target or folder / PAGE_NAME
    write_text_atomic(target, _page(folder))
    return target


def _page(folder: Path) -> str:
    record = read_audit(folder)
    findings = read_table(folder, "findings")
    pictures = read_table(folder, "pictures").set_index("path")
    counts = read_table(folder, "counts")
    shown = shown_findings(findings)
    small = read_table(folder, "thumbnails")
    thumbnails = _thumbnails(small, shown, pictures)
    withheld = set(small["slice_id"][small["jpeg"].isna()])
    hidden = set(pictures.index[pictures["slice_id"].isin(withheld)])
    sections = [
        {
            "key": section.key,
            "title": section.title,
            "caption": section.caption,
            "parts": [
                _part(part, record, shown, pictures, thumbnails, hidden)
                | {"empty": _empty(part, counts), "unsplit": _unsplit(part, counts)}
                for part in section.parts
            ],
        }
        for section in SECTIONS
    ]
    return render_page(
        "audit.html.j2",
        record=record,
        dataset=visible(record.dataset),
        verdict=verdict(record),
        readouts=_readouts(record),
        levels=[words for _, words in SEVERITY_STYLES.values()],
        overview=_overview(findings),
        predictions=_predictions(record),
        sections=sections,
        matrices=_matrices(counts),
        copy_rule=(
            f"Near copies: correlation of the heads at 32 \u00d7 32 pixels, plain or mirrored, at "
            f"least {NEAR_CORRELATION:g}; or at least {ALIKE_CORRELATION:g} with perceptual "
            f"hashes that differ in at most {ALIKE_HAMMING} of 64 bits."
        ),
        facts=_facts(record),
    )


def _overview(findings: pd.DataFrame) -> list[tuple[str, str, list[int]]]:
    """Return each kind that was found: code, title, and findings by how much they matter."""
    counts = Counter(zip(findings["kind"], findings["severity"], strict=True))
    found = [
        (kind.value, finding_words(kind), [counts[kind, level] for level in SEVERITY_STYLES])
        for kind in Kind
    ]
    return [row for row in found if any(row[2])]


def _empty(part: Part, counts: pd.DataFrame) -> str:
    """Return what is said where nothing of a kind was found, or could be."""
    split = counts[["official_split", "fold"]].notna().any(axis=None)
    return NO_SPLIT if part.kind is Kind.CROSSING_SPLIT and not split else part.empty


def _unsplit(part: Part, counts: pd.DataFrame) -> str:
    """Return what is said of pictures that a given split leaves out; nothing if there are none."""
    words = []
    for column, side in (("official_split", "side of the official split"), ("fold", "fold")):
        without, of = counts[column].isna(), counts["pictures"]
        if part.kind is Kind.CROSSING_SPLIT and without.any() and not without.all():
            words.append(
                f"{number(int(of[without].sum()))} of {counted(int(of.sum()), 'picture')} with no "
                f"{side} given: no crossing of these is looked for."
            )
    return " ".join(words)


def _part(
    part: Part,
    record: AuditRecord,
    shown: pd.DataFrame,
    pictures: pd.DataFrame,
    thumbnails: dict[str, str],
    hidden: Collection[str],
) -> dict[str, Any]:
    table = shown[shown["kind"] == part.kind].astype(object)
    rows: list[dict[str, Any]] = [
        dict(zip(table.columns, values, strict=True))
        for values in table.where(table.notna(), None).itertuples(index=False)
    ]
    found = record.findings.get(part.kind, 0)
    return {
        "part": part,
        "kind": part.kind.value,
        "found": found,
        "left_out": found - len(rows),
        "rows": [
            {
                "rank": row["rank"],
                "sentence": row["sentence"],
                "sides": _sides(row, part.style == "pairs", thumbnails, hidden),
                "bars": _bars(row, pictures) if part.kind is Kind.DOUBTFUL_LABEL else [],
            }
            for row in rows
        ],
    }


def _sides(
    row: dict[str, Any], pair: bool, thumbnails: dict[str, str], hidden: Collection[str]
) -> list[dict[str, Any]]:
    sides = []
    for prefix in ("", "other_") if pair else ("",):
        path = row[f"{prefix}path"]
        if path is None:
            continue
        tumor, plane = row[f"{prefix}tumor"], row[f"{prefix}plane"]
        directory, _, name = str(path).rpartition("/")
        sides.append(
            {
                "folder": visible(f"{directory}/") if directory else "",
                "name": visible(name),
                "label": f"{TUMOR_WORDS.get(tumor, tumor)}, {plane or 'plane not known'}",
                "image": thumbnails.get(path),
                "no_picture": WITHHELD if path in hidden else "no picture",
            }
        )
    return sides


def _bars(row: dict[str, Any], pictures: pd.DataFrame) -> list[tuple[str, float, bool]]:
    """Return each tumour type in words, its probability, and if it is the label; best first.

    Nothing for a picture without out-of-fold predictions.
    """
    picture = pictures.loc[row["path"]]
    if pd.isna(picture[f"p_{row['tumor']}"]):
        return []
    bars = [
        (TUMOR_WORDS[tumor], float(picture[f"p_{tumor}"]), tumor == row["tumor"])
        for tumor in TUMORS
    ]
    return sorted(bars, key=lambda bar: -bar[1])


def _thumbnails(table: pd.DataFrame, shown: pd.DataFrame, pictures: pd.DataFrame) -> dict[str, str]:
    """Return ``data:`` addresses by path, in the order of the page, until it is full."""
    jpegs = dict(zip(table["slice_id"], table["jpeg"], strict=True))
    chosen: dict[str, str] = {}
    left = THUMBNAIL_CHARACTERS
    for paths in shown[["path", "other_path"]].itertuples(index=False):
        for path in paths:
            jpeg = jpegs.get(pictures["slice_id"].get(path)) if isinstance(path, str) else None
            if jpeg is None:
                continue
            address = f"data:image/jpeg;base64,{b64encode(jpeg).decode('ascii')}"
            left -= len(address)  # once for each time that it stands on the page
            if left < 0:
                return chosen
            chosen[path] = address
    return chosen


def _matrices(counts: pd.DataFrame) -> list[tuple[str, Matrix]]:
    counts = counts.assign(source=counts["source"].map(visible))
    sources = sorted(counts["source"].unique())
    found = [("Pictures by tumour and plane", _matrix(counts, "plane", PLANES))]
    if len(sources) > 1:
        found.append(("Pictures by tumour and source", _matrix(counts, "source", sources)))
    return found


def _matrix(counts: pd.DataFrame, column: str, names: Sequence[str]) -> Matrix:
    cells: Counter[tuple[str, str]] = Counter()
    for row, name, pictures in zip(
        counts["tumor"], counts[column], counts["pictures"], strict=True
    ):
        cells[str(row), str(name)] += int(pictures)
    matrix = matrix_of(cells, TUMORS, names)
    # A plane is a word, a source a name: it stands as the data write it.
    return matrix if column == "plane" else replace(matrix, columns=tuple(names))


def verdict(record: AuditRecord) -> str:
    """Return what an audit came to, in a sentence."""
    counts = record.findings
    conflicts = counts.get(Kind.CONFLICTING_COPIES, 0)
    crossings = counts.get(Kind.CROSSING_SPLIT, 0)
    doubtful = counts.get(Kind.DOUBTFUL_LABEL, 0)
    torn = counts.get(Kind.CONFLICTING_GROUP, 0)
    lost = record.pictures - record.readable
    # Of rare categories only those without a picture are errors.
    errors = record.severities.get(Severity.ERROR, 0)
    empty = errors - lost - conflicts - torn - crossings
    words = [
        *([f"{counted(lost, 'picture')} that cannot be used"] if lost else []),
        *([f"{counted(conflicts, 'pair')} of copies with different labels"] if conflicts else []),
        *([f"{counted(torn, 'label')} at odds with another of the patient"] if torn else []),
        *([f"{counted(crossings, 'crossing')} of a split"] if crossings else []),
        *([f"{counted(empty, 'category', 'categories')} without a picture"] if empty > 0 else []),
        *([f"{counted(doubtful, 'label')} that predictions doubt"] if doubtful else []),
        *(["pictures of unknown patients"] if counts.get(Kind.UNKNOWN_PATIENTS) else []),
    ]
    opening = f"{counted(record.pictures, 'picture')} in {counted(record.groups, 'group')}"
    return f"{opening}: {joined(words) or 'nothing that would spoil a training was found'}."


def _readouts(record: AuditRecord) -> list[tuple[str, str, str]]:
    return [
        ("Pictures", number(record.pictures), ""),
        ("Groups", number(record.groups), ""),
        *(
            (words, number(record.severities.get(level, 0)), style)
            for level, (style, words) in SEVERITY_STYLES.items()
        ),
    ]


def _predictions(record: AuditRecord) -> str:
    if record.predictions_from == "given":
        return (
            f"Out-of-fold predictions were given for {number(record.predicted)} of "
            f"{number(record.readable)} pictures."
        )
    if record.predictions_from == "none":
        return (
            "There are no out-of-fold predictions: at least two tumour types of two groups each "
            "are needed."
        )
    return (
        f"The predictions are by logistic regression on the features of {record.model}, fitted "
        "on other groups. The model itself may have been trained on these very pictures, with "
        "their labels or with corrected ones, so its features may know the answer. For a test "
        "without that, give the predictions of artemis-cli evaluate."
    )


def _facts(record: AuditRecord) -> list[tuple[str, str]]:
    read = percent(record.readable / record.pictures) if record.pictures else ""
    return [
        ("Audit", record.audit_id),
        ("Artemis", record.artemis),
        ("Model", record.model),
        ("Pictures read", f"{number(record.readable)} of {number(record.pictures)} ({read})"),
    ]
