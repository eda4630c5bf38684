from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from artemis.answers.studies import (
    SUPPORTING,
    place_of,
    series_of,
    study_rows,
    with_series,
    write_studies,
)
from artemis.labels import PROBABILITY_COLUMNS, TUMORS, category_of
from artemis.predictions import part_name, read_studies, write_part
from artemis.runs import RunPaths
from artemis.schemas import PREDICTIONS_SCHEMA, SLICES_SCHEMA
from artemis.settings import ReviewSettings
from tests.test_predictions import prediction_row, slice_row
from tests.test_runs import record


class Batch:
    """Slices of series with what models say of them, built row by row."""

    def __init__(self) -> None:
        self.slices: list[dict[str, Any]] = []
        self.predictions: list[dict[str, Any]] = []

    def add(
        self, tumor: str | None, p: float = 0.9, models: tuple[str, ...] = ("m",), **keys: Any
    ) -> str:
        """Add a slice of a tumour answered with probability p; None is refused."""
        path = f"{len(self.slices)}.dcm"
        status = "ok" if tumor else "refused"
        self.slices.append(slice_row(path, status) | {"format": "dicom", **keys})
        for model in models if tumor else ():
            answer = prediction_row(path, model)
            answer |= dict.fromkeys(PROBABILITY_COLUMNS, (1 - p) / 11)
            category = category_of(tumor or "none", "coronal")
            answer |= {f"p_{category.name}": p, "tumor": tumor, "plane": "coronal"}
            answer |= {"review_reasons": [], "slice_id": self.slices[-1]["slice_id"]}
            self.predictions.append(answer)
        return str(self.slices[-1]["slice_id"])

    def rows(self) -> list[dict[str, Any]]:
        slices = pd.DataFrame(self.slices, columns=SLICES_SCHEMA.names)
        predictions = pd.DataFrame(self.predictions, columns=PREDICTIONS_SCHEMA.names)
        return study_rows(slices, predictions, ReviewSettings())


def of(study: str, series: str, **more: Any) -> dict[str, Any]:
    return {"study_key": study, "series_key": series, "patient_key": "p1", **more}


def test_single_pictures_have_no_study() -> None:
    batch = Batch()
    for _ in range(3):
        batch.add("glioma")
    assert batch.rows() == []


def test_a_lone_slice_of_a_series_has_no_study() -> None:
    batch = Batch()
    batch.add("glioma", **of("s", "1"))
    batch.add("glioma", **of("t", "2"))
    assert batch.rows() == []


def test_a_study_has_a_row_of_its_own_and_one_for_each_series_and_model() -> None:
    batch = Batch()
    for series in ("1", "1", "2", "2"):
        batch.add("glioma", models=("m", "n"), **of("s", series))
    rows = batch.rows()
    assert [(row["series_key"], row["model"]) for row in rows] == [
        (None, "m"),
        (None, "n"),
        ("1", "m"),
        ("1", "n"),
        ("2", "m"),
        ("2", "n"),
    ]
    assert {row["study_key"] for row in rows} == {"s"}
    assert [row["slices"] for row in rows] == [4, 4, 2, 2, 2, 2]
    assert {row["patient_key"] for row in rows} == {"p1"}


def test_slices_with_a_tumour_outweigh_many_without() -> None:
    batch = Batch()
    clear = [batch.add("none", 0.97, **of("s", "1")) for _ in range(30)]
    ill = [batch.add("meningioma", 0.8 + k / 100, **of("s", "1")) for k in range(8)]
    study = batch.rows()[0]
    assert study["tumor"] == "meningioma"
    assert study["supporting"] == ill[:-6:-1]  # the surest five, the surest first
    assert len(study["supporting"]) == SUPPORTING
    assert not set(clear) & set(study["supporting"])
    assert sum(study[f"p_{tumor}"] for tumor in TUMORS) == pytest.approx(1)
    assert study["confidence"] == study["p_meningioma"]
    assert study["rule"] == "mean_of_top_8"


def test_refused_slices_are_counted_and_not_asked() -> None:
    batch = Batch()
    batch.add("glioma", **of("s", "1"))
    batch.add(None, **of("s", "1"))
    study = batch.rows()[0]
    assert (study["slices"], study["classified"]) == (2, 1)
    assert study["tumor"] == "glioma"


def test_a_series_of_which_nothing_could_be_classified_has_no_row() -> None:
    batch = Batch()
    batch.add(None, **of("s", "1"))
    batch.add(None, **of("s", "1"))
    assert batch.rows() == []


def test_a_copy_of_a_slice_counts_once() -> None:
    batch = Batch()
    batch.add("glioma", **of("s", "1"))
    batch.add("none", **of("s", "1"))
    batch.add("none", **of("s", "1"))
    for table in (batch.slices, batch.predictions):
        table[2]["slice_id"] = table[1]["slice_id"]
    study = batch.rows()[0]
    assert (study["slices"], study["classified"]) == (3, 2)
    assert study["p_glioma"] == pytest.approx(study["p_none"])


