from __future__ import annotations

import csv
import io
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artemis.errors import LabelsError
from artemis.predictions import part_name, write_part
from artemis.reviews.reviewed import import_labels, read_conflicts, read_reviewed
from artemis.reviews.reviewed_file import COLUMNS
from artemis.schemas import SLICES_SCHEMA

RUN = "20260301T120000Z-abc123"
SLICES = [f"{k:064x}" for k in range(1, 6)]


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


def label(number: int = 1, reviewer: str = "AB", hour: int = 9, **changes: Any) -> dict[str, str]:
    return {
        "run_id": RUN,
        "slice_id": SLICES[number - 1],
        "verdict": "correct",
        "tumor": "glioma",
        "plane": "coronal",
        "reviewer": reviewer,
        "confidence": "4",
        "reviewed_at": f"2026-03-02T{hour:02d}:00:00Z",
        "note": "",
        "adjudication": "",
    } | changes


def text_of(*labels: dict[str, str]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS)
    writer.writeheader()
    writer.writerows(labels)
    return stream.getvalue()


def bring(workspace: Path, *labels: dict[str, str]) -> Any:
    file = workspace / "review.csv"
    file.write_text(text_of(*labels), encoding="utf-8", newline="")
    return import_labels(file, workspace)


def parts(workspace: Path) -> list[Path]:
    return sorted((workspace / "labels").glob("*"))


def states(workspace: Path) -> dict[str, str]:
    reviewed = read_reviewed(workspace)
    return dict(zip(reviewed["slice_id"].str[-1], reviewed["state"], strict=True))


def test_labels_are_appended_and_read_back(workspace: Path) -> None:
    report = bring(
        workspace,
        label(
            1, tumor="no_tumor", plane="axial", reviewer="ab", note="edge of the tumour, unclear"
        ),
        label(2, verdict="unsure", tumor="", plane="", confidence=""),
        label(3, verdict="bad_image", tumor="", plane=""),
    )
    assert (report.rows, report.added, report.known) == (3, 3, 0)
    assert report.states == {"bad_image": 1, "single": 1, "unsure": 1}
    assert report.conflicts.empty
    first = read_reviewed(workspace).iloc[0]
    assert first["tumor"] == "none"
    assert first["plane"] == "transverse"
    assert first["reviewers"] == ["AB"]
    assert first["confidence"] == 4
    assert first["reviewed_at"] == pd.Timestamp("2026-03-02T09:00:00Z")
    assert first["run_ids"] == [RUN]
    (part,) = parts(workspace)
    stored = pq.ParquetFile(part).read().to_pylist()
    assert stored[0]["note"] == "edge of the tumour, unclear"
    assert stored[1]["confidence"] is None


def test_workspace_without_labels_has_none(tmp_path: Path) -> None:
    reviewed = read_reviewed(tmp_path)
    assert reviewed.empty
    assert "state" in reviewed


def test_same_file_again_adds_nothing(workspace: Path) -> None:
    bring(workspace, label(1), label(2))
    before = [(path.name, path.read_bytes()) for path in parts(workspace)]
    report = bring(workspace, label(1), label(2))
    assert (report.rows, report.added, report.known) == (2, 0, 2)
    assert [(path.name, path.read_bytes()) for path in parts(workspace)] == before


def test_longer_export_adds_only_what_is_new_and_rewrites_no_part(workspace: Path) -> None:
    bring(workspace, label(1))
    (first,) = parts(workspace)
    content = first.read_bytes()
    report = bring(workspace, label(1), label(2), label(2))
    assert (report.added, report.known) == (1, 2)
    assert first.read_bytes() == content
    assert len(parts(workspace)) == 2


def test_two_reviewers_who_agree(workspace: Path) -> None:
    report = bring(workspace, label(1), label(1, "CD", 10, verdict="agree", confidence="2"))
    assert report.states == {"agreed": 1}
    first = read_reviewed(workspace).iloc[0]
    assert (first["tumor"], first["plane"], first["confidence"]) == ("glioma", "coronal", 2)
    assert first["reviewers"] == ["AB", "CD"]


