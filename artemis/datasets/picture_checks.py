"""Checks of an audit on single pictures: their label, their plane, and if they are MRI at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artemis.datasets.findings import Finding, Kind, Severity
from artemis.datasets.pair_checks import Labelled
from artemis.labels import PLANES, TUMORS
from artemis.said import TUMOR_WORDS, confidence_step, percent


def label_findings(
    data: Labelled, probabilities: NDArray[np.float64], adjusted: NDArray[np.float64]
) -> Iterator[Finding]:
    """Yield the pictures whose predicted tumour type is not their label.

    Parameters
    ----------
    data : Labelled
        m pictures.
    probabilities : ndarray, (m, 4), float64
        Out-of-fold predictions; not a number where unknown.
    adjusted : ndarray, (m, 4), float64
        What they are ranked by, see `artemis.datasets.disagreement.adjusted`.
    """
    for position, (tumor, row) in enumerate(zip(data.table["tumor"], probabilities, strict=True)):
        label = TUMORS.index(tumor)
        if np.isnan(row).any() or int(row.argmax()) == label:
            continue
        instead = TUMORS[int(row.argmax())]
        given, said = TUMOR_WORDS[TUMORS[label]], TUMOR_WORDS[instead]
        yield _single(
            data,
            position,
            Kind.DOUBTFUL_LABEL,
            Severity.WARNING,
            float(1 - adjusted[position, label]),
            f"Labelled {given}; predictions that did not see this group say {said}.",
            other_tumor=instead,
        )


def plane_findings(data: Labelled, planes: NDArray[np.float64]) -> Iterator[Finding]:
    """Yield the pictures whose predicted plane is not their label.

    A plane that was itself predicted is no label, and is not compared.

    Parameters
    ----------
    data : Labelled
        m pictures.
    planes : ndarray, (m, 3), float64
        Probabilities of the planes; not a number where unknown.
    """
    predicted = data.values("plane_predicted")
    for position, (plane, row) in enumerate(zip(data.table["plane"], planes, strict=True)):
        if predicted[position] or np.isnan(row).any():
            continue
        label, best = PLANES.index(plane), int(row.argmax())
        if best != label:
            yield _single(
                data,
                position,
                Kind.OFF_PLANE,
                Severity.WARNING,
                float(1 - row[label]),
                f"Labelled {plane}; the predictions say {PLANES[best]} "
                f"({percent(float(row[best]), confidence_step(None))}).",  # nobody calibrated it
                other_plane=PLANES[best],
            )


def unfamiliar_findings(
    data: Labelled, scores: NDArray[np.float32], threshold: float
) -> Iterator[Finding]:
    """Yield the pictures further from the model's training features than its threshold."""
    for position in np.flatnonzero(scores > threshold):
        score = float(scores[position])
        yield _single(
            data,
            int(position),
            Kind.UNFAMILIAR_PICTURE,
            Severity.NOTE,
            score,
            f"Unlike the model\u2019s training pictures: score {score:.2f}, limit {threshold:.2f}.",
        )


def refusal_findings(labels: pd.DataFrame, rows: Sequence[dict[str, Any]]) -> Iterator[Finding]:
    """Yield the pictures that could not be read or are not MRI slices, in their given order."""
    for position, row in enumerate(rows):
        if row["status"] != "ok":
            yield Finding(
                Kind.REFUSED_PICTURE,
                Severity.ERROR,
                1.0,
                str(row["reason"]),
                path=str(labels["path"].iat[position]),
                tumor=str(labels["tumor"].iat[position]),
                plane=None
                if labels["plane"].isna().iat[position]
                else str(labels["plane"].iat[position]),
            )


def _single(
    data: Labelled,
    position: int,
    kind: Kind,
    severity: Severity,
    score: float,
    sentence: str,
    *,
    other_tumor: str | None = None,
    other_plane: str | None = None,
) -> Finding:
    return Finding(
        kind,
        severity,
        score,
        sentence,
        path=data.label("path", position),
        tumor=data.label("tumor", position),
        plane=data.label("plane", position),
        other_tumor=other_tumor,
        other_plane=other_plane,
        group=int(data.groups[position]),
    )
