"""What in a batch folder Artemis itself wrote, told by its marks and never by a folder's name."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from artemis.runs import IDENTITY_KEY, reports_root
from artemis.settings import Settings
from artemis.system.files import printable_path

_HEX: Final = "[0-9a-f]"
_RUN: Final = f"[0-9]*T[0-9]*Z-{_HEX * 6}"

_MARKS: Final = (
    f"runs/{_RUN}/run.json",
    "models/*/*/manifest.json",
    "retrainings/*/retraining.json",
    "audits/*/audit.json",
    "evaluations/*/*/evaluation.json",
    f"exports/{_RUN}/export.json",
    "cache/training/stem-*/features.npy",
    "cache/training/.stem-*/features.npy",
)
"""Each is in a folder that is then Artemis's own, with everything in it."""

_FILES: Final = (
    IDENTITY_KEY,
    "models/.retraining",
    "models/*/LOCK",
    "models/*/CHAMPION",
    "models/gate.toml",
    "models/golden.json",
    "models/*/golden.json",
    "models/locked.parquet",
    "models/*/decisions/*.json",
    "failures/*/*.parquet",
    "labels/part-*.parquet",
    "processing/.lock",
    f"processing/{_HEX * 8}.json",
    f"quarantine/*-{_HEX * 8}.reason.txt",
    "cache/training/stem.lock",
    f"cache/training/*/**/{_HEX * 32}.npy",
    f"cache/training/*/**/{_HEX * 32}.keys.npy",
    "evaluations/**/part-*.parquet",
    "evaluations/**/part-*.npz",
    "evaluations/**/variants-*.parquet",
    "evaluations/**/evidence-*.parquet",
    "evaluations/**/fold-*.lock",
    "evaluations/**/unfinished/*-every-slice.lock",
    "evaluations/**/unfinished/*-every-slice.made",
    "evaluations/**/unfinished/**/calibration.parquet",
    "evaluations/**/unfinished/**/calibrating.npz",
    "evaluations/**/unfinished/**/epoch-*.npz",
    "evaluations/**/unfinished/**/teacher-*/answers.npy",
)
"""Files outside such folders, by the names that Artemis gives them."""

_TABLES: Final = ("parquet", "csv")
_PAGES: Final = (
    "index.html",
    f"{_RUN}/index.html",
    f"{_RUN}/slices-[0-9][0-9][0-9][0-9]*.html",
    f"{_RUN}/report.pdf",
    "comparisons/*--*/index.html",
    *(f"comparisons/*--*/{name}.{kind}" for name in ("changed", "unmatched") for kind in _TABLES),
    "drift/*/index.html",
    "retrainings/*/index.html",
    "audits/*/index.html",
    "models/*/*/index.html",
    "conflicts/index.html",
    "explained/*/index.html",
    "benchmark/index.html",
    "benchmark/benchmark.json",
)
"""Below the folder of the reports: pages and what is made with them."""


def own_outputs(settings: Settings) -> set[Path]:
    """Return the resolved folders and files that Artemis wrote: its workspace's and its reports.

    A folder is Artemis's own where it lies in the workspace and holds the record that
    Artemis leaves in it, such as ``runs/<run_id>/run.json``. A user's folder named
    ``models`` or ``reports`` holds none, so its scans are read.
    """
    workspace, reports = settings.workspace.resolve(), reports_root(settings).resolve()
    return (
        {mark.parent for mark in _present(workspace, _MARKS)}
        | set(_present(workspace, _FILES))
        | set(_present(reports, _PAGES))
    )


def passed_over(batch: Path, settings: Settings) -> dict[str, int]:
    """Return how many files of a batch are Artemis's own, by where they lie.

    Parameters
    ----------
    batch : Path
        The batch folder.
    settings : Settings
        Tell where the workspace and the reports are.

    Returns
    -------
    dict of str to int
        Number of files by path relative to the batch, of ``data/runs``, ``reports`` and
        their like; empty where the batch holds nothing of Artemis.
    """
    root = batch.resolve()
    workspace, reports = settings.workspace.resolve(), reports_root(settings).resolve()
    counts: Counter[str] = Counter()
    own = own_outputs(settings)
    for path in sorted(own):
        if path == root or not path.is_relative_to(root) or not own.isdisjoint(path.parents):
            continue
        place = reports if path.is_relative_to(reports) else _place(path, workspace)
        shown = place.relative_to(root) if place.is_relative_to(root) else "."
        counts[printable_path(shown)] += _files(path)
    return dict(counts)


def _present(root: Path, patterns: Iterable[str]) -> Iterator[Path]:
    return (path for pattern in patterns for path in root.glob(pattern) if path.is_file())


def _place(path: Path, workspace: Path) -> Path:
    return workspace / path.relative_to(workspace).parts[0]


def _files(path: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(path)) if path.is_dir() else 1
