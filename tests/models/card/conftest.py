"""The records that a card is made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from artemis.models.manifest import Manifest
from artemis.models.registry import model_folder
from tests.models.card.records import full_manifest, shipped_folder


@pytest.fixture
def shipped() -> Path:
    """The folder of the shipped mobilenet_v2."""
    return shipped_folder()


@pytest.fixture
def older() -> Path:
    """The folder of the shipped baseline, whose record was written before cards told as much."""
    return model_folder(Path("no workspace"), "baseline")


@pytest.fixture
def full() -> Manifest:
    """A manifest with everything that a card can tell."""
    return full_manifest()
