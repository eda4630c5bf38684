"""The training set: labelled pictures with patient groups and folds, as model inputs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artemis.errors import TrainingDataError
from artemis.files import atomic_path
from artemis.ingest.identity import IdentityKey
from artemis.ingest.plan import PlanEntry, plan_batch
from artemis.ingest.read import read_chunk
from artemis.labels import canonical_plane, canonical_tumor, category_of
from artemis.preprocess import PREPROCESSING_ID, model_input, square_box
from artemis.settings import IngestSettings

MANIFEST: Final = "manifest.csv"
_REQUIRED: Final = ("path", "tumor", "plane", "group", "fold")
_READ_CHUNK: Final = 256
_NO_IDENTITY: Final = IdentityKey(bytes(32))  # training keeps no identities


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Labelled pictures.

    Attributes
    ----------
    table : pandas.DataFrame
        A row a picture: ``path``, ``slice_id``, ``category`` (index), ``group``, ``fold``,
        ``source``.
    pictures : dict of int to ndarray, (n, side, side), uint8
        Model inputs by edge, in the order of `table`.
    corrected : int
        Labels replaced by the tumour that the picture's own source gives.
    """

    table: pd.DataFrame
    pictures: dict[int, NDArray[np.uint8]]
    corrected: int

    @property
    def sha256(self) -> str:
        """SHA-256 over pictures and labels, independent of their order."""
        lines = sorted(
            f"{row.slice_id} {row.category} {row.group} {row.fold}"
            for row in self.table.itertuples()
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def load_training_set(
    root: Path,
    sides: Sequence[int],
    cache: Path,
    settings: IngestSettings,
    on_read: Callable[[int, int], None] | None = None,
) -> TrainingSet:
    """Read a folder of pictures labelled by its ``manifest.csv``.

    The manifest's columns are ``path`` (relative to `root`), ``tumor``, ``plane``, ``group``
    (patient, with copies joined), ``fold``, and optionally ``source`` and ``source_tumor``;
    where the latter is given it replaces ``tumor``. Pictures are read by the same ingest
    as any batch, and their model inputs are cached by content.

    Parameters
    ----------
    root : Path
        Folder of the pictures.
    sides : sequence of int
        Edges of the model inputs.
    cache : Path
        Folder for the decoded pictures.
    settings : IngestSettings
        Limits of reading.
    on_read : callable, optional
        Called with the number of pictures read and their total.

    Raises
    ------
    TrainingDataError
        If the manifest is missing or wrong, a picture is refused, or a group is in
        more than one fold.
    """
    labels = _read_manifest(root)
    corrected = _correct_labels(labels)
    check_leak(labels)
    slice_ids, pictures = _pictures(root, labels["path"].tolist(), sides, cache, settings, on_read)
    labels["slice_id"] = slice_ids
    labels["category"] = [
        category_of(tumor, plane).index
        for tumor, plane in zip(labels["tumor"], labels["plane"], strict=True)
    ]
    columns = ["path", "slice_id", "category", "group", "fold", "source"]
    return TrainingSet(labels[columns], pictures, corrected)


def check_leak(labels: pd.DataFrame) -> None:
    """Raise if a group of patients or copies is in more than one fold.

    Raises
    ------
    TrainingDataError
        Naming the group, its folds and its files.
    """
    folds = labels.groupby("group")["fold"].nunique()
    leaking = folds.index[folds > 1]
    if len(leaking):
        of = labels[labels["group"] == leaking[0]]
        raise TrainingDataError(
            f"{MANIFEST}: expected every group in one fold. Received {len(leaking)} groups in "
            f"several, first {leaking[0]!r} in folds {sorted(set(of['fold']))}: "
            f"{', '.join(of['path'].head(5))}. Scores on such folds would be too good."
        )


def _read_manifest(root: Path) -> pd.DataFrame:
    path = root / MANIFEST
    if not path.is_file():
        raise TrainingDataError(
            f"{path}: expected the labels of the training set. Received no file. "
            f"Give a folder with a {MANIFEST} of {', '.join(_REQUIRED)}."
        )
    labels = pd.read_csv(path, dtype={"group": str, "path": str})
    missing = [column for column in _REQUIRED if column not in labels]
    if missing or labels.empty:
        raise TrainingDataError(
            f"{path}: expected rows with the columns {', '.join(_REQUIRED)}. "
            f"Received {len(labels)} rows without {', '.join(missing) or 'any picture'}."
        )
    _check_rows(path, labels)
    if "source" not in labels:
        labels["source"] = "unknown"
    for column, canonical in (("tumor", canonical_tumor), ("plane", canonical_plane)):
        values = labels[column].astype(str).map(canonical)
        if values.isna().any():
            row = labels[values.isna()].iloc[0]
            raise TrainingDataError(
                f"{path}: expected a known {column}. Received {row[column]!r} for {row['path']}."
            )
        labels[column] = values
    return labels


def _check_rows(path: Path, labels: pd.DataFrame) -> None:
    """Refuse rows that a split could not place, or that would be counted twice."""
    for column in ("path", "group", "fold"):
        if labels[column].isna().any():
            row = labels[labels[column].isna()].iloc[0]
            raise TrainingDataError(
                f"{path}: expected a {column} in every row. Received none for {row['path']}. "
                "A picture without copies and of an unknown patient is a group of its own."
            )
    if not pd.api.types.is_integer_dtype(labels["fold"]):
        raise TrainingDataError(
            f"{path}: expected whole numbers as folds. Received {labels['fold'].iloc[0]!r}."
        )
    if labels["path"].duplicated().any():
        row = labels[labels["path"].duplicated()].iloc[0]
        raise TrainingDataError(
            f"{path}: expected every picture once. Received {row['path']} again."
        )


def _correct_labels(labels: pd.DataFrame) -> int:
    if "source_tumor" not in labels:
        return 0
    by_source = labels["source_tumor"].map(canonical_tumor, na_action="ignore")
    wrong = by_source.notna() & (by_source != labels["tumor"])
    labels.loc[wrong, "tumor"] = by_source[wrong]
    return int(wrong.sum())


def _pictures(
    root: Path,
    paths: list[str],
    sides: Sequence[int],
    cache: Path,
    settings: IngestSettings,
    on_read: Callable[[int, int], None] | None,
) -> tuple[list[str], dict[int, NDArray[np.uint8]]]:
    entries = _plan(root, paths, settings)
    key = hashlib.sha256(f"{PREPROCESSING_ID} {sorted(sides)}".encode())
    for path in paths:
        key.update(hashlib.sha256((root / path).read_bytes()).digest())
    cached = cache / f"{key.hexdigest()[:32]}.npz"
    if not cached.is_file():
        arrays = _decode(root, entries, sides, settings, on_read)
        with atomic_path(cached) as temporary, temporary.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **arrays)
    with np.load(cached, allow_pickle=False) as arrays:
        return arrays["slice_id"].tolist(), {side: arrays[f"side_{side}"] for side in sides}


