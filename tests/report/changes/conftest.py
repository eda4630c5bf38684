"""Two runs of the same slices, to be compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.report.compared import Write, two_runs, writer


@pytest.fixture
def write(tmp_path: Path) -> Write:
    return writer(tmp_path)


@pytest.fixture
def runs(write: Write) -> tuple[Path, Path]:
    return two_runs(write)
