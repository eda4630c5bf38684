"""What is known of a run's slices beforehand: by their folders, or by a file of labels."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final

import pandas as pd

from artemis.errors import LabelsError
from artemis.labels import Category, category_of, parse_category
from artemis.report.words import counted, visible
from artemis.reviews.reviewed import resolve
from artemis.reviews.reviewed_file import read_rows
from artemis.said import commas_instead
from artemis.system.formulas import undone

FOLDERS: Final = "the names of the folders"
"""The source of a truth that nobody gave."""

_HASH_DIGITS: Final = 12
_REVIEWED: Final = frozenset({"slice_id", "verdict"})
_WHOLE: Final = re.compile(r"(\d{1,9})(\.0+)?")


SliceKey = tuple[str, int, str | None]
"""Path relative to the batch folder, frame, slice id."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Where the true categories come from.

    Attributes
    ----------
    words : str
        Their source, as the page names it.
    of : callable
        Gives the category of a path relative to the batch folder, a frame and a slice id;
        None where it is not known.
    unused : callable
        Gives the number of labels that name none of some slices.
    disputed : set of str
        Ids of slices on which reviewers disagree, so that nothing is known of them.
    """

    words: str
    of: Callable[[str, int, str | None], Category | None]
    unused: Callable[[Iterable[SliceKey]], int] = lambda slices: 0
    disputed: frozenset[str] = frozenset()

    def words_for(self, slices: Iterable[SliceKey]) -> str:
        """Return the source, and how many of its labels name none of these slices."""
        left = self.unused(slices)
        if not left:
            return self.words
        which = "one label of which names" if left == 1 else f"{left:,} labels of which name"
        return f"{self.words}, {which} no slice of this run"


def from_folders(batch: str) -> Truth:
    """Return what the folders' names say: the innermost that names a category holds.

    Parameters
    ----------
    batch : str
        Folder of the batch, which may itself be named by a category.
    """

    def of(path: str, frame: int, slice_id: str | None) -> Category | None:
        folders = (PurePosixPath(batch).name, *PurePosixPath(path).parent.parts)
        return next((c for name in reversed(folders) if (c := parse_category(name))), None)

    return Truth(FOLDERS, of)


def from_file(file: Path) -> Truth:
    """Return what a CSV of labels says.

    Parameters
    ----------
    file : Path
        UTF-8, commas. Either a reviewer's export (`artemis.reviews.reviewed_file`), read by the
        rules of a workspace's labels (`artemis.reviews.reviewed`): slices on which reviewers
        disagree are left out. Or the columns ``path`` (relative to the batch folder, forward
        slashes), optionally ``frame``, and ``category`` or both ``tumor`` and ``plane``, in any of
        the spellings of `artemis.labels`.

    Raises
    ------
    LabelsError
        If the file cannot be read, lacks a column, a line of it is wrong, or it is a review that
        decides of no slice.
    """
    cells = _cells(file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:_HASH_DIGITS]
    name = f"{visible(file.name)} (SHA-256 {digest}…)"
    if set(cells.columns) >= _REVIEWED:
        by_slice, disputed = _reviewed(file)
        words = f"the reviewed labels {name}"
        if disputed:
            words += f", without {counted(len(disputed), 'slice')} on which reviewers disagree"
        reviewed = _by_key(words, by_slice, lambda path, frame, slice_id: slice_id or "")
        return replace(reviewed, disputed=disputed)
    by_path = _listed(file, cells)

    def key(path: str, frame: int, slice_id: str | None) -> tuple[str, str]:
        exact = (path, str(frame))
        return exact if exact in by_path else (path, "")

    return _by_key(f"the labels {name}", by_path, key)


def _by_key(
    words: str,
    labels: Mapping[Any, Category],
    key: Callable[[str, int, str | None], Hashable],
) -> Truth:
    return Truth(
        words,
        lambda path, frame, slice_id: labels.get(key(path, frame, slice_id)),
        lambda slices: len(labels.keys() - {key(*one) for one in slices}),
    )


def _cells(file: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(file, dtype="string", encoding="utf-8-sig", keep_default_na=False)
    except (OSError, ValueError) as error:
        said = isinstance(error, OSError) and error.strerror
        first = said or (str(error).strip() or type(error).__name__).splitlines()[0]
        raise LabelsError(
            f"{file}: expected labels as CSV in UTF-8. Received: {first}. "
            "Give a file with the columns path and category, or a review's export."
        ) from error


def _reviewed(file: Path) -> tuple[Mapping[str, Category], frozenset[str]]:
    """Return what holds by the rules of a workspace's labels, and what reviewers disagree on."""
    found = resolve([row.values for row in read_rows(file)])
    decided = found[found["tumor"].notna()]
    settled = {
        slice_id: category_of(tumor, plane)
        for slice_id, tumor, plane in zip(
            decided["slice_id"], decided["tumor"], decided["plane"], strict=True
        )
    }
    if not settled:
        raise LabelsError(
            f"{file}: expected a slice whose tumour and plane a review decides. Received "
            f"{counted(len(found), 'reviewed slice')}, none of them decided. Agree with or correct "
            "some; an unsure slice, a bad image and what reviewers disagree on have no truth."
        )
    return settled, frozenset(found.loc[found["state"] == "conflict", "slice_id"])


def _listed(file: Path, cells: pd.DataFrame) -> Mapping[tuple[str, str], Category]:
    columns = set(cells.columns)
    if "path" not in columns or not ("category" in columns or {"tumor", "plane"} <= columns):
        names = [str(name) for name in cells.columns[:20]]
        remedy = commas_instead("".join(names)) or "Name the columns so, commas between them."
        raise LabelsError(
            f"{file}: expected the columns path and category, or path, tumor and plane. Received "
            f"{', '.join(map(visible, names))}. {remedy}"
        )
    whole = "category" in columns
    named = cells["category"] if whole else cells["tumor"] + "_" + cells["plane"]
    frames = cells["frame"] if "frame" in columns else [""] * len(cells)
    known: dict[tuple[str, str], Category] = {}
    for line, (path, frame, name) in enumerate(
        zip(cells["path"], frames, named, strict=True), start=2
    ):
        category = parse_category(name)
        if category is None:
            raise LabelsError(
                f"{file}: expected one of the twelve categories in line {line}. "
                f"Received {name[:60]!a}. `artemis-cli labels` lists them."
            )
        place = undone(path.strip()), _frame(file, line, frame)
        if known.setdefault(place, category) != category:
            raise LabelsError(
                f"{file}: expected one category a slice. Received another in line {line} for "
                f"{path[:200]!a}. Keep the right one."
            )
    return known


def _frame(file: Path, line: int, cell: str) -> str:
    """Return a frame without the ``.0`` of a column with gaps in pandas; nothing for none."""
    if not cell.strip():
        return ""
    whole = _WHOLE.fullmatch(cell.strip())
    if whole is None:
        raise LabelsError(
            f"{file}: expected the frame as a whole number from 0, or nothing, in line {line}. "
            f"Received {cell[:60]!a}. Correct it, or leave the column out."
        )
    return str(int(whole[1]))
