"""What is wrong with a labelled data set before anyone trains on it.

`audit_dataset` reads every picture once and writes the tables of
`artemis.datasets.findings` and ``audit.json``; the page is made of these alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artemis import __version__
from artemis.datasets.audit_record import RECORD_NAME, AuditRecord, AuditResult, PredictionsFrom
from artemis.datasets.balance import balance_findings, count_table
from artemis.datasets.copies import find_copies, join_copies
from artemis.datasets.disagreement import adjusted, by_plane, given_predictions, out_of_fold
from artemis.datasets.evidence import Evidence, read_evidence
from artemis.datasets.findings import (
    PICTURES_SCHEMA,
    Finding,
    Severity,
    rank_findings,
    shown_findings,
    write_table,
)
from artemis.datasets.frames import frames_of, held_by_file, picture_names
from artemis.datasets.pair_checks import (
    Labelled,
    copy_findings,
    crossing_findings,
    group_findings,
    linked,
    patient_findings,
)
from artemis.datasets.picture_checks import (
    label_findings,
    plane_findings,
    refusal_findings,
    unfamiliar_findings,
)
from artemis.errors import NothingUsableError, TrainingDataError
from artemis.labels import PLANES, TUMORS
from artemis.models.runtime import ClassificationModel
from artemis.progress import report_progress
from artemis.run_ids import new_run_id
from artemis.settings import IngestSettings
from artemis.system.files import write_text_atomic

_REQUIRED: Final = ("path", "tumor", "plane")
_Predicted = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""Probabilities of tumour types and of planes, and the former adjusted."""


def audit_dataset(
    root: Path,
    labels: pd.DataFrame,
    output: Path,
    model: ClassificationModel,
    *,
    settings: IngestSettings | None = None,
    predictions: pd.DataFrame | None = None,
) -> AuditResult:
    """Audit a labelled data set.

    Parameters
    ----------
    root : Path
        Folder that the paths are relative to.
    labels : pandas.DataFrame
        ``path``, ``tumor``, ``plane``; optionally ``frame``, ``plane_predicted``, ``patient``,
        ``study``, ``source``, ``official_split``, ``group`` and ``fold``, as
        `artemis.training.labelled.sources.read_labels` returns them. Other columns are not looked
        at, ``source_tumor`` among them: the labels are taken as given.
    output : Path
        Folder of audits; this one's becomes ``output/<id>``.
    model : ClassificationModel
        Gives features, planes and the out-of-distribution score.
    settings : IngestSettings, optional
        Limits of reading.
    predictions : pandas.DataFrame, optional
        Out-of-fold predictions, ``slice_id`` and ``p_<category>``; by default a classifier
        is fitted on the model's features, see `artemis.datasets.disagreement.out_of_fold`.

    Returns
    -------
    AuditResult
        Progress is reported as `artemis.progress` has it.

    Raises
    ------
    TrainingDataError
        If a column is missing, a path is given twice or leads out of `root`, or
        `predictions` are of another data set.
    NothingUsableError
        If no picture could be read.
    MissingExtraError
        If imagehash or scikit-learn is not installed.
    """
    labels = _checked(root, labels)
    places = [*zip(labels["path"], frames_of(labels), strict=True)]
    labels["path"] = picture_names(labels)
    evidence = read_evidence(root, places, model, settings or IngestSettings())
    if not len(evidence.readable):
        raise NothingUsableError(
            f"{root}: expected a picture that can be read. Received {len(labels)} refused or "
            f"failed ones, first: {evidence.rows[0]['reason']}"
        )
    report_progress("comparing pictures", 0)
    data = _labelled(labels, evidence)
    tumors, planes, origin = _predictions(data, evidence, predictions)
    types = np.array([TUMORS.index(tumor) for tumor in data.table["tumor"]], dtype=np.int64)
    free = adjusted(tumors, types)
    threshold = model.manifest.out_of_distribution.threshold
    predicted = (tumors, planes, free)
    findings = rank_findings(_all_findings(labels, data, evidence, predicted, threshold))
    pictures = _picture_table(labels, data, evidence, predicted)
    manifest = model.manifest
    record = AuditRecord(
        audit_id=new_run_id(),
        created=datetime.now(UTC),
        artemis=__version__,
        dataset=root.resolve().name,
        pictures=len(labels),
        readable=len(data.table),
        groups=len(np.unique(data.groups)),
        predictions_from=origin,
        predicted=int((~np.isnan(tumors).any(axis=1)).sum()),
        model=f"{manifest.name} {manifest.version}",
        findings=dict(Counter(findings["kind"])),
        severities={str(level): int((findings["severity"] == level).sum()) for level in Severity},
    )
    folder = output / record.audit_id
    _write(folder, record, labels, findings, pictures, evidence)
    return AuditResult(folder, record, findings)