def _plan(root: Path, paths: list[str], settings: IngestSettings) -> list[PlanEntry]:
    planned = {
        entry.display_path: entry
        for chunk in plan_batch(root, settings, _READ_CHUNK)
        for entry in chunk
    }
    missing = [path for path in paths if path not in planned]
    if missing:
        raise TrainingDataError(
            f"{root / MANIFEST}: expected every picture that it names below {root}. "
            f"Received {len(missing)} that are not there, first {missing[0]}."
        )
    return [planned[path] for path in paths]


def _decode(
    root: Path,
    entries: list[PlanEntry],
    sides: Sequence[int],
    settings: IngestSettings,
    on_read: Callable[[int, int], None] | None,
) -> dict[str, NDArray[np.generic]]:
    slice_ids: list[str] = []
    inputs: dict[int, list[NDArray[np.uint8]]] = {side: [] for side in sides}
    for found in read_chunk(root, entries, settings, _NO_IDENTITY):
        if found.pixels is None:
            raise TrainingDataError(
                f"{root / found.row['path']}: expected a picture to train on. "
                f"Received: {found.row['reason']} Remove it from {MANIFEST}."
            )
        box = square_box(found.pixels)
        slice_ids.append(found.row["slice_id"])
        for side in sides:
            inputs[side].append(model_input(found.pixels, side, box))
        if on_read:
            on_read(len(slice_ids), len(entries))
    stacked = {f"side_{side}": np.stack(inputs[side]) for side in sides}
    return {"slice_id": np.array(slice_ids), **stacked}