def test_newest_label_of_another_reviewer_does_not_win(workspace: Path) -> None:
    bring(workspace, label(1), label(2))
    report = bring(workspace, label(1, "CD", 10, tumor="meningioma"))
    assert states(workspace) == {"1": "conflict", "2": "single"}
    assert report.conflicts["reviewer"].tolist() == ["AB", "CD"]
    assert report.conflicts["tumor"].tolist() == ["glioma", "meningioma"]
    assert set(report.conflicts["slice_id"]) == {SLICES[0]}
    assert read_reviewed(workspace).iloc[0][["tumor", "plane"]].isna().all()


@pytest.mark.parametrize("other", ["bad_image", "plane"])
def test_bad_image_and_plane_make_conflicts_too(workspace: Path, other: str) -> None:
    changes = (
        {"plane": "sagittal"}
        if other == "plane"
        else {"verdict": "bad_image", "tumor": "", "plane": ""}
    )
    bring(workspace, label(1), label(1, "CD", **changes))
    assert states(workspace) == {"1": "conflict"}


def test_later_label_of_the_same_reviewer_replaces_his_earlier_one(workspace: Path) -> None:
    bring(workspace, label(1, hour=11, tumor="meningioma"), label(1, "cd", 10))
    assert states(workspace) == {"1": "conflict"}
    bring(workspace, label(1, "ab", 12))
    assert states(workspace) == {"1": "agreed"}
    bring(workspace, label(1, hour=8, tumor="pituitary"))  # imported later, but made earlier
    assert states(workspace) == {"1": "agreed"}


def test_adjudication_settles_a_conflict_until_somebody_objects(workspace: Path) -> None:
    bring(workspace, label(1), label(1, "CD", 10, tumor="meningioma"))
    bring(workspace, label(1, "EF", 11, tumor="meningioma", adjudication="yes"))
    settled = read_reviewed(workspace).iloc[0]
    assert (settled["state"], settled["tumor"]) == ("agreed", "meningioma")
    assert settled["reviewers"] == ["EF"]
    bring(workspace, label(1, "AB", 12))
    assert states(workspace) == {"1": "conflict"}


def test_adjudication_settles_what_was_said_up_to_its_moment(workspace: Path) -> None:
    settling = label(1, "EF", 11, tumor="meningioma", adjudication="yes")
    bring(workspace, label(1, hour=11), settling)
    settled = read_reviewed(workspace).iloc[0]
    assert (settled["state"], settled["reviewers"]) == ("agreed", ["EF"])
    bring(workspace, label(1, "GH", 11, adjudication="yes"))
    assert states(workspace) == {"1": "conflict"}, "two who settle it at one moment"


@pytest.mark.parametrize(
    "later", [{"verdict": "unsure", "tumor": "", "plane": ""}, {"tumor": "none"}]
)
def test_a_conflict_is_open_again_when_who_settled_it_says_otherwise(
    workspace: Path, later: dict[str, str]
) -> None:
    """His newest label won alone, or the slice trained on as if nobody had disagreed."""
    bring(workspace, label(1), label(1, "CD", 10, tumor="meningioma"))
    bring(workspace, label(1, "EF", 11, tumor="meningioma", adjudication="yes"))
    bring(workspace, label(1, "EF", 12, **later))
    assert states(workspace) == {"1": "conflict"}
    assert read_conflicts(workspace)["reviewer"].tolist() == ["AB", "CD", "EF"]
    bring(workspace, label(1, "EF", 13, adjudication="yes"))
    settled = read_reviewed(workspace).iloc[0]
    assert (settled["state"], settled["tumor"]) == ("agreed", "glioma")


def test_who_settled_a_conflict_may_say_so_again(workspace: Path) -> None:
    bring(workspace, label(1), label(1, "CD", 10, tumor="meningioma"))
    bring(workspace, label(1, "EF", 11, tumor="meningioma", adjudication="yes"))
    bring(workspace, label(1, "EF", 12, tumor="meningioma", verdict="agree"))
    settled = read_reviewed(workspace).iloc[0]
    assert (settled["tumor"], settled["reviewers"]) == ("meningioma", ["EF"])


