"""The tables of an audit: what is wrong with a data set, each finding a row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from artemis.errors import RunRecordError
from artemis.labels import TUMORS
from artemis.system.files import atomic_path


class Kind(StrEnum):
    """What a finding is about, in the order of a report: what spoils most stands first."""

    CONFLICTING_COPIES = "conflicting_copies"
    CONFLICTING_GROUP = "conflicting_group"
    UNKNOWN_PATIENTS = "unknown_patients"
    CROSSING_SPLIT = "crossing_split"
    COPIES_APART = "copies_apart"
    DOUBTFUL_LABEL = "doubtful_label"
    OFF_PLANE = "off_plane"
    REFUSED_PICTURE = "refused_picture"
    UNFAMILIAR_PICTURE = "unfamiliar_picture"
    CLASS_IMBALANCE = "class_imbalance"
    SOURCE_IMBALANCE = "source_imbalance"
    SOURCE_TIE = "source_tie"
    EXACT_COPY = "exact_copy"
    NEAR_COPY = "near_copy"


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    """Figures or labels are wrong unless something is done."""

    WARNING = "warning"
    """Likely wrong; a person should look."""

    NOTE = "note"
    """Worth knowing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    Attributes
    ----------
    kind : Kind
        What it is about.
    severity : Severity
        How much it matters.
    score : float
        Orders the findings of a kind; higher stands first. What it measures depends on the
        kind: correlation of copies, doubt of a label, distance, or a share.
    sentence : str
        What was found, for a reader.
    path, other_path : str or None
        The pictures, relative to the data set; None for a finding about the whole.
    tumor, plane, other_tumor, other_plane : str or None
        Labels of the two pictures as given; of a single picture, `other_tumor` or
        `other_plane` is what the predictions say instead.
    group : int or None
        The audit's group of `path`; see the table `pictures`.
    """

    kind: Kind
    severity: Severity
    score: float
    sentence: str
    path: str | None = None
    other_path: str | None = None
    tumor: str | None = None
    plane: str | None = None
    other_tumor: str | None = None
    other_plane: str | None = None
    group: int | None = None


SHOWN: Final[Mapping[Kind, int]] = {
    Kind.CONFLICTING_COPIES: 40,
    Kind.CONFLICTING_GROUP: 30,
    Kind.UNKNOWN_PATIENTS: 1,
    Kind.CROSSING_SPLIT: 24,
    Kind.COPIES_APART: 12,
    Kind.DOUBTFUL_LABEL: 60,
    Kind.OFF_PLANE: 24,
    Kind.REFUSED_PICTURE: 100,
    Kind.UNFAMILIAR_PICTURE: 12,
    Kind.CLASS_IMBALANCE: 12,
    Kind.SOURCE_IMBALANCE: 20,
    Kind.SOURCE_TIE: 40,
    Kind.EXACT_COPY: 6,
    Kind.NEAR_COPY: 12,
}
"""Findings of each kind that a page shows; the rest is in the tables."""

FINDINGS_SCHEMA: Final = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False),
        pa.field("severity", pa.string(), nullable=False),
        pa.field("rank", pa.int32(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
        pa.field("path", pa.string()),
        pa.field("other_path", pa.string()),
        pa.field("tumor", pa.string()),
        pa.field("plane", pa.string()),
        pa.field("other_tumor", pa.string()),
        pa.field("other_plane", pa.string()),
        pa.field("group", pa.int64()),
        pa.field("sentence", pa.string(), nullable=False),
    ]
)
"""``rank`` counts from 1 within a kind."""

PICTURES_SCHEMA: Final = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("slice_id", pa.string()),
        pa.field("status", pa.string(), nullable=False),
        pa.field("reason_code", pa.string()),
        pa.field("tumor", pa.string(), nullable=False),
        pa.field("plane", pa.string()),
        pa.field("group", pa.int64(), nullable=False),
        pa.field("ood_score", pa.float64()),
        pa.field("predicted_plane", pa.string()),
        pa.field("p_plane", pa.float64()),
        *(pa.field(f"p_{tumor}", pa.float64()) for tumor in TUMORS),
        pa.field("label_doubt", pa.float64()),
    ]
)
"""A row a labelled picture. ``p_<tumor>`` is out of fold; ``p_plane`` that of the label.

``plane`` is missing where it was to be predicted from a picture that cannot be read.
"""

COUNTS_SCHEMA: Final = pa.schema(
    [
        pa.field("tumor", pa.string(), nullable=False),
        pa.field("plane", pa.string()),
        pa.field("source", pa.string(), nullable=False),
        pa.field("official_split", pa.string()),
        pa.field("fold", pa.int64()),
        pa.field("pictures", pa.int64(), nullable=False),
    ]
)

THUMBNAILS_SCHEMA: Final = pa.schema(
    [
        pa.field("slice_id", pa.string(), nullable=False),
        pa.field("jpeg", pa.binary()),  # null where it is withheld
    ]
)

SCHEMAS: Final = {
    "findings": FINDINGS_SCHEMA,
    "pictures": PICTURES_SCHEMA,
    "counts": COUNTS_SCHEMA,
    "thumbnails": THUMBNAILS_SCHEMA,
}
"""Tables of an audit; in `thumbnails`, a picture's ``slice_id`` as in `pictures`."""


def rank_findings(findings: Iterable[Finding]) -> pd.DataFrame:
    """Return findings as the table of that name: by kind, and by score within a kind.

    Equal scores are ordered by path, so that the same data set gives the same table.
    """
    order = {kind: place for place, kind in enumerate(Kind)}
    found = sorted(
        findings,
        key=lambda one: (order[one.kind], -one.score, one.path or "", one.other_path or ""),
    )
    table = pd.DataFrame(
        [asdict(one) for one in found], columns=[n for n in FINDINGS_SCHEMA.names if n != "rank"]
    )
    table["kind"], table["severity"] = table["kind"].map(str), table["severity"].map(str)
    table["group"] = table["group"].astype("Int64")
    table["rank"] = (table.groupby("kind", sort=False).cumcount() + 1).astype("int32")
    return table.loc[:, list(FINDINGS_SCHEMA.names)]


def shown_findings(findings: pd.DataFrame) -> pd.DataFrame:
    """Return the findings that a page shows, at most `SHOWN` of each kind, in their order.

    Of near copies these are the least alike that are of no known common patient, so that a
    reader sees where the limit lies; of every other kind the first.
    """
    parts = []
    for kind, limit in SHOWN.items():
        of = findings[findings["kind"] == kind]
        if kind is Kind.NEAR_COPY:
            of = of[of["severity"] != Severity.NOTE].iloc[::-1]
        parts.append(of.head(limit))
    return pd.concat(parts)


def write_table(folder: Path, name: str, table: pd.DataFrame) -> Path:
    """Write one table of an audit atomically and return its path."""
    target = folder / f"{name}.parquet"
    rows = pa.Table.from_pandas(table, schema=SCHEMAS[name], preserve_index=False)
    with atomic_path(target) as temporary:
        pq.write_table(rows, temporary, compression="zstd")
    return target


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """Read one table of an audit.

    Raises
    ------
    RunRecordError
        If it is missing, unreadable or of another schema.
    """
    path = folder / f"{name}.parquet"
    try:
        table = pq.ParquetFile(path).read().select(SCHEMAS[name].names).cast(SCHEMAS[name])
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise RunRecordError(
            f"{path}: expected the table {name!r} of an audit. Received: {type(error).__name__}. "
            "Audit the data set again."
        ) from error
    frame: pd.DataFrame = table.to_pandas()
    return frame
