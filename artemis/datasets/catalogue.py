"""The public dataset that Artemis can fetch: its homes, its files, what their paths say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Final

from artemis.labels import canonical_tumor, parse_category

_HASHES: Final = "brain_mri.sha256"
_SPLITS: Final = {"training": "training", "testing": "testing"}
_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png"})
_UNSAFE: Final = re.compile(r'[\\/:*?"<>|]')  # no file name on one of the usual systems
_LONGEST_NAME: Final = 200


class Source(StrEnum):
    """A home of the dataset."""

    GITHUB = "github"
    KAGGLE = "kaggle"


GITHUB: Final = Source.GITHUB
KAGGLE: Final = Source.KAGGLE


@dataclass(frozen=True, slots=True)
class Dataset:
    """Where a dataset lives and what is known of its files.

    Attributes
    ----------
    repository : str
        Owner and name of the GitHub repository that holds it.
    commit : str
        Commit of the repository, at least the first seven of its hexadecimal digits.
    folder : str
        Folder of the dataset in the repository.
    kaggle : str
        Owner and name of the same pictures on Kaggle.
    hashes : mapping of str to str
        SHA-256 by path below `folder`, of the files whose hash is known.
    """

    repository: str
    commit: str
    folder: str
    kaggle: str
    hashes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PathLabels:
    """What the path of a picture says of it.

    Attributes
    ----------
    official_split : str
        ``training`` or ``testing``.
    tumor : str
        One of `artemis.labels.TUMORS`.
    plane : str or None
        One of `artemis.labels.PLANES`; None where the folder names the tumour only.
    """

    official_split: str
    tumor: str
    plane: str | None


@cache
def brain_mri() -> Dataset:
    """Return the set "Brain Tumor Classification (MRI)", sorted into twelve folders.

    The pictures are those of S. Bhuvaji and others on Kaggle; the Artemis group of the Erdos
    Institute bootcamp 2022 sorted them by tumour and plane. The public set has 3,246
    pictures; the hashes of 2,705 of them are known here.
    """
    text = resources.files(__package__).joinpath(_HASHES).read_text(encoding="utf-8")
    return Dataset(
        repository="hkndoga/Brain_Tumor_Classification_CNN",
        commit="aee23a3",
        folder="data/Brain_Tumor_Data_Final",
        kaggle="sartajbhuvaji/brain-tumor-classification-mri",
        hashes=parse_hashes(text),
    )


def dataset_folder(workspace: Path) -> Path:
    """Return where a workspace keeps the public dataset."""
    return workspace / "datasets" / "brain-mri"


def parse_hashes(text: str) -> dict[str, str]:
    """Return SHA-256 by path from lines as ``sha256sum`` writes them."""
    pairs = (line.split("  ", maxsplit=1) for line in text.splitlines())
    return {path: sha256 for sha256, path in pairs}


def labels_of(path: str) -> PathLabels | None:
    """Return what a path below the dataset's folder says, or None if it is no picture of it.

    Parameters
    ----------
    path : str
        ``<Training or Testing>/<category or tumour>/<name>``, with forward slashes.
    """
    parts = path.split("/")
    if len(parts) != 3 or not _is_picture_name(parts[2]):
        return None
    split, category = _SPLITS.get(parts[0].lower()), parse_category(parts[1])
    tumor = category.tumor if category else canonical_tumor(parts[1])
    if split is None or tumor is None:
        return None
    return PathLabels(split, tumor, category.plane if category else None)


def _is_picture_name(name: str) -> bool:
    return (
        name.isprintable()
        and not name.startswith(".")
        and not _UNSAFE.search(name)
        and len(name.encode()) <= _LONGEST_NAME
        and PurePosixPath(name).suffix.lower() in _SUFFIXES
    )