def test_the_later_of_two_adjudications_holds(workspace: Path) -> None:
    bring(workspace, label(1), label(1, "EF", 11, tumor="meningioma", adjudication="yes"))
    bring(workspace, label(1, "GH", 13, tumor="pituitary", adjudication="yes"))
    settled = read_reviewed(workspace).iloc[0]
    assert (settled["state"], settled["tumor"]) == ("agreed", "pituitary")


def test_adjudication_may_say_that_the_image_is_bad(workspace: Path) -> None:
    bad = {"verdict": "bad_image", "tumor": "", "plane": ""}
    bring(workspace, label(1), label(1, "CD", 10, **bad))
    bring(workspace, label(1, "EF", 11, adjudication="yes", **bad))
    assert states(workspace) == {"1": "bad_image"}


def test_row_of_a_slice_tells_of_all_its_labels(workspace: Path) -> None:
    other = RUN.replace("20260301", "20260228")
    runs = workspace / "runs"
    shutil.copytree(runs / RUN, runs / other)
    bring(workspace, label(1, "CD", 10, confidence=""), label(1, run_id=other, confidence=""))
    bring(workspace, label(2, confidence="5"), label(2, "CD", 8, confidence="3"))
    first, second = (row for _, row in read_reviewed(workspace).iterrows())
    assert first["reviewers"] == ["AB", "CD"]
    assert first["run_ids"] == [other, RUN]
    assert first["reviewed_at"] == pd.Timestamp("2026-03-02T10:00:00Z")
    assert pd.isna(first["confidence"])
    assert second["confidence"] == 3
    assert second["reviewed_at"] == pd.Timestamp("2026-03-02T09:00:00Z")


def test_conflicts_stand_by_slice_and_time_with_what_is_in_force(workspace: Path) -> None:
    bring(workspace, label(3), label(2), label(2, "CD", 8, plane="sagittal", confidence=""))
    bring(workspace, label(1, hour=12), label(1, "CD", 10, tumor="none"), label(1, hour=7))
    found = read_conflicts(workspace)
    assert found["slice_id"].tolist() == [SLICES[0], SLICES[0], SLICES[1], SLICES[1]]
    assert found["reviewer"].tolist() == ["CD", "AB", "CD", "AB"]
    assert found["reviewed_at"].dt.hour.tolist() == [10, 12, 8, 9]
    assert found["confidence"].isna().tolist() == [False, False, True, False]


def test_unsure_abstains_beside_a_label_that_decides(workspace: Path) -> None:
    bring(workspace, label(1), label(1, "CD", verdict="unsure", tumor="", plane=""))
    assert states(workspace) == {"1": "single"}


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
    with pytest.raises(LabelsError, match="line 2: expected one label of a reviewer"):
        bring(workspace, label(1, tumor="meningioma"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a first line with the columns run_id, slice_id"),
        (",".join(COLUMNS).encode() + b"\n", "a line for each label below the header"),
        (";".join(COLUMNS).encode() + b"\n", "commas instead of semicolons"),
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


def test_damaged_part_is_named(workspace: Path) -> None:
    bring(workspace, label(1))
    (part,) = parts(workspace)
    part.write_bytes(b"PAR1")
    with pytest.raises(LabelsError, match=part.name):
        read_reviewed(workspace)


def test_part_with_a_damaged_text_is_named(workspace: Path) -> None:
    bring(workspace, label(1))
    (part,) = parts(workspace)
    table = pq.ParquetFile(part).read()
    at = table.schema.get_field_index("note")
    broken = pa.array([b"\xff"] * len(table)).view(pa.string())
    pq.write_table(table.set_column(at, table.schema.field(at), broken), part)
    with pytest.raises(LabelsError, match=part.name):
        read_reviewed(workspace)
