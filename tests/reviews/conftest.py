from __future__ import annotations

from pathlib import Path

import pytest

from artemis.predictions import part_name, write_part
from artemis.schemas import SLICES_SCHEMA
from tests.reviews.labels import RUN, SLICES


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with the slices of one run."""
    blank = dict.fromkeys(SLICES_SCHEMA.names)
    rows = [
        blank | {"slice_id": s, "path": f"{s[-1]}.png", "frame": 0, "status": "ok", "run_id": RUN}
        for s in SLICES
    ]
    rows.append(blank | {"path": "bad.png", "frame": 0, "status": "failed", "run_id": RUN})
    write_part(tmp_path / "runs" / RUN / "slices" / part_name(0), rows, SLICES_SCHEMA)
    return tmp_path
