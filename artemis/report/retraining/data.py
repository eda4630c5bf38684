"""A retraining as its page needs it: the record, and the answers that changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from artemis.errors import RunRecordError
from artemis.models.retrainings import CHANGED_NAME, CHANGED_SCHEMA, Outcome, RetrainingRecord

BROKEN: Final = "broken"
MENDED: Final = "mended"
STILL_WRONG: Final = "still wrong"


@dataclass(frozen=True, slots=True)
class ChangedAnswer:
    """A locked slice that champion and challenger of a model answer differently.

    Attributes
    ----------
    model : str
        Name of the model.
    slice_id : str
        Hash of the slice.
    truth, champion, challenger : str
        Categories: the label, and the two answers.
    champion_confidence, challenger_confidence : float
        Calibrated probability of each answer, in [0, 1].
    jpeg : bytes
        Thumbnail.
    """

    model: str
    slice_id: str
    truth: str
    champion: str
    champion_confidence: float
    challenger: str
    challenger_confidence: float
    jpeg: bytes

    @property
    def kind(self) -> str:
        """Whether the challenger's answer is `BROKEN`, `MENDED` or `STILL_WRONG`."""
        if self.challenger == self.truth:
            return MENDED
        return BROKEN if self.champion == self.truth else STILL_WRONG


@dataclass(frozen=True)
class RetrainingData:
    """A retraining's record and the answers that changed."""

    record: RetrainingRecord
    changed: Sequence[ChangedAnswer]

    @cached_property
    def models(self) -> list[str]:
        """Names of the models: those asked for, then any others that the record tells of."""
        record = self.record
        told = [
            *record.outcomes,
            *record.diverged,
            *record.trained,
            *(row.model for row in record.epochs),
        ]
        return list(dict.fromkeys([*record.models, *told]))

    @property
    def outcomes(self) -> list[tuple[str, Outcome]]:
        """Models with their outcomes, in the order of `models`."""
        found = self.record.outcomes
        return [(model, found[model]) for model in self.models if model in found]

    @property
    def folder(self) -> str:
        """Where the retraining lies, relative to the workspace."""
        return f"retrainings/{self.record.id}/"

    def changed_of(self, model: str, kind: str) -> list[ChangedAnswer]:
        """Return one model's changed answers of a kind, the surest new answers first."""
        found = [row for row in self.changed if row.model == model and row.kind == kind]
        return sorted(found, key=lambda row: (-row.challenger_confidence, row.slice_id))


def read_changed(folder: Path) -> list[ChangedAnswer]:
    """Return the answers that changed, as ``changed.parquet`` of a retraining's folder has them.

    There are none where the file is not written yet.

    Raises
    ------
    RunRecordError
        If it is there and cannot be read, or is of another schema.
    """
    path = folder / CHANGED_NAME
    if not path.exists():
        return []
    try:
        # The file itself, not a data set: a folder's name must not add a column.
        rows = pq.ParquetFile(path).read().select(CHANGED_SCHEMA.names).cast(CHANGED_SCHEMA)
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise RunRecordError(
            f"{path}: expected the answers that a retraining changed, with the columns "
            f"{', '.join(CHANGED_SCHEMA.names)}. Received: {type(error).__name__}. "
            "Delete it and start the retraining again; it goes on where it was."
        ) from error
    return [ChangedAnswer(**row) for row in rows.to_pylist()]
