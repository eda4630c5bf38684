"""The records that a card is made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from artemis.models.manifest import Manifest
from tests.models.card.records import full_manifest, shipped_folder


@pytest.fixture
def shipped() -> Path:
    """The folder of the shipped mobilenet_v2."""
    return shipped_folder()


@pytest.fixture
def full() -> Manifest:
    """A manifest with everything that a card can tell."""
    return full_manifest()
