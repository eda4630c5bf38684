"""Which models there are: those shipped in the package, and those of a workspace over them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

from artemis.errors import ModelError
from artemis.files import write_text_atomic
from artemis.models.manifest import MANIFEST_NAME, Manifest, load_manifest
from artemis.models.runtime import ClassificationModel

MODEL_NAMES: Final = ("mobilenet_v2", "baseline")
"""Models in the order of reports; the first is the one whose answer is shown first."""

PRETRAINED: Final = Path(__file__).parent / "pretrained"
_CHAMPION: Final = "CHAMPION"


def check_names(names: list[str]) -> list[str]:
    """Return model names without repetition, in the order of reports.

    Raises
    ------
    ModelError
        If one is not a model of Artemis, or none is given.
    """
    unknown = [name for name in names if name not in MODEL_NAMES]
    if unknown or not names:
        raise ModelError(
            f"Models: expected one or more of {', '.join(MODEL_NAMES)}. "
            f"Received: {', '.join(unknown) or 'none'}."
        )
    return [name for name in MODEL_NAMES if name in names]


def model_folder(workspace: Path, name: str) -> Path:
    """Return the folder of the champion of a model: the workspace's, else the shipped one.

    Raises
    ------
    ModelError
        If there is neither, or the workspace names a champion that is not there.
    """
    promoted = workspace / "models" / name / _CHAMPION
    if promoted.is_file():
        version = promoted.read_text(encoding="utf-8").strip()
        folder = promoted.parent / version
        if Path(version).name == version and (folder / MANIFEST_NAME).is_file():
            return folder
        raise ModelError(
            f"{promoted}: expected the version of a model beside it. Received {version!r}. "
            f"Delete the file to use the shipped model."
        )
    shipped = sorted((PRETRAINED / name).glob(f"*/{MANIFEST_NAME}"))
    if not shipped:
        raise ModelError(
            f"{PRETRAINED / name}: expected a shipped model. Received none. "
            "Install Artemis again, or train one with `artemis-cli train --promote`."
        )
    return shipped[-1].parent


def promote(workspace: Path, name: str, version: str) -> None:
    """Make a version of the workspace the champion of its model, atomically.

    Raises
    ------
    ModelError
        If the version is not in the workspace or fails its checks.
    """
    folder = workspace / "models" / name
    load_manifest(folder / version)
    write_text_atomic(folder / _CHAMPION, version + "\n")


def list_models(workspace: Path) -> list[tuple[Manifest, Path, bool]]:
    """Return every model: its manifest, its folder, and whether it is the champion."""
    found = []
    for name in MODEL_NAMES:
        champion = model_folder(workspace, name)
        folders = [*(PRETRAINED / name).glob("*/"), *(workspace / "models" / name).glob("*/")]
        found += [
            (load_manifest(folder), folder, folder == champion)
            for folder in sorted(folders)
            if (folder / MANIFEST_NAME).is_file() and not folder.name.startswith(".")
        ]
    return found


@lru_cache(maxsize=4)
def load_model(folder: Path, threads: int = 0) -> ClassificationModel:
    """Return a loaded model; a second call of a process returns the first one's."""
    return ClassificationModel(folder, threads)
