from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.ingest.builders import ingest

IMAGES = Path(__file__).parents[3] / "shared" / "data" / "brain-mri"
SAMPLE = 60


@pytest.mark.shared
@pytest.mark.skipif(not IMAGES.is_dir(), reason=f"needs the real images in {IMAGES}")
def test_no_real_slice_is_refused(tmp_path: Path) -> None:
    every = sorted(IMAGES.rglob("*.jpg"))
    for number, path in enumerate(every[:: len(every) // SAMPLE][:SAMPLE]):
        shutil.copy(path, tmp_path / f"{number}.jpg")
    read = ingest(tmp_path)
    assert len(read) == SAMPLE
    assert [one.row["reason"] for one in read if one.row["status"] != "ok"] == []
