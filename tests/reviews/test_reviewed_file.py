from __future__ import annotations

import errno
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artemis.errors import LabelsError
from artemis.reviews.reviewed import import_labels
from artemis.reviews.reviewed_file import COLUMNS, read_rows
from tests.reviews.labels import RUN, bring, label, parts, text_of


def test_excels_utf8_with_mark_and_crlf_is_read(workspace: Path) -> None:
    file = workspace / "excel.csv"
    text = text_of(label(1, note='two\r\nlines, "quoted"'), label(2)) + "\r\n\r\n"
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert import_labels(file, workspace).added == 2
    (part,) = parts(workspace)
    assert pq.ParquetFile(part).read()["note"][0].as_py() == 'two\r\nlines, "quoted"'


def test_optional_columns_may_be_missing_and_columns_in_any_order(workspace: Path) -> None:
    kept = [name for name in reversed(COLUMNS) if name not in ("note", "adjudication")]
    row = label(1)
    file = workspace / "short.csv"
    file.write_text(",".join(kept) + "\n" + ",".join(row[name] for name in kept) + "\n")
    assert import_labels(file, workspace).added == 1


NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"slice_id": f"{9:064x}"}, f"expected a slice of run {RUN}. Received '0000"),
        ({"slice_id": "abc"}, "expected slice_id as 64 hexadecimal digits. Received 'abc'"),
        ({"run_id": "20260301T120000Z-ffffff"}, "expected a run of .* Received '20260301T12"),
        ({"run_id": "../../etc"}, "expected run_id as a run's id. Received '../../etc'"),
        ({"verdict": "maybe"}, "expected verdict as agree, correct, unsure or bad_image"),
        ({"verdict": "unsure", "plane": ""}, "no tumor and plane beside 'unsure'. Received 'gli"),
        ({"verdict": "bad_image", "tumor": ""}, "and plane beside 'bad_image'. Received 'coronal'"),
        ({"tumor": "cyst"}, "expected tumor as glioma, meningioma, pituitary or none"),
        ({"plane": ""}, "expected plane as coronal, sagittal or transverse. Received ''"),
        ({"reviewer": ""}, "expected reviewer as initials"),
        ({"reviewer": "Dr. Jane Doe"}, "expected reviewer as initials"),
        ({"confidence": "6"}, "expected confidence as a number from 1 to 5"),
        ({"reviewed_at": "yesterday"}, "reviewed_at as ISO 8601 with a time zone"),
        ({"reviewed_at": "2026-03-02T09:00:00"}, "reviewed_at as ISO 8601 with a time zone"),
        ({"reviewed_at": "0001-01-01T00:00:00+14:00"}, "reviewed_at as ISO 8601"),
        ({"reviewed_at": (NOW + timedelta(hours=1)).isoformat()}, "reviewed_at in the past"),
        ({"reviewed_at": "9999-12-31T23:59:59-14:00"}, "reviewed_at in the past"),
        ({"adjudication": "perhaps"}, "expected adjudication as yes. Received 'perhaps'"),
        ({"note": '=HYPERLINK("http://x")'}, "expected note as text, not a formula"),
        ({"note": "@SUM(1)"}, "expected note as text, not a formula"),
        ({"reviewer": "+A"}, "expected reviewer as text, not a formula"),
        ({"note": "x" * 501}, "expected at most 500 characters of note. Received 501"),
        ({"tumor": "g" * 5000}, "expected at most 1000 characters of tumor. Received 5000"),
        ({"note": "\x1b[31mred"}, "expected no control characters in note"),
        ({"note": "\tx"}, "expected no control characters in note"),
        ({"reviewer": "A\nB"}, "expected no control characters in reviewer"),
    ],
)
def test_wrong_cell_is_named_with_its_line_and_nothing_is_imported(
    workspace: Path, changes: dict[str, str], message: str
) -> None:
    with pytest.raises(LabelsError, match=message) as caught:
        bring(workspace, label(1), label(2, **changes), label(3))
    assert "Received 1 wrong: line 3: " in str(caught.value)
    assert "Nothing was imported" in str(caught.value)
    assert parts(workspace) == []


