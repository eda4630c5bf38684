"""The two files that make a folder of pictures a fetched dataset, written and checked again."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from artemis.datasets.catalogue import labels_of
from artemis.errors import DownloadError
from artemis.system.files import sha256_file, write_text_atomic

MANIFEST: Final = "manifest.csv"
"""A row a picture: ``path, sha256, tumor, plane, official_split``, in the order of path."""
RECORD: Final = "fetch.json"
"""Where the pictures come from, and which of them no known hash vouches for."""
COLUMNS: Final = ("path", "sha256", "tumor", "plane", "official_split")
_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Record:
    """Where a fetched folder comes from, as written to its ``fetch.json``.

    Attributes
    ----------
    source : str
        ``github`` or ``kaggle``.
    origin : str
        Repository or dataset of the source.
    version : str
        Commit of the repository, or version on Kaggle.
    fetched : str
        UTC time, ISO 8601.
    artemis : str
        Version of Artemis.
    files, verified : int
        Pictures in all, and those whose hash was known and equal.
    unknown : dict of str to str
        SHA-256 by path of the pictures whose hash was not known.
    """

    source: str
    origin: str
    version: str
    fetched: str
    artemis: str
    files: int
    verified: int
    unknown: dict[str, str]


@dataclass(frozen=True, slots=True)
class Found:
    """What a fetched folder holds.

    Attributes
    ----------
    record : Record
        What was written when it was fetched.
    hashes : dict of str to str
        SHA-256 by path, as the pictures are now.
    unexpected : tuple of str
        Files that were not fetched.
    """

    record: Record
    hashes: dict[str, str]
    unexpected: tuple[str, ...]


def write_listing(folder: Path, hashes: Mapping[str, str], record: Record) -> None:
    """Write ``manifest.csv`` and ``fetch.json`` into a folder of pictures.

    Labels are those of the folders' names. A plane is empty where they do not tell it; groups
    and folds are left to the training, which knows the copies.

    Parameters
    ----------
    folder : Path
        Folder of the pictures.
    hashes : mapping of str to str
        SHA-256 by path; every path has labels.
    record : Record
        Where they come from.
    """
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for path, sha256 in sorted(hashes.items()):
        labels = labels_of(path)
        if labels is not None:
            rows.writerow((path, sha256, labels.tumor, labels.plane or "", labels.official_split))
    write_text_atomic(folder / MANIFEST, text.getvalue())
    write_text_atomic(folder / RECORD, json.dumps(asdict(record), indent=1) + "\n")


def check_listing(folder: Path, on_file: Callable[[int, int], None]) -> Found:
    """Hash a fetched folder anew and compare it with what was fetched.

    Parameters
    ----------
    folder : Path
        A folder that `write_listing` completed.
    on_file : callable
        Called with the number of pictures hashed and their total.

    Raises
    ------
    DownloadError
        If a picture is missing or differs, or a listing cannot be read.
    """
    record, expected = _read(folder)
    present = {
        path.relative_to(folder).as_posix(): path
        for root, _, names in os.walk(folder)
        for path in (Path(root, name) for name in names)
        if path.is_file() and not path.is_symlink()
    }
    hashes = {}
    for path in expected:
        if path in present:
            hashes[path] = sha256_file(present[path])
        on_file(len(hashes), len(expected))
    wrong = [path for path, sha256 in hashes.items() if sha256 != expected[path]]
    missing = [path for path in expected if path not in hashes]
    if wrong or missing:
        raise DownloadError(
            f"{folder}: expected its {len(expected)} pictures as they were fetched. Received "
            f"{some('changed', wrong)}, {some('missing', missing)}. "
            "Move the folder away and fetch it again."
        )
    others = sorted(set(present) - set(expected) - {MANIFEST, RECORD})
    return Found(record, hashes, tuple(ascii(path)[1:-1] for path in others))


def some(what: str, paths: list[str]) -> str:
    """Return how many paths are `what`, with the names of the first."""
    shown = ", ".join(paths[:_NAMED]) + (", ..." if len(paths) > _NAMED else "")
    return f"{len(paths)} {what}" + (f" ({shown})" if paths else "")


def _read(folder: Path) -> tuple[Record, dict[str, str]]:
    try:
        record = Record(**json.loads((folder / RECORD).read_text(encoding="utf-8")))
        with (folder / MANIFEST).open(encoding="utf-8", newline="") as stream:
            expected = {row["path"]: row["sha256"] for row in csv.DictReader(stream)}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DownloadError(
            f"{folder}: expected a fetched dataset with {MANIFEST} and {RECORD}. Received: "
            f"{error}. Move the folder away and fetch it again."
        ) from error
    return record, expected
