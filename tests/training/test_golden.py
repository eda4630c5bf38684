"""What a judgement reads besides models and slices."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from artemis.errors import ModelError
from artemis.training.golden import golden_slices


def test_the_golden_slices_are_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "golden.json").write_text('{"slice_ids": ["a", "b"]}')
    assert golden_slices(tmp_path / "golden.json") == ["a", "b"]


@pytest.mark.parametrize("content", [b"", b"[1]", b"{}", b'{"slice_ids": 3}', b'{"\xff": 1}'])
def test_a_damaged_golden_set_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "golden.json"
    path.write_bytes(content)
    with pytest.raises(ModelError) as raised:
        golden_slices(path)
    assert str(raised.value).startswith(f"{path}: expected the golden set as Artemis writes it. ")
    assert str(raised.value).endswith("or delete it to have one made of today's champion.")