def test_an_adjudication_has_to_decide(workspace: Path) -> None:
    row = label(1, verdict="unsure", tumor="", plane="", adjudication="yes")
    with pytest.raises(LabelsError, match="line 2: expected an adjudication that decides"):
        bring(workspace, row)


def test_every_wrong_line_is_named_up_to_twenty(workspace: Path) -> None:
    with pytest.raises(LabelsError) as caught:
        bring(workspace, *[label(1, hour=k % 24, plane="up") for k in range(25)])
    message = str(caught.value)
    assert "Received 25 wrong: line 2: " in message
    assert "line 21: " in message
    assert "line 22: " not in message
    assert "and 5 more" in message
    with pytest.raises(LabelsError, match=r"line 21: [^;]*\. Nothing was imported"):
        bring(workspace, *[label(1, hour=k, plane="up") for k in range(20)])


def test_lines_are_counted_with_notes_of_several_lines(workspace: Path) -> None:
    with pytest.raises(LabelsError, match="Received 1 wrong: line 5: expected plane"):
        bring(workspace, label(1, note="a\nb\nc"), label(2, plane=""))


def test_small_lead_of_the_reviewers_clock_is_allowed(workspace: Path) -> None:
    time = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    assert bring(workspace, label(1, reviewed_at=time)).added == 1


def test_two_labels_of_one_reviewer_at_one_time_contradict(workspace: Path) -> None:
    with pytest.raises(LabelsError, match="line 3: expected one label of a reviewer"):
        bring(workspace, label(1), label(1, tumor="meningioma"))
    bring(workspace, label(1))
    with pytest.raises(LabelsError, match="line 2: expected one label of a reviewer") as raised:
        bring(workspace, label(1, tumor="meningioma"))
    assert "Who changed a label gives it a later reviewed_at" in str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a first line with the columns run_id, slice_id"),
        (",".join(COLUMNS).encode() + b"\n", "a line for each label below the header"),
        (";".join(COLUMNS).encode() + b"\n", "commas instead of semicolons: LibreOffice asks"),
        ("\t".join(COLUMNS).encode() + b"\n", "commas instead of tabs"),
        (",".join([*COLUMNS, "path"]).encode() + b"\n", "'. Export the review again. Nothing"),
        (
            b"path,category\na.png,glioma_coronal\n",
            "by path. `artemis-cli report RUN --labels FILE`",
        ),
        (",".join([*COLUMNS, "note"]).encode() + b"\n", "each once"),
        ("run_id,slice_id\n".encode("utf-16"), "text in UTF-8. Received other bytes in line 1"),
        (b"run_id,slice_id\n\n\xff\xfe", "Received other bytes in line 3"),
        (b"run_id,slice_id\nab\0c", "Received other bytes in line 2"),
        (",".join(COLUMNS).encode() + b"\na,b\n", "line 2: expected 10 cells. Received 2"),
        (",".join(COLUMNS).encode() + b'\n"a"b,c\n', "line 2: expected cells of CSV"),
        (",".join(COLUMNS).encode() + b'\n"' + b"x" * 200_000, "line 2: expected cells of CSV"),
    ],
)
def test_file_that_is_no_review_says_why(workspace: Path, content: bytes, message: str) -> None:
    file = workspace / "review.csv"
    file.write_bytes(content)
    with pytest.raises(LabelsError, match=message) as caught:
        import_labels(file, workspace)
    assert "review.csv" in str(caught.value)
    assert parts(workspace) == []


def test_missing_file_and_folder_are_named(workspace: Path) -> None:
    with pytest.raises(LabelsError, match="Received nothing of that name"):
        import_labels(workspace / "gone.csv", workspace)
    with pytest.raises(LabelsError, match="Received something else"):
        import_labels(workspace, workspace)


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
