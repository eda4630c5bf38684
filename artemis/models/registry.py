"""Which models there are: those shipped in the package, and those of a workspace over them.

``<workspace>/models/<name>/CHAMPION`` holds one line, the version that is used: a folder
beside it, or a shipped one. Without that file the shipped model is used. Only
`artemis.models.champions` writes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from artemis.errors import ModelError
from artemis.models.decisions import DecisionRecord, read_decisions
from artemis.models.manifest import MANIFEST_NAME, Manifest, load_manifest
from artemis.models.runtime import ClassificationModel
from artemis.settings import Runtime
from artemis.system.files import is_out_of_reach

MODEL_NAMES: Final = ("mobilenet_v2", "baseline")
"""Models in the order of reports; the first is the one whose answer is shown first."""

PRETRAINED: Final = Path(__file__).parent / "pretrained"
CHAMPION: Final = "CHAMPION"
"""File beside the versions of a model that names the one in use."""


class RegisteredModel(NamedTuple):
    """A version of a model: its manifest, its folder, and whether it is the champion."""

    manifest: Manifest
    folder: Path
    champion: bool


@dataclass(frozen=True, slots=True)
class ModelHistory:
    """A version of a model and every decision that was taken on it, oldest first."""

    model: RegisteredModel
    decisions: list[DecisionRecord]


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


def model_folder(workspace: str | Path, name: str) -> Path:
    """Return the folder of the champion of a model: the workspace's, else the shipped one.

    Raises
    ------
    ModelError
        If there is neither, or the workspace names a champion that is not there.
    """
    workspace = Path(workspace)
    pointer = workspace / "models" / name / CHAMPION
    version = _named_in(pointer)
    if version is not None:
        folder = _versions(workspace, name).get(version)
        if folder is not None:
            return folder
        raise ModelError(
            f"{pointer}: expected the version of a model beside it. Received {version!r}. "
            f"Delete the file to use the shipped model."
        )
    shipped = sorted(_folders(PRETRAINED / name))
    if not shipped:
        raise ModelError(
            f"{PRETRAINED / name}: expected a shipped model. Received none. "
            "Install Artemis again, or train one with `artemis-cli train --promote`."
        )
    return shipped[-1]


def find_version(workspace: Path, wanted: str) -> Path:
    """Return the folder of a version of a model.

    Parameters
    ----------
    workspace : Path
        Holds the models over the shipped ones.
    wanted : str
        The name of a model for its champion, ``name@version``, or a version; a version may
        be cut short where what is left begins no other.

    Raises
    ------
    ModelError
        If no version, or more than one, is meant; the message lists those there are.
    """
    if wanted in MODEL_NAMES:
        return model_folder(workspace, wanted)
    name, at, start = wanted.rpartition("@")
    names = check_names([name]) if at else MODEL_NAMES
    known = {
        f"{model}@{version}": folder
        for model in names
        for version, folder in sorted(_versions(workspace, model).items())
    }
    exact = [key for key in known if key.partition("@")[2] == start]
    meant = exact or [key for key in known if start and key.partition("@")[2].startswith(start)]
    if len(meant) == 1:
        return known[meant[0]]
    raise ModelError(
        f"Models: expected one version that {wanted!r} means. Received "
        f"{f'{len(meant)}: ' + ', '.join(meant) if meant else 'none'}. "
        f"Give more of it, as in name@version{'' if meant else '; there are ' + ', '.join(known)}."
    )


def list_models(workspace: Path) -> list[RegisteredModel]:
    """Return every model: its manifest, its folder, and whether it is the champion.

    Raises
    ------
    ModelError
        If one of them is damaged.
    """
    found = []
    for name in MODEL_NAMES:
        champion = model_folder(workspace, name)
        folders = [*_folders(PRETRAINED / name), *_folders(workspace / "models" / name)]
        found += [
            RegisteredModel(load_manifest(folder), folder, folder == champion)
            for folder in sorted(folders, key=lambda folder: folder.name)
        ]
    return found


def show(workspace: Path, wanted: str) -> ModelHistory:
    """Return one version, see `find_version`, with the decisions that were taken on it.

    Raises
    ------
    ModelError
        If it is not there or damaged, or a record of a decision is.
    """
    folder = find_version(workspace, wanted)
    manifest = load_manifest(folder)
    champion = folder == model_folder(workspace, manifest.name)
    decisions = [
        record
        for record in read_decisions(workspace, manifest.name)
        if record.subject.version == manifest.version
    ]
    return ModelHistory(RegisteredModel(manifest, folder, champion), decisions)


@lru_cache(maxsize=4)
def load_model(
    folder: str | Path, threads: int = 0, runtime: Runtime = "litert"
) -> ClassificationModel:
    """Return a loaded model; a second call of a process returns the first one's."""
    return ClassificationModel(folder, threads, runtime)


