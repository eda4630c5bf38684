"""What a protocol keeps of one of its folds: weights, and everything measured with them.

Whoever thinks of another measure later needs no second training: what is missing is measured
with the weights that are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from artemis.models.evidence_map import MAPS
from artemis.training.figures.localisation import MEASURES, Localisation, judge_maps
from artemis.training.figures.out_of_fold import PART_SCHEMA, write_frame
from artemis.training.labelled.dataset import TrainingSet
from artemis.training.network.feeds import Samples
from artemis.training.network.fitted import Fitted
from artemis.training.shortcuts import SHORTCUT_SCHEMA, answer_variants
from artemis.training.train import predict_unseen

EVIDENCE_SCHEMA: Final = pa.schema(
    [
        pa.field("slice_id", pa.string(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
        *(pa.field(name, pa.float64()) for name in MEASURES),
    ]
)
"""A row a slice: how its map of evidence lies to the tumour box and the head; null where not
defined."""


@dataclass(frozen=True, slots=True)
class FoldFiles:
    """Where a fold's files are, and which of them there should be.

    Attributes
    ----------
    folder : Path
        Of one protocol, recipe and training set.
    number : int
        Of the fold.
    patients : bool
        Whether whole patients are held out; then shortcuts and evidence are measured too.
    """

    folder: Path
    number: int
    patients: bool

    @property
    def predictions(self) -> Path:
        """What the network says of the slices it has not seen."""
        return self.folder / f"part-{self.number:05d}.parquet"

    @property
    def weights(self) -> Path:
        """The trained network's."""
        return self.predictions.with_suffix(".npz")

    @property
    def shortcuts(self) -> Path:
        """Its answers to changed pictures, see `artemis.training.shortcuts`."""
        return self.folder / f"variants-{self.number:05d}.parquet"

    @property
    def evidence(self) -> Path:
        """Its maps against boxes and heads, see `EVIDENCE_SCHEMA`."""
        return self.folder / f"evidence-{self.number:05d}.parquet"

    @property
    def done(self) -> bool:
        """Whether all that is measured is there."""
        more = (self.shortcuts, self.evidence) if self.patients else ()
        return all(path.is_file() for path in (self.predictions, *more))


def measure_fold(
    files: FoldFiles,
    fitted: Fitted,
    samples: Samples,
    data: TrainingSet,
    train: NDArray[np.bool_],
    test: NDArray[np.bool_],
) -> None:
    """Write what is not yet there of what a network is measured by on slices it has not seen.

    Parameters
    ----------
    files : FoldFiles
        Where.
    fitted : Fitted
        The fold's network.
    samples : Samples
        Pictures of all slices.
    data : TrainingSet
        Their labels and boxes.
    train, test : ndarray, (n,), bool
        What it was trained on, and what it has not seen.
    """
    rows = np.flatnonzero(test)
    if files.patients and not files.shortcuts.is_file():
        answers = answer_variants(fitted, samples, data.table, data.boxes, rows)
        write_frame(files.shortcuts, answers, SHORTCUT_SCHEMA)
    if files.patients and not files.evidence.is_file():
        write_frame(files.evidence, _evidence(fitted, samples, data, rows), EVIDENCE_SCHEMA)
    if not files.predictions.is_file():
        part = predict_unseen(fitted, samples, data.table, train, test, files.number)
        write_frame(files.predictions, part, PART_SCHEMA)


def localisation_of(evidence: pd.DataFrame) -> Localisation:
    """Return the measures of a table of `EVIDENCE_SCHEMA`."""
    return Localisation(**{name: evidence[name].to_numpy(dtype=np.float64) for name in MEASURES})


def _evidence(
    fitted: Fitted, samples: Samples, data: TrainingSet, rows: NDArray[np.int64]
) -> pd.DataFrame:
    """Return measures of each slice's map; all undefined of a network without maps."""
    table = data.table.iloc[rows][["slice_id", "group"]].reset_index(drop=True)
    outputs = fitted.predict(samples, rows)
    if MAPS not in outputs:
        return table.assign(**dict.fromkeys(MEASURES, np.nan))
    measured = judge_maps(
        outputs[MAPS],
        outputs["logits"],
        samples.categories[rows],
        data.boxes[rows],
        samples.pictures[rows],
    )
    return table.assign(**{name: getattr(measured, name) for name in MEASURES})