def test_a_nifti_volume_is_a_series_without_a_study() -> None:
    batch = Batch()
    for frame in range(3):
        batch.add("pituitary", format="nifti", file_sha256="ab" * 32, series_index=frame)
    batch.add("pituitary", format="tiff", file_sha256="cd" * 32)
    rows = batch.rows()
    assert [(row["study_key"], row["series_key"]) for row in rows] == [(None, "file-" + "ab" * 8)]


def test_planes_are_those_of_the_headers_or_else_what_most_slices_show() -> None:
    batch = Batch()
    batch.add("glioma", **of("s", "1", header_plane="transverse"))
    batch.add("glioma", **of("s", "1", header_plane="sagittal"))
    batch.add("glioma", **of("t", "2"))
    batch.add("glioma", **of("t", "2"))
    planes = {row["study_key"]: row["planes"] for row in batch.rows()}
    assert planes == {"s": ["sagittal", "transverse"], "t": ["coronal"]}


def reasons(batch: Batch) -> list[list[str]]:
    rows = batch.rows()
    assert [row["needs_review"] for row in rows] == [bool(row["review_reasons"]) for row in rows]
    return [row["review_reasons"] for row in rows]


def test_a_sure_and_undisputed_study_needs_no_look() -> None:
    batch = Batch()
    for _ in range(2):
        batch.add("glioma", models=("m", "n"), **of("s", "1"))
    assert reasons(batch) == [[]] * 4


def test_an_unsure_study_needs_a_look() -> None:
    batch = Batch()
    batch.add("glioma", 0.4, **of("s", "1"))
    batch.add("meningioma", 0.4, **of("s", "1"))
    assert reasons(batch) == [["low_confidence"]] * 2


def test_models_that_differ_on_a_study_are_a_reason() -> None:
    batch = Batch()
    for _ in range(2):
        batch.add("glioma", models=("m", "n"), **of("s", "1"))
    for row in batch.predictions[1::2]:
        row["p_glioma_coronal"], row["p_none_coronal"] = row["p_none_coronal"], 0.9
    assert reasons(batch) == [["models_disagree"]] * 4


def test_series_that_name_different_tumours_are_a_reason_for_their_study() -> None:
    batch = Batch()
    for tumor, series in (("glioma", "1"), ("pituitary", "2"), ("none", "3")):
        for _ in range(8):
            batch.add(tumor, 0.97, **of("s", series))
    assert "series_disagree" in reasons(batch)[0]
    assert reasons(batch)[1:] == [[], [], []]


def test_a_series_without_tumour_contradicts_none() -> None:
    batch = Batch()
    for tumor, series in (("glioma", "1"), ("none", "2")):
        for _ in range(8):
            batch.add(tumor, 0.97, **of("s", series))
    assert reasons(batch)[0] == []


def test_support_unlike_the_training_images_is_a_reason() -> None:
    batch = Batch()
    for _ in range(3):
        batch.add("glioma", **of("s", "1"))
    for row in batch.predictions[:2]:
        row["review_reasons"] = ["out_of_distribution"]
    assert reasons(batch) == [["out_of_distribution"]] * 2


def test_the_confidence_of_a_study_unlike_the_training_images_is_no_reason() -> None:
    batch = Batch()
    batch.add("glioma", 0.4, **of("s", "1"))
    batch.add("meningioma", 0.4, **of("s", "1"))
    for row in batch.predictions:
        row["review_reasons"] = ["out_of_distribution"]
    assert reasons(batch) == [["out_of_distribution"]] * 2


def test_half_of_the_support_unlike_the_training_images_is_no_reason() -> None:
    batch = Batch()
    for _ in range(2):
        batch.add("glioma", **of("s", "1"))
    batch.predictions[0]["review_reasons"] = ["out_of_distribution"]
    assert reasons(batch) == [[]] * 2


def test_series_are_held_against_those_that_the_same_model_answered() -> None:
    batch = Batch()
    for series, model, tumor in (("1", "m", "glioma"), ("2", "n", "pituitary")):
        for _ in range(2):
            batch.add(tumor, models=(model,), **of("s", series))
    assert [found for found in reasons(batch) if "series_disagree" in found] == []


def test_what_a_study_says_as_a_whole_contradicts_none_of_its_series() -> None:
    batch = Batch()
    for series in ("1", "2"):
        for tumor, p, count in (("meningioma", 0.99, 3), ("glioma", 0.9, 5)):
            for _ in range(count):
                batch.add(tumor, p, **of("s", series))
    assert [row["tumor"] for row in batch.rows()] == ["meningioma", "glioma", "glioma"]
    assert "series_disagree" not in reasons(batch)[0]


def test_studies_and_series_stand_in_the_order_of_the_run() -> None:
    batch = Batch()
    for study, series in (("t", "9"), ("t", "3"), ("s", "5")):
        for _ in range(2):
            batch.add("glioma", **of(study, series))
    assert [(row["study_key"], row["series_key"]) for row in batch.rows()] == [
        ("t", None),
        ("t", "9"),
        ("t", "3"),
        ("s", None),
        ("s", "5"),
    ]


