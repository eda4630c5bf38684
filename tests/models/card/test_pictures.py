from __future__ import annotations

from pathlib import Path

import pytest

from artemis.errors import ModelError
from artemis.models.card.pictures import pictures_path, read_pictures, write_pictures


def test_pictures_are_read_as_written_and_none_are_no_error(tmp_path: Path) -> None:
    path = pictures_path(tmp_path, "baseline", "1")
    assert path == tmp_path / "failures" / "baseline" / "1.parquet"
    assert read_pictures(path) == {}
    row = {
        "slice_id": "a",
        "path": "x.png",
        "answer_now": "none_coronal",
        "jpeg": b"j",
        "overlay": None,
    }
    write_pictures(path, [row])
    assert read_pictures(path) == {"a": row}


def test_damaged_pictures_are_named(tmp_path: Path) -> None:
    path = pictures_path(tmp_path, "baseline", "1")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no table")
    with pytest.raises(ModelError, match=r"1\.parquet: expected pictures of a model's mistakes"):
        read_pictures(path)
