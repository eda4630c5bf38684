"""Labels from the names of folders: twelve categories, or Kaggle's four without a plane."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from artemis.errors import TrainingDataError
from artemis.ingest.discover import walk
from artemis.ingest.probe import probe
from artemis.labels import CATEGORY_NAMES, TUMORS, canonical_tumor, parse_category
from artemis.settings import IngestSettings
from artemis.system.files import printable_path
from artemis.training.labelled.manifest_file import (
    BOX_COLUMNS,
    LABEL_COLUMNS,
    SPLIT_NAMES,
    UNKNOWN_SOURCE,
)
from artemis.training.labelled.unread_tables import is_spreadsheet, what_it_tells

_LITTER: Final = frozenset({"thumbs.db", "desktop.ini"})
_NAMED: Final = 5


@dataclass(slots=True)
class _Tree:
    """What a walk over the folders has found."""

    rows: list[dict[str, object]] = field(default_factory=list)
    odd_folders: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    loose: list[str] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)


def read_tree(root: Path, settings: IngestSettings) -> pd.DataFrame:
    """Label the pictures of a folder by the names of their folders.

    ``<category>/<picture>`` or ``<split>/<category>/<picture>``. A category is one of the
    twelve (``glioma_coronal`` ... ``none_transverse``) or a tumour alone (``glioma``), in any
    spelling of `artemis.labels`, such as ``no_coronal`` or ``no_tumor``; a split is
    ``Training`` or ``Testing``. Hidden files and those that systems leave in folders are
    passed over, as are files outside the categories that are neither pictures, nor tables of
    labels or patients, nor spreadsheets, which may be such tables.

    Parameters
    ----------
    root : Path
        The folder.
    settings : IngestSettings
        Limits of reading.

    Returns
    -------
    pandas.DataFrame
        `LABEL_COLUMNS`; ``plane`` is missing below a tumour alone.

    Raises
    ------
    TrainingDataError
        If a folder with files in it is no category, a picture, a table of labels or patients or a
        spreadsheet lies outside them, something cannot be listed or has a name that is no text, or
        there are no pictures.
    """
    tree = _Tree()
    for found in walk(root):
        shown = printable_path(os.fsdecode(found.path))
        if found.problem is not None:
            tree.problems.append(f"{shown} ({found.problem})")
            continue
        try:
            name = found.path.decode("utf-8")
        except UnicodeDecodeError:
            tree.problems.append(f"{shown} (a name that is no UTF-8)")
        else:
            _place(tree, root, name, settings)
    _refuse_what_is_wrong(tree, root)
    labels = pd.DataFrame(tree.rows, columns=list(LABEL_COLUMNS))
    labels["plane_predicted"] = False
    labels["source"] = UNKNOWN_SOURCE
    labels = labels.astype({"frame": "Int64", "fold": "Int64"})
    labels[list(BOX_COLUMNS)] = np.nan
    texts = ["path", "patient", "study", "source", "source_tumor", "official_split", "group"]
    return labels.astype(dict.fromkeys(texts, "string"))


def _place(tree: _Tree, root: Path, name: str, settings: IngestSettings) -> None:
    """Give one file its label, or its place among what is wrong."""
    *folders, file = name.split("/")
    if file.startswith((".", "~$")) or file.lower() in _LITTER:
        return
    split = SPLIT_NAMES.get(folders[0].strip().lower()) if folders else None
    rest = folders[1:] if split else folders
    if not rest:
        if told := what_it_tells(root / name):
            tree.unread[name] = told
        elif probe(root / name, settings).format is not None:
            tree.loose.append(name)
        return
    tumor, plane = _meaning(rest[0])
    if tumor is None or len(rest) > 1:
        odd = "/".join(folders[: len(folders) - len(rest) + (1 if tumor is None else 2)])
        tree.odd_folders[odd] = tree.odd_folders.get(odd, 0) + 1
        return
    tree.rows.append({"path": name, "tumor": tumor, "plane": plane, "official_split": split})


def _meaning(folder: str) -> tuple[str | None, str | None]:
    category = parse_category(folder)
    return (category.tumor, category.plane) if category else (canonical_tumor(folder), None)


def _refuse_what_is_wrong(tree: _Tree, root: Path) -> None:
    if tree.problems:
        raise TrainingDataError(
            f"{root}: expected folders and files that can be read. Received "
            f"{_first(tree.problems)}. Rename or remove them."
        )
    if tree.unread:
        tables = [f"{name} ({told})" for name, told in tree.unread.items()]
        give = "Give that file itself"
        if any(is_spreadsheet(Path(name)) for name in tree.unread):
            give = "Save it as CSV and give that"
        raise TrainingDataError(
            f"{root}: expected no table of labels or patients beside folders named by category, of "
            f"which the names alone are read. Received {_first(tables)}. {give} in place of the "
            "folder, or move it away."
        )
    known = f"{', '.join(CATEGORY_NAMES)}, or a tumour alone: {', '.join(TUMORS)}"
    if tree.odd_folders:
        folders = [f"{name} ({count} files)" for name, count in tree.odd_folders.items()]
        raise TrainingDataError(
            f"{root}: expected pictures directly in folders named by category: {known}. Received "
            f"{len(folders)} other folders: {_first(folders)}. Rename them, or move them away. "
            "Where folders are patients, list the pictures in a manifest.csv with a column "
            "`patient` instead."
        )
    if tree.loose:
        raise TrainingDataError(
            f"{root}: expected every picture in a folder named by its category. Received "
            f"{len(tree.loose)} outside of one: {_first(tree.loose)}. Move them."
        )
    if not tree.rows:
        raise TrainingDataError(
            f"{root}: expected a manifest.csv, or folders named by category: {known}. "
            "Received no labelled picture. Give the folder that holds either."
        )


def _first(names: list[str]) -> str:
    return ", ".join(_shown(names))


def _shown(names: list[str]) -> Iterator[str]:
    yield from names[:_NAMED]
    if len(names) > _NAMED:
        yield f"and {len(names) - _NAMED} more"