@pytest.mark.parametrize(
    ("keys", "series"),
    [
        ({"format": "dicom", "series_key": "1", "file_sha256": "ab" * 32}, "1"),
        ({"format": "nifti", "series_key": None, "file_sha256": "ab" * 32}, "file-" + "ab" * 8),
        ({"format": "nifti", "series_key": None, "file_sha256": None}, None),
        ({"format": "tiff", "series_key": None, "file_sha256": "ab" * 32}, None),
    ],
)
def test_series_of_one_row_is_that_of_the_table(keys: dict[str, Any], series: str | None) -> None:
    row = slice_row("a") | keys
    assert series_of(row) == series
    found = with_series(pd.DataFrame([row], dtype=object))["series_key"]
    assert found.where(found.notna(), None).tolist() == [series]


def test_slices_of_several_patients_name_none() -> None:
    batch = Batch()
    for patient in ("p1", "p2"):
        batch.add("glioma", **of("s", "1") | {"patient_key": patient})
    assert {row["patient_key"] for row in batch.rows()} == {None}


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    batch = Batch()
    for number in range(4):
        batch.add("glioma", 0.6 + number / 10, **of("s", "1", series_index=number))
    paths = RunPaths(tmp_path, "20261123T000000Z-aaaaaa")
    for chunk in range(2):  # a series may lie in several chunks
        rows = slice(2 * chunk, 2 * chunk + 2)
        write_part(paths.slices / part_name(chunk), batch.slices[rows], SLICES_SCHEMA)
        part = paths.predictions("m") / part_name(chunk)
        write_part(part, batch.predictions[rows], PREDICTIONS_SCHEMA)
    return paths


def test_the_table_is_written_once_and_read_in_one_call(run: RunPaths) -> None:
    assert write_studies(run, record(run.run_id)) == 2
    part = run.studies / part_name(0)
    written = part.stat().st_mtime_ns
    assert write_studies(run, record(run.run_id)) == 2
    assert part.stat().st_mtime_ns == written
    table = read_studies(run.root)
    assert table["series_key"].fillna("the study").tolist() == ["the study", "1"]
    assert table["classified"].tolist() == [4, 4]
    assert table["supporting"][0].tolist() == [f"id-{k}.dcm-0" for k in (3, 2, 1, 0)]
    assert table["run_id"].unique().tolist() == [run.run_id]
    assert table["p_glioma"].dtype == np.float32


def test_a_run_of_single_pictures_has_no_such_table(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path, "20261123T000000Z-aaaaaa")
    write_part(paths.slices / part_name(0), [slice_row("a.png")], SLICES_SCHEMA)
    assert write_studies(paths, record(paths.run_id)) == 0
    assert not paths.studies.exists()
    assert read_studies(paths.root).empty


def at(series: str, position: float | None, **more: Any) -> dict[str, Any]:
    return of("s", series, slice_position=position, header_plane="coronal", **more)


def test_time_points_of_one_place_count_as_one_slice() -> None:
    times = Batch()
    for position in range(4):  # a glioma at one place, in each of ten time points
        for time in range(10):
            found = position == 2
            answer, p = ("glioma", 0.9) if found else ("none", 0.9)
            times.add(answer, p, **at("1", position * 5.0, frame=0, series_index=time))
    places = Batch()
    for position in range(4):
        answer = "glioma" if position == 2 else "none"
        places.add(answer, 0.9, **at("1", position * 5.0))
    several, once = times.rows()[1], places.rows()[1]
    assert (several["slices"], several["classified"]) == (40, 40)
    assert several["tumor"] == once["tumor"]
    assert several["confidence"] == pytest.approx(once["confidence"])
    assert len(several["supporting"]) == 4  # one of each place


def test_a_place_says_what_its_time_points_say_on_average() -> None:
    batch = Batch()
    batch.add("glioma", 0.9, **at("1", 0.0))
    strongest = batch.add("glioma", 0.98, **at("1", 0.001))
    batch.add("meningioma", 0.9, **at("1", -0.0))
    study, series = batch.rows()
    expected = (0.9 + 2 * 0.1 / 11 + 0.98 + 2 * 0.02 / 11 + 3 * 0.1 / 11) / 3
    assert series["p_glioma"] == pytest.approx(expected, abs=1e-6)
    assert series["supporting"] == [strongest]
    assert study["p_glioma"] == series["p_glioma"]


def test_equal_positions_of_other_series_or_planes_or_none_at_all_are_other_places() -> None:
    batch = Batch()
    for keys in (at("1", 0.0), at("2", 0.0), at("2", 0.0) | {"header_plane": "sagittal"}):
        batch.add("glioma", **keys)
    for _ in range(2):
        batch.add("glioma", **at("2", None))
    assert len(batch.rows()[0]["supporting"]) == 5


@pytest.mark.parametrize("other", [2.671, 2.684])
def test_the_place_of_one_row_is_that_of_the_table(other: float) -> None:
    batch = Batch()  # 2.675 is less than its digits say, and one rounding makes 2.68 of it
    for position in (2.675, other):
        batch.add("glioma", **at("1", position))
    in_pages = {place_of(row) for row in batch.slices}
    assert len(batch.rows()[1]["supporting"]) == len(in_pages)
