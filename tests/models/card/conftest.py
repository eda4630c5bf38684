"""The records that a card is made of."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from artemis.models.manifest import MANIFEST_NAME, Manifest
from artemis.models.registry import model_folder
from tests.models.card.records import full_manifest, shipped_folder


@pytest.fixture
def shipped() -> Path:
    """The folder of the shipped mobilenet_v2."""
    return shipped_folder()


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A folder whose record tells less than a card could."""
    folder = tmp_path / "older"
    shutil.copytree(model_folder(Path("no workspace"), "baseline"), folder)
    values = json.loads((folder / MANIFEST_NAME).read_text())
    for name in ("per_plane", "shortcuts", "mistakes"):
        del values["evaluation"][name]
    (folder / MANIFEST_NAME).write_text(json.dumps(values))
    return folder


@pytest.fixture
def full() -> Manifest:
    """A manifest with everything that a card can tell."""
    return full_manifest()
