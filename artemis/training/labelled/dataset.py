"""The training set: labelled pictures with patient groups and folds, as model inputs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artemis.datasets.copies import THUMB_SIDE, Fingerprints, find_copies
from artemis.datasets.frames import frames_of, held_by_file, picture_names
from artemis.ingest.identity import IdentityKey
from artemis.labels import category_of
from artemis.reviews.reviewed import read_reviewed
from artemis.runs import IDENTITY_KEY
from artemis.settings import IngestSettings
from artemis.training.labelled.locked import is_locked, read_locked
from artemis.training.labelled.manifest_file import BOX_COLUMNS
from artemis.training.labelled.pictures import Pictures, Source, load_pictures
from artemis.training.labelled.reviewed_slices import find_slices, usable
from artemis.training.labelled.sources import labels_root, read_labels
from artemis.training.labelled.split import (
    SPLIT_SEED,
    check_folds,
    check_leak,
    content_names,
    disjoint,
    make_folds,
    make_groups,
)

_COLUMNS: Final = [
    "path",
    "slice_id",
    "category",
    "group",
    "fold",
    "source",
    "official_split",
    "patient_known",
    "group_known",
    "plane_predicted",
    "reviewed",
    "locked",
    "disputed",
    "crossing",
    "withheld",
    *BOX_COLUMNS,
]
_KEYED: Final = {"patient": "patient_key", "study": "study_key"}
"""Columns and kinds of identifier: as those of runs are hashed, so that both meet."""


def _no_copies() -> pd.DataFrame:
    return pd.DataFrame({"first": np.empty(0, np.int64), "second": np.empty(0, np.int64)})


def _no_prints() -> Fingerprints:
    return Fingerprints(np.empty(0, np.uint64), np.empty((0, THUMB_SIDE * THUMB_SIDE), np.float32))


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Labelled pictures.

    Attributes
    ----------
    table : pandas.DataFrame
        A row a picture: ``path`` (with ``#<frame>`` where one is named), ``slice_id``,
        ``category`` (index), ``group``, ``fold``, ``source``, ``official_split`` (``training``,
        ``testing`` or missing), and the flags ``patient_known``, ``group_known`` (its patient or
        its group is given; not where copies, a study or a file alone hold it together with
        others), ``plane_predicted`` (by a model), ``reviewed`` (label by a reviewer), ``locked``
        (never to be trained on), ``disputed`` (reviewers disagree: not to be trained on until
        that is settled), ``crossing`` (its group lies in several of the given folds, by near
        copies) and ``withheld`` (no page may show it).
    pictures : dict of int to ndarray, (n, side, side), uint8
        Model inputs by edge, in the order of `table`.
    corrected : int
        Labels replaced by the tumour that the picture's own source gives.
    copies : pandas.DataFrame
        Pairs of exact and near copies: positions in `table`, see `find_copies`.
    prints : Fingerprints
        Of the pictures, in the order of `table`.
    unavailable : int
        Reviewed slices that could not be added, since their file is gone or changed.
    bad_images : int
        Pictures left out since reviewers call them unusable.
    """

    table: pd.DataFrame
    pictures: dict[int, NDArray[np.uint8]]
    corrected: int
    copies: pd.DataFrame = field(default_factory=_no_copies)
    prints: Fingerprints = field(default_factory=_no_prints)
    unavailable: int = 0
    bad_images: int = 0

    @property
    def sha256(self) -> str:
        """SHA-256 over pictures, labels and what is in dispute.

        Independent of their order, and of the workspace whose secret keys patients.
        """
        groups = content_names(self.table["group"], self.table["slice_id"])
        lines = sorted(
            f"{row.slice_id} {row.category} {group} {row.fold}"
            + (" disputed" if getattr(row, "disputed", False) else "")
            for row, group in zip(self.table.itertuples(), groups, strict=True)
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    @property
    def details_sha256(self) -> str:
        """SHA-256 over what is measured with besides: official split, source, tumour box."""
        columns = ["slice_id", "official_split", "source", *BOX_COLUMNS]
        lines = sorted(
            " ".join("" if pd.isna(value) else str(value) for value in row)
            for row in self.table.reindex(columns=columns).itertuples(index=False)
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    @property
    def caveat(self) -> str:
        """What figures by patient must say where patients or planes are not known."""
        return self._patient_caveat + self.plane_caveat

    @property
    def plane_caveat(self) -> str:
        """What all figures must say where planes are those that a model predicted."""
        if "plane_predicted" not in self.table or not self.table["plane_predicted"].any():
            return ""
        predicted = int(self.table["plane_predicted"].sum())
        return (
            f" Of {predicted:,} of the {len(self.table):,} pictures the plane is not labelled but "
            "predicted by a model: figures of planes, and of categories as far as planes go, tell "
            "there how far the answers agree with that model."
        )

    @property
    def _patient_caveat(self) -> str:
        unknown = int((~self.of_known_groups).sum())
        if not unknown:
            return ""
        some = "all" if unknown == len(self.table) else f"{unknown:,} of the"
        return (
            f" Of {some} {len(self.table):,} pictures neither patient nor group is "
            "given: only copies and slices of one study or file are held together there, other "
            "slices of one person may be both trained on and tested on, and figures are too good "
            "by that."
        )

    @property
    def of_known_patients(self) -> NDArray[np.bool_]:
        """Which pictures' patients are known, (n,) bool."""
        return self._flags("patient_known")

    @property
    def of_known_groups(self) -> NDArray[np.bool_]:
        """Which pictures' patients or groups are given, (n,) bool."""
        return self._flags("group_known")

    @property
    def withheld(self) -> NDArray[np.bool_]:
        """Which pictures no page may show, (n,) bool."""
        return self._flags("withheld", without=False)

    def _flags(self, column: str, *, without: bool = True) -> NDArray[np.bool_]:
        if column not in self.table:
            return np.full(len(self.table), without, dtype=np.bool_)
        return self.table[column].to_numpy(dtype=np.bool_)

    @property
    def boxes(self) -> NDArray[np.float32]:
        """Tumour boxes x0, y0, x1, y1, (n, 4), fractions of the model input; NaN if unknown."""
        return self.table.reindex(columns=list(BOX_COLUMNS)).to_numpy(dtype=np.float32)

    def training_mask(self, held_out: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return what may be trained on while some pictures must stay unseen.

        Everything but the held-out pictures, the pictures that share a group with one of
        them (where given folds divide a group), the locked evaluation set, and what reviewers
        disagree on.

        Parameters
        ----------
        held_out : ndarray, (n,), bool
            Pictures to test or to calibrate on.

        Returns
        -------
        ndarray, (n,), bool
            Checked: see `check_leak`.

        Raises
        ------
        TrainingDataError
            If copies cross even so.
        """
        free = np.ones(len(self.table), dtype=np.bool_)
        for flag in ("locked", "disputed"):
            if flag in self.table:
                free &= ~self.table[flag].to_numpy(dtype=np.bool_)
        train = disjoint(self.table["group"], free, held_out)
        check_leak(self.table, self.copies, train, held_out)
        return train


def load_training_set(
    root: Path,
    sides: Sequence[int],
    cache: Path,
    settings: IngestSettings,
    on_read: Callable[[int, int], None] | None = None,
    *,
    workspace: Path | None = None,
    folds: int = 5,
    seed: int = SPLIT_SEED,
) -> TrainingSet:
    """Read labelled pictures, group them by patient and copies, and divide them into folds.

    Where a label names the picture's tumour by its own source, that replaces the label. With
    a workspace, its reviewed labels replace both, add slices of earlier runs whose files are
    still there, and take out what reviewers call a bad image; its locked evaluation set is
    marked. Given folds are kept and checked; without them they are made.

    Parameters
    ----------
    root : Path
        Whatever `artemis.training.labelled.sources.read_labels` takes.
    sides : sequence of int
        Edges of the model inputs.
    cache : Path
        Folder for the decoded pictures, by content: a second reading decodes nothing, and
        of a set that grew only what is new.
    settings : IngestSettings
        Limits of reading.
    on_read : callable, optional
        Called with the number of pictures read so far and their total.
    workspace : Path, optional
        Of the reviewed labels, the runs, and the locked evaluation set.
    folds, seed : int
        Of folds that are made here.

    Raises
    ------
    TrainingDataError
        If the labels are missing or wrong, a picture is refused, or given folds leak.
    LabelsError, RunRecordError
        If the workspace's reviewed labels or tables are damaged.
    """
    labels = read_labels(root, settings, cache=cache, on_read=on_read)
    corrected = _correct_labels(labels)
    folder = labels_root(root)
    places = zip(labels["path"], frames_of(labels), strict=True)
    sources = [Source(folder, *place) for place in places]
    labels["path"] = picture_names(labels)
    pictures = load_pictures(sources, sides, cache, settings, on_read)
    labels["slice_id"], labels["reviewed"] = pictures.slice_ids, False
    labels["patient_known"], labels["disputed"] = labels["patient"].notna(), False
    unavailable = bad = 0
    if workspace is not None:
        identity = IdentityKey.load_or_create(workspace / IDENTITY_KEY)
        for column in _KEYED:
            labels[column] = _keyed(labels[column], identity)
    # What holds slices together where their patient is not known; see `reviewed_slices`.
    labels["patient"] = labels["patient"].fillna(labels["study"])
    files = pd.Series(pictures.files, index=labels.index, dtype="string")
    labels["patient"] = labels["patient"].mask(held_by_file(labels), files)
    if workspace is not None:
        reviewed = read_reviewed(workspace)
        labels, sources, unavailable, bad = _review(labels, sources, reviewed, workspace)
        if len(labels) != len(pictures.slice_ids) or bad:
            del pictures  # before they are read again: both would need twice the memory
            pictures = load_pictures(sources, sides, cache, settings)
            labels["slice_id"] = pictures.slice_ids
    labels, copies = _divide(labels, pictures, folds, seed)
    locked = read_locked(workspace) if workspace else None
    labels["locked"] = is_locked(locked, labels, pictures.prints) if locked else False
    return TrainingSet(
        labels[_COLUMNS],
        pictures.inputs,
        corrected,
        copies,
        pictures.prints,
        unavailable,
        bad,
    )


def _review(
    labels: pd.DataFrame, sources: list[Source], reviewed: pd.DataFrame, workspace: Path
) -> tuple[pd.DataFrame, list[Source], int, int]:
    """Return labels and files as reviewers have them, and what is unavailable and unusable."""
    added = find_slices(workspace, reviewed, set(labels["slice_id"]))
    by_slice = usable(reviewed).set_index("slice_id")
    hit = labels["slice_id"].isin(by_slice.index)
    for column in ("tumor", "plane"):
        labels.loc[hit, column] = labels.loc[hit, "slice_id"].map(by_slice[column])
    labels.loc[hit, "plane_predicted"] = False
    labels.loc[hit, "reviewed"] = True
    disputed = reviewed.loc[reviewed["state"] == "conflict", "slice_id"]
    labels["disputed"] = labels["slice_id"].isin(disputed)
    bad = labels["slice_id"].isin(reviewed.loc[reviewed["state"] == "bad_image", "slice_id"])
    kept = [source for source, out in zip(sources, bad, strict=True) if not out]
    parts = [labels[~bad]]
    if added.sources:
        parts.append(added.labels.assign(reviewed=True, disputed=False))
    together = pd.concat(parts, ignore_index=True)
    return together, kept + added.sources, added.unavailable, int(bad.sum())


def _divide(
    labels: pd.DataFrame, pictures: Pictures, folds: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Add categories, groups, folds and boxes to labels; return them, and the copies."""
    copies = find_copies(pictures.prints, pictures.slice_ids)
    labels["category"] = [
        category_of(tumor, plane).index
        for tumor, plane in zip(labels["tumor"], labels["plane"], strict=True)
    ]
    labels["group_known"] = labels["patient_known"] | labels["group"].notna()
    own, groups = make_groups(labels, _no_copies()), make_groups(labels, copies)
    names = content_names(groups, labels["slice_id"])
    if labels["fold"].notna().any():
        labels["fold"] = _spread(labels["fold"], own, names)
        labels["crossing"] = check_folds(labels, own, groups)
    else:
        labels["fold"] = make_folds(labels["category"].to_numpy(), names, folds, seed)
        labels["crossing"] = False
    labels["group"] = groups
    labels["withheld"] = pictures.withheld
    labels[list(BOX_COLUMNS)] = _boxes_in_square(labels, pictures.squares)
    return labels, copies


def _correct_labels(labels: pd.DataFrame) -> int:
    by_source = labels["source_tumor"]
    wrong = by_source.notna() & (by_source != labels["tumor"])
    labels.loc[wrong, "tumor"] = by_source[wrong]
    return int(wrong.sum())


def _keyed(values: pd.Series[str], identity: IdentityKey) -> pd.Series[str]:
    """Return patients or studies as runs know them, so that one person's pictures meet."""
    domain = _KEYED[str(values.name)]
    return values.map(lambda value: identity.key(value, domain), na_action="ignore").astype(
        "string"
    )


def _spread(given: pd.Series[int], own: pd.Series[str], names: pd.Series[str]) -> pd.Series[int]:
    """Give added pictures the fold of their patient, else that of a copy, else of their content.

    Near copies may join patients of several given folds; each patient's slices stay in one.
    """
    numbers, folds = np.unique(given.dropna().to_numpy(dtype=np.int64)), given
    for groups in (own, names):
        folds = folds.fillna(groups.map(given.groupby(groups).first()))
    places = [int(hashlib.sha256(name.encode()).hexdigest(), 16) % len(numbers) for name in names]
    new = numbers[places]
    return folds.fillna(pd.Series(new, index=given.index)).astype(np.int64)


def _boxes_in_square(labels: pd.DataFrame, squares: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return boxes as fractions of the model input instead of the picture, clipped to it.

    With left, top and edge of the square and width and height of the picture in pixels:
    x' = (x * width - left) / edge, y' = (y * height - top) / edge.
    """
    left, top, edge, width, height = squares.T[:, :, None].astype(np.float64)
    boxes = labels[list(BOX_COLUMNS)].to_numpy(dtype=np.float64)
    x, y = boxes[:, 0::2] * width, boxes[:, 1::2] * height
    moved = np.stack([(x - left) / edge, (y - top) / edge], axis=2).reshape(len(boxes), 4)
    clipped: NDArray[np.float64] = np.clip(moved, 0.0, 1.0)
    return clipped.astype(np.float32)
