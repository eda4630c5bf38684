from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artemis.errors import LabelsError
from artemis.reviews.reviewed import read_conflicts, read_reviewed
from tests.reviews.labels import RUN, SLICES, bring, label, parts


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
