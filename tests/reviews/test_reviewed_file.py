from __future__ import annotations

import errno
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artemis.errors import LabelsError
from artemis.reviews.reviewed_file import COLUMNS, read_rows
from tests.reviews.test_reviewed import label, text_of


def test_file_beyond_the_limit_or_of_another_user_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "review.csv"
    file.write_text(text_of(label(1)))
    monkeypatch.setattr("artemis.reviews.reviewed_file.MAX_BYTES", file.stat().st_size)
    assert len(read_rows(file)) == 1
    monkeypatch.setattr("artemis.reviews.reviewed_file.MAX_BYTES", file.stat().st_size - 1)
    with pytest.raises(LabelsError, match=r"of labels\. Received 0 MiB\. Divide the file"):
        read_rows(file)

    def refused(_: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.undo()
    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(LabelsError, match=r"can be read\. Received: Permission denied"):
        read_rows(file)


@given(st.binary(max_size=400) | st.text(max_size=400).map(lambda t: t.encode("utf-8", "replace")))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_refused_by_name(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "review.csv"
        file.write_bytes(content)
        with pytest.raises(LabelsError):
            read_rows(file)


@given(st.lists(st.tuples(st.sampled_from(COLUMNS), st.text(max_size=30)), max_size=4))
@settings(max_examples=200, deadline=None)
def test_any_cells_are_a_label_or_refused_by_name(changes: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "review.csv"
        row = label(1) | dict(changes)
        file.write_bytes(text_of(row).encode("utf-8", "surrogatepass"))
        try:
            (read,) = read_rows(file)
        except LabelsError:
            return
        assert read.values["reviewer"] == row["reviewer"].strip(" ").upper()
        assert read.values["verdict"] == row["verdict"].strip(" ")
