"""What a reviewer's export says of a run's slices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from artemis.errors import LabelsError
from artemis.report.run.data import load_run
from artemis.report.run.kept_truth import keep_truth
from tests.report.conftest import RUN_ID, typical_tables

MakeRun = Callable[..., Path]


def test_a_review_is_read_as_truth_without_what_reviewers_disagree_on(
    make_run: MakeRun, tmp_path: Path
) -> None:
    tables = typical_tables(3)
    one, other = (row["slice_id"] for row in tables.slices[:2])
    rows = [
        (one, "correct", "none", "coronal", "AB"),
        (one, "unsure", "", "", "CD"),
        (other, "agree", "glioma", "sagittal", "AB"),
        (other, "correct", "none", "sagittal", "CD"),
    ]
    file = tmp_path / "review.csv"
    file.write_text(
        "run_id,slice_id,verdict,tumor,plane,reviewer,confidence,reviewed_at\n"
        + "".join(
            f"{RUN_ID},{slice_id},{verdict},{tumor},{plane},{who},,2026-03-01T12:00:00Z\n"
            for slice_id, verdict, tumor, plane, who in rows
        ),
        encoding="utf-8",
    )
    run = make_run(tables)
    keep_truth(run, file)
    data = load_run(run)
    assert [item.truth and item.truth.name for item in data.ok] == ["none_coronal", None, None]
    assert data.truth_words.endswith("without 1 slice on which reviewers disagree")


@pytest.mark.parametrize(
    ("verdicts", "received"),
    [
        (["bad_image"], "Received 1 reviewed slice, none of them decided."),
        (["unsure", "bad_image"], "Received 2 reviewed slices, none of them decided."),
    ],
)
def test_a_review_that_decides_nothing_is_refused_for_that(
    verdicts: list[str], received: str, make_run: MakeRun, tmp_path: Path
) -> None:
    tables = typical_tables(3)
    file = tmp_path / "review.csv"
    file.write_text(
        "run_id,slice_id,verdict,tumor,plane,reviewer,confidence,reviewed_at\n"
        + "".join(
            f"{RUN_ID},{row['slice_id']},{verdict},,,AB,,2026-03-01T12:00:00Z\n"
            for row, verdict in zip(tables.slices, verdicts, strict=False)
        ),
        encoding="utf-8",
    )
    with pytest.raises(LabelsError) as raised:
        keep_truth(make_run(tables), file)
    expected = f"{file}: expected a slice whose tumour and plane a review decides."
    assert str(raised.value).startswith(f"{expected} {received} ")


def test_a_review_that_a_third_person_settled_is_read_as_the_workspace_reads_it(
    make_run: MakeRun, tmp_path: Path
) -> None:
    tables = typical_tables(3)
    settled, bad, after = (row["slice_id"] for row in tables.slices[:3])
    rows = [
        (settled, "correct", "glioma", "coronal", "AB", 10, ""),
        (settled, "correct", "none", "coronal", "CD", 11, ""),
        (settled, "correct", "none", "coronal", "EF", 12, "yes"),
        (bad, "correct", "none", "coronal", "AB", 10, ""),
        (bad, "bad_image", "", "", "CD", 11, ""),
        (after, "correct", "glioma", "coronal", "EF", 10, "yes"),
        (after, "correct", "none", "coronal", "AB", 11, ""),
    ]
    file = tmp_path / "review.csv"
    file.write_text(
        "run_id,slice_id,verdict,tumor,plane,reviewer,confidence,reviewed_at,adjudication\n"
        + "".join(
            f"{RUN_ID},{slice_id},{verdict},{tumor},{plane},{who},,2026-03-01T{hour}:00:00Z,{yes}\n"
            for slice_id, verdict, tumor, plane, who, hour, yes in rows
        ),
        encoding="utf-8",
    )
    run = make_run(tables)
    keep_truth(run, file)
    data = load_run(run)
    assert [item.truth and item.truth.name for item in data.ok] == ["none_coronal", None, None]
    assert data.truth_words.endswith("without 2 slices on which reviewers disagree")
