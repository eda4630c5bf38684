"""Check what a run needs, and say how to mend what is missing."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, Literal

import numpy as np

from artemis import __version__
from artemis.errors import ModelError, WorkspaceError
from artemis.models.registry import MODEL_NAMES, model_folder
from artemis.models.runtime import ClassificationModel
from artemis.runs import check_workspace
from artemis.settings import Settings
from artemis.system.disk import FULL

Verdict = Literal["ok", "warn", "fail"]

_LOW_DISK: Final = 1 << 30
_BLOCK: Final = 4096
_ELSEWHERE: Final = "choose another with --workspace or ARTEMIS_WORKSPACE."
_REINSTALL: Final = "Run `pip install -r requirements/base.txt`, or `make clean demo` in a clone."
_DECODERS: Final = ("pylibjpeg", "pylibjpeg-libjpeg", "pylibjpeg-openjpeg", "pylibjpeg-rle")
_PINS: Final[dict[str, Callable[[tuple[int, ...]], bool]]] = {
    "prefect": lambda v: v[:3] == (3, 8, 8),
    "fastapi": lambda v: v < (0, 150),
    "sqlalchemy": lambda v: (2, 0) <= v < (2, 1),
}
"""Versions without which Prefect does not start, or its schedules never fire."""


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: a name, a verdict, what was found, and what to do about it."""

    name: str
    verdict: Verdict
    finding: str
    remedy: str | None = None

    def as_dict(self) -> dict[str, str | None]:
        """Return the check as plain values."""
        return asdict(self)


def examine_installation() -> list[Check]:
    """Check Python, the pinned packages and the decoders."""
    checks = [Check("Artemis", "ok", f"{__version__} on Python {platform.python_version()}")]
    for name, fits in _PINS.items():
        found = _version(name)
        if found is None or not fits(_numbers(found)):
            checks.append(Check(name, "fail", f"{found or 'not installed'}", _REINSTALL))
        else:
            checks.append(Check(name, "ok", found))
    absent = [name for name in _DECODERS if _version(name) is None]
    checks.append(
        Check("DICOM decoders", "warn", f"missing {', '.join(absent)}", _REINSTALL)
        if absent
        else Check("DICOM decoders", "ok", "JPEG, JPEG-LS, JPEG 2000 and RLE")
    )
    tensorflow = _version("tensorflow")
    checks.append(
        Check("Training", "ok", f"TensorFlow {tensorflow}")
        if tensorflow
        else Check(
            "Training", "ok", "not installed; training and measuring need it (extra `train`)"
        )
    )
    return checks


def examine_models(settings: Settings) -> list[Check]:
    """Load every champion, which checks its hashes, and classify one empty picture."""
    checks = []
    for name in MODEL_NAMES:
        try:
            model = ClassificationModel(model_folder(settings.workspace, name), settings.threads)
        except ModelError as error:
            checks.append(Check(f"Model {name}", "fail", str(error)))
        except OSError as error:
            finding = (
                f"{settings.workspace / 'models'}: expected a folder that can be looked into. "
                f"Received: {os.strerror(error.errno or 0).lower()}."
            )
            checks.append(Check(f"Model {name}", "fail", finding))
        else:
            manifest = model.manifest
            side = manifest.input.side
            model.predict(np.zeros((1, side, side), dtype=np.uint8))
            finding = f"{manifest.version}, SHA-256 {manifest.sha256[:12]}…, runs"
            checks.append(Check(f"Model {name}", "ok", finding))
    return checks


def examine_workspace(settings: Settings) -> list[Check]:
    """Check that the workspace can be written, by writing there, and has space."""
    try:
        check_workspace(settings.workspace)
    except WorkspaceError as error:
        return [Check("Workspace", "fail", str(error))]
    folder = _existing(settings.workspace.resolve())
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_BLOCK))
            file.flush()
    except OSError as error:  # rights allow it, and the system or a full disk does not
        finding = f"{folder}: expected that files can be written there. Received: {error.strerror}."
        mended = FULL.get(error.errno or 0)  # else only another folder helps
        remedy = f"{mended}, or {_ELSEWHERE}" if mended else f"C{_ELSEWHERE[1:]}"
        return [Check("Workspace", "fail", finding, remedy)]
    free = shutil.disk_usage(folder).free
    finding = f"{settings.workspace.resolve()}, {free / (1 << 30):.1f} GiB free"
    if free < _LOW_DISK:
        return [Check("Workspace", "warn", finding, "Free some space before a large batch.")]
    return [Check("Workspace", "ok", finding)]


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())