def _checked(root: Path, labels: pd.DataFrame) -> pd.DataFrame:
    missing = [name for name in _REQUIRED if name not in labels]
    if missing or labels.empty:
        raise TrainingDataError(
            f"{root}: expected labels with the columns {', '.join(_REQUIRED)}. Received "
            f"{len(labels)} rows without {', '.join(missing) or 'any picture'}."
        )
    names = pd.Series(picture_names(labels))
    twice = names[names.duplicated()]
    if len(twice):
        raise TrainingDataError(
            f"{root}: expected every picture once. Received {twice.iat[0]} again. Remove a row."
        )
    planes = labels["plane"].isin(PLANES)
    if "plane_predicted" in labels:  # of what cannot be read no plane was predicted
        planes |= labels["plane"].isna() & labels["plane_predicted"]
    odd = ~(labels["tumor"].isin(TUMORS) & planes)
    if odd.any():
        row = labels[odd].iloc[0]
        raise TrainingDataError(
            f"{root}: expected tumours {', '.join(TUMORS)} and planes {', '.join(PLANES)}. "
            f"Received {row['tumor']!r} and {row['plane']!r} for {row['path']}."
        )
    return labels.reset_index(drop=True)


def _labelled(labels: pd.DataFrame, evidence: Evidence) -> Labelled:
    table = labels.iloc[evidence.readable].reset_index(drop=True)
    rows = [evidence.rows[position] for position in evidence.readable]
    copies = find_copies(evidence.prints, [row["slice_id"] for row in rows])
    files = pd.Series([row["file_sha256"] for row in rows]).where(held_by_file(table))
    links = [copies[["first", "second"]], linked(files)]
    links += [linked(table[name]) for name in ("patient", "study", "group") if name in table]
    groups = join_copies(len(table), pd.concat(links, ignore_index=True))
    return Labelled(table, copies, groups, evidence.prints)


def _predictions(
    data: Labelled, evidence: Evidence, predictions: pd.DataFrame | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], PredictionsFrom]:
    if predictions is not None:
        ids = [evidence.rows[position]["slice_id"] for position in evidence.readable]
        return *given_predictions(predictions, ids), "given"
    report_progress("predicting labels", 0)
    types = np.array([TUMORS.index(tumor) for tumor in data.table["tumor"]], dtype=np.int64)
    tumors = out_of_fold(evidence.features, types, data.groups)
    planes = by_plane(evidence.probabilities)
    if tumors is None:
        return np.full((len(types), len(TUMORS)), np.nan), planes, "none"
    return tumors, planes, "features"


def _all_findings(
    labels: pd.DataFrame,
    data: Labelled,
    evidence: Evidence,
    predicted: _Predicted,
    threshold: float,
) -> Iterator[Finding]:
    tumors, planes, free = predicted
    yield from copy_findings(data)
    yield from group_findings(data)
    yield from patient_findings(data)
    yield from crossing_findings(data)
    yield from label_findings(data, tumors, free)
    yield from plane_findings(data, planes)
    yield from unfamiliar_findings(data, evidence.ood_scores, threshold)
    yield from refusal_findings(labels, evidence.rows)
    yield from balance_findings(labels)


def _picture_table(
    labels: pd.DataFrame,
    data: Labelled,
    evidence: Evidence,
    predicted: _Predicted,
) -> pd.DataFrame:
    tumors, planes, free = predicted
    table = labels[list(_REQUIRED)].copy()
    for name in ("slice_id", "status", "reason_code"):
        table[name] = [row[name] for row in evidence.rows]
    known = np.arange(len(data.table))
    types = [TUMORS.index(tumor) for tumor in data.table["tumor"]]
    sides = [PLANES.index(plane) for plane in data.table["plane"]]
    best = [None if np.isnan(row).any() else PLANES[int(row.argmax())] for row in planes]
    values = {
        "group": data.groups,
        "ood_score": evidence.ood_scores.astype(np.float64),
        "predicted_plane": np.array(best, dtype=object),
        "p_plane": planes[known, sides],
        **{f"p_{tumor}": tumors[:, index] for index, tumor in enumerate(TUMORS)},
        "label_doubt": 1 - free[known, types],
    }
    for name, column in values.items():
        table[name] = pd.Series(column, index=evidence.readable).reindex(table.index)
    # What could not be read is like nothing else: a group of its own.
    lone = table["group"].isna()
    table.loc[lone, "group"] = np.arange(lone.sum()) + int(data.groups.max()) + 1
    return table.loc[:, list(PICTURES_SCHEMA.names)]


def _write(
    folder: Path,
    record: AuditRecord,
    labels: pd.DataFrame,
    findings: pd.DataFrame,
    pictures: pd.DataFrame,
    evidence: Evidence,
) -> None:
    first = shown_findings(findings)
    shown = set(first["path"].dropna()) | set(first["other_path"].dropna())
    thumbnails = {
        evidence.rows[position]["slice_id"]: jpeg
        for position, jpeg in zip(evidence.readable, evidence.thumbnails, strict=True)
        if labels["path"].iat[position] in shown
    }
    write_table(folder, "findings", findings)
    write_table(folder, "pictures", pictures)
    write_table(folder, "counts", count_table(labels))
    small = pd.DataFrame({"slice_id": list(thumbnails), "jpeg": list(thumbnails.values())})
    write_table(folder, "thumbnails", small)
    # Last: a folder with a record is a finished audit.
    write_text_atomic(folder / RECORD_NAME, record.model_dump_json(indent=2) + "\n")
