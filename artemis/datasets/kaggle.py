"""The same pictures from Kaggle, through kagglehub, told apart by their content.

Kaggle's folders name the tumour only. A picture whose hash is known goes where the sorted
set has it, and so gets its plane; any other keeps Kaggle's path, without a plane.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import zipfile
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from artemis.datasets.catalogue import Dataset, labels_of
from artemis.errors import DownloadError, MissingExtraError
from artemis.system.files import sha256_file


@dataclass(frozen=True, slots=True)
class KagglePictures:
    """What Kaggle gave.

    Attributes
    ----------
    hashes : dict of str to str
        SHA-256 by path in the dataset's folder.
    unexpected : tuple of str
        Files that are not pictures of the dataset; they are left out.
    version : str
        Version of the dataset on Kaggle.
    """

    hashes: dict[str, str]
    unexpected: tuple[str, ...]
    version: str


def from_kaggle(
    dataset: Dataset, into: Path, on_file: Callable[[int, int], None]
) -> KagglePictures:
    """Download a dataset with kagglehub and copy its pictures below `into`.

    kagglehub keeps its own copy in its cache (``KAGGLEHUB_CACHE``), resumes there, and shows
    its own progress on stderr. Nothing tells an altered picture from one that was never in
    the list of hashes: both are unverified.

    Parameters
    ----------
    dataset : Dataset
        The dataset and its known hashes.
    into : Path
        Where the pictures go.
    on_file : callable
        Called with the number of pictures read and their total.

    Raises
    ------
    MissingExtraError
        If kagglehub is not installed.
    DownloadError
        If it fails, or what it brings holds no picture.
    """
    downloaded = _download(dataset.kaggle)
    found, unexpected = _found(downloaded)
    if not found:
        raise DownloadError(
            f"kaggle.com/datasets/{dataset.kaggle}: expected folders Training and Testing with "
            "pictures by tumour. Received none. Fetch from GitHub instead."
        )
    hashes = {}
    for path in found:
        hashes[path] = sha256_file(found[path])
        on_file(len(hashes), len(found))
    places = place(hashes, dataset.hashes)
    for path, destination in places.items():
        (into / destination).parent.mkdir(parents=True, exist_ok=True)
        _copy(found[path], into / destination)
    placed = {destination: hashes[path] for path, destination in places.items()}
    return KagglePictures(dict(sorted(placed.items())), unexpected, downloaded.name)


def place(found: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """Return where each picture goes: to a known path of the same content, or where it is.

    Of several known paths with the same content, one of the same split and tumour is taken
    before any other, and none is taken twice.

    Parameters
    ----------
    found : mapping of str to str
        SHA-256 by path, as Kaggle has them.
    known : mapping of str to str
        SHA-256 by path, as the sorted set has them.
    """
    free: dict[str, list[str]] = defaultdict(list)
    for path, sha256 in sorted(known.items()):
        free[sha256].append(path)
    places: dict[str, str] = {}
    for exact in (True, False):
        for path, sha256 in sorted(found.items()):
            fitting = (to for to in free[sha256] if not exact or _meaning(to) == _meaning(path))
            if path not in places and (destination := next(fitting, None)) is not None:
                places[path] = destination
                free[sha256].remove(destination)
    return {path: places.get(path, path) for path in sorted(found)}


def _meaning(path: str) -> tuple[str, str] | None:
    labels = labels_of(path)
    return (labels.official_split, labels.tumor) if labels else None


def _download(handle: str) -> Path:
    if importlib.util.find_spec("kagglehub") is None:
        raise MissingExtraError(
            "Fetching from Kaggle: expected kagglehub. Received an installation without it. "
            "Run `pip install 'artemis-mri[kaggle]'`."
        )
    with redirect_stdout(sys.stderr):  # where kagglehub's log goes is settled at its import
        import kagglehub
        from kagglehub import exceptions

        try:
            return Path(kagglehub.dataset_download(handle))
        except (
            OSError,  # requests' own errors are among them
            ValueError,
            zipfile.BadZipFile,
            exceptions.BackendError,
            exceptions.CredentialError,
            exceptions.DataCorruptionError,
            exceptions.NotFoundError,
        ) as error:
            raise DownloadError(
                f"kaggle.com/datasets/{handle}: expected a download. Received: "
                f"{' '.join(str(error).split())[:500]} Check the network and the access to "
                "Kaggle (KAGGLE_API_TOKEN), or fetch from GitHub."
            ) from error


def _found(folder: Path) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Return the pictures by ``<split>/<tumour>/<name>``, and what is none."""
    pictures: dict[str, Path] = {}
    unexpected = []
    for file in sorted(path for path in folder.rglob("*") if not path.is_dir()):
        path = "/".join(file.relative_to(folder).parts[-3:])
        if labels_of(path) and not file.is_symlink() and path not in pictures:
            pictures[path] = file
        else:
            unexpected.append(ascii(file.relative_to(folder).as_posix())[1:-1])
    return pictures, tuple(unexpected)


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as reading, target.open("xb") as writing:
        shutil.copyfileobj(reading, writing)
        writing.flush()
        os.fsync(writing.fileno())
