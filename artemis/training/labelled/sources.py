"""Where labels come from: a manifest, or folders named by category."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pandas as pd

from artemis.datasets.frames import frames_of
from artemis.errors import TrainingDataError
from artemis.settings import IngestSettings
from artemis.training.labelled.headers import with_header_patients
from artemis.training.labelled.manifest_file import read_manifest
from artemis.training.labelled.pictures import Source
from artemis.training.labelled.planes import predict_planes
from artemis.training.labelled.tree import read_tree

MANIFEST: Final = "manifest.csv"
_OF_WINDOWS: Final = re.compile(r"\\|^[A-Za-z]:")


def labels_root(path: Path) -> Path:
    """Return the folder that the labels' paths are relative to: `path`, or a manifest's folder."""
    return path if path.is_dir() else path.parent


def read_labels(
    path: Path,
    settings: IngestSettings | None = None,
    *,
    cache: Path | None = None,
    on_read: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Read the labels of a training set.

    Parameters
    ----------
    path : Path
        A folder with a ``manifest.csv``; or a manifest itself, CSV or Parquet (see
        `artemis.training.labelled.manifest_file.read_manifest`); or a folder of folders named by
        category (see `artemis.training.labelled.tree.read_tree`).
    settings : IngestSettings, optional
        Limits of reading.
    cache : Path, optional
        Folder for pictures and answers where the plane has to be predicted; without it they
        are decoded and predicted again next time.
    on_read : callable, optional
        Called with the number of pictures whose plane is predicted so far, and their total.

    Returns
    -------
    pandas.DataFrame
        A row a picture: ``path`` (relative to `labels_root`, forward slashes), ``frame`` (Int64,
        from 0; missing where the file is to hold one picture), ``tumor``, ``plane``,
        ``plane_predicted`` (bool: by a model, to be corrected by a person),
        ``patient`` (as given, else as a DICOM header has it) and ``study`` (of a DICOM header
        that names no patient), never to be shown or stored, ``source``, ``source_tumor``,
        ``official_split`` (``training`` or ``testing``), ``group``, ``fold`` (Int64), and
        ``box_x0`` ... ``box_y1`` (float64, fractions of width and height). What is not known
        is missing, and so is the plane of a picture that it was to be predicted from and that
        cannot be read.

    Raises
    ------
    TrainingDataError
        If the labels or one of the files is missing or wrong; the message names it.
    """
    settings = settings or IngestSettings()
    if path.is_dir():
        manifest = path / MANIFEST
        path = manifest if manifest.is_file() else path
    if path.is_dir():
        labels = read_tree(path, settings)
    elif path.is_file():
        labels = read_manifest(path)
    else:
        raise TrainingDataError(
            f"{path}: expected the labels of a training set. Received nothing of that name. Give "
            f"a folder with a {MANIFEST}, a CSV or Parquet manifest, or folders by category."
        )
    root = labels_root(path)
    _check_present(path, root, labels)
    unknown = labels["plane"].isna()
    if unknown.any():
        asked = labels[unknown]
        pictures = zip(asked["path"], frames_of(asked), strict=True)
        sources = [Source(root, *picture) for picture in pictures]
        with tempfile.TemporaryDirectory(prefix="artemis-planes-") as scratch:
            planes = predict_planes(sources, cache or Path(scratch), settings, on_read)
        labels.loc[unknown, "plane"] = planes
        labels.loc[unknown, "plane_predicted"] = True
    return with_header_patients(root, labels, settings)


def _check_present(path: Path, root: Path, labels: pd.DataFrame) -> None:
    missing = [name for name in labels["path"].unique() if not (root / name).is_file()]
    if missing:
        of_windows = any(_OF_WINDOWS.search(name) for name in missing)
        raise TrainingDataError(
            f"{path}: expected every picture that it names below {root}. Received {len(missing)} "
            f"that are not there, first {', '.join(missing[:5])}. "
            + (
                f"Write paths relative to {root}, with forward slashes."
                if of_windows
                else "Bring them back, or remove their rows."
            )
        )
