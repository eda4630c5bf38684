"""Copies of the shipped models that a test may damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from artemis.models.registry import model_folder


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    """A copy of the shipped baseline's folder, which keeps its version as its name."""
    source = model_folder(tmp_path, "baseline")
    return Path(shutil.copytree(source, tmp_path / "models" / "baseline" / source.name))