def forget_models() -> None:
    """Let go of all loaded models, so that what follows has their memory."""
    load_model.cache_clear()


def recorded_folder(workspace: Path, name: str, version: str, sha256: str) -> Path:
    """Return where this machine has the model that a run of another one began with.

    A shared workspace lies at the same place everywhere; the shipped models lie where Artemis
    is installed, which need not.

    Raises
    ------
    ModelError
        If this machine has no such version, or one of other bytes.
    """
    manifest = checked_version(workspace, name, version)
    folder = _versions(workspace, name)[version]
    if manifest.sha256 != sha256:
        raise ModelError(
            f"{folder}: expected the {name}@{version} that the run began with, {sha256[:12]}…. "
            f"Received {manifest.sha256[:12]}…. Install the same Artemis on every machine."
        )
    return folder


def checked_version(workspace: Path, name: str, version: str) -> Manifest:
    """Return the manifest of a version, after every check that loading it would make.

    Raises
    ------
    ModelError
        If the version is not there, is damaged, or lies under another's name.
    """
    check_names([name])
    folder = _versions(workspace, name).get(version)
    if folder is None:
        raise ModelError(
            f"{workspace / 'models' / name}: expected the version {version!r} of {name}, there or "
            "shipped. Received none of that name. `artemis-cli models list` names those there are."
        )
    manifest = load_manifest(folder)
    if (manifest.name, manifest.version) != (name, version):
        raise ModelError(
            f"{folder / MANIFEST_NAME}: expected the manifest of {name}@{version}. Received that "
            f"of {manifest.name}@{manifest.version}. Give the folder its own name again."
        )
    return manifest


def champion_version(workspace: Path, name: str) -> str | None:
    """Return the champion's version as it is named, also where that version is gone."""
    version = _named_in(workspace / "models" / name / CHAMPION)
    if version is not None:
        return version
    shipped = sorted(_folders(PRETRAINED / name))
    return shipped[-1].name if shipped else None


def _named_in(pointer: Path) -> str | None:
    """Return the version that a file names; None only where there is no such file.

    A link that leads nowhere, as to a disk that is not mounted, is no leave to use another model.
    """
    try:
        return pointer.read_text(encoding="utf-8", errors="replace").strip()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        if not is_out_of_reach(pointer) and not pointer.is_dir():
            return None
        raise ModelError(
            f"{pointer}: expected a file that names the champion. Received: {error.strerror}. "
            "Put it back, or remove what is there to use the shipped model."
        ) from error


def _folders(root: Path) -> list[Path]:
    """Return the finished models below a folder; one whose name begins with a dot is not."""
    found = (path.parent for path in root.glob(f"*/{MANIFEST_NAME}"))
    return [folder for folder in found if not folder.name.startswith(".")]


def _versions(workspace: Path, name: str) -> dict[str, Path]:
    """Return every version of a model and its folder; the workspace's own come first."""
    roots = (PRETRAINED / name, workspace / "models" / name)
    return {folder.name: folder for root in roots for folder in _folders(root)}
