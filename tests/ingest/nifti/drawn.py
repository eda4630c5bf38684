"""Volumes that the tests of NIfTI draw, and read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from artemis.settings import IngestSettings
from tests.ingest.builders import SETTINGS, ingest


def volume(*shape: int) -> np.ndarray:
    """Smooth along all axes, every voxel different enough to see where it went."""
    grids = np.meshgrid(*(np.linspace(0, 1, n) for n in shape), indexing="ij")
    return (1000 * grids[0] + 300 * grids[1] ** 2 + 100 * grids[2]).astype(np.int16)


def read_volume(tmp_path: Path, data: bytes, settings: IngestSettings = SETTINGS) -> list:
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / "v.nii").write_bytes(data)
    return ingest(tmp_path, settings)
