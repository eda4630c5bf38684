from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import cli
from artemis.report.drift.measure import (
    chance_limit,
    read_side,
    shifts_from_run,
    shifts_from_training,
    stability_index,
)
from artemis.report.drift.page import write_drift
from artemis.runs import read_record
from artemis.seen import SeenSlices, quantiles_of
from tests.report.conftest import RUN_ID, Tables, typical_tables, write_run
from tests.report.parsing import Page, text

LATER = "20260302T080000Z-ffffff"
MakeRun = Callable[..., Path]


def two_runs(folder: Path, later: Tables, earlier: Tables | None = None) -> tuple[Path, Path]:
    """Write a later and an earlier run of one workspace."""
    runs = [
        write_run(folder / run_id, tables, run_id=run_id).root
        for run_id, tables in ((LATER, later), (RUN_ID, earlier or typical_tables(240)))
    ]
    place = folder / "workspace" / "runs"
    place.mkdir(parents=True)
    return tuple(
        run.rename(place / run_id) for run, run_id in zip(runs, (LATER, RUN_ID), strict=True)
    )  # type: ignore[return-value]


def with_record(run: Path, **changes: object) -> Path:
    """Change what a run's record says of its first model."""
    record = read_record(run)
    first = record.models[0].model_copy(update=changes)
    changed = record.model_copy(update={"models": [first, *record.models[1:]]})
    (run / "run.json").write_text(changed.model_dump_json(), encoding="utf-8")
    return run


def test_the_index_is_the_symmetric_divergence_of_the_shares() -> None:
    ten, other = np.array([70.0, 30.0]), np.array([50.0, 50.0])
    a, b = np.array([70.5, 30.5]) / 101, np.array([50.5, 50.5]) / 101
    assert stability_index(ten, other) == pytest.approx(float(((a - b) * np.log(a / b)).sum()))
    assert stability_index(ten, other) == pytest.approx(stability_index(other, ten))
    assert stability_index(ten, ten) == 0
    assert np.isfinite(stability_index(np.array([5.0, 0.0]), np.array([0.0, 5.0])))


@pytest.mark.parametrize(
    ("bins", "percentile"), [(3, 5.991), (10, 16.919), (12, 19.675)]
)  # of chi-squared, from a table
def test_what_is_chance_falls_with_the_slices_of_both(bins: int, percentile: float) -> None:
    assert chance_limit(bins, 200, 800) == pytest.approx(percentile / 160, rel=0.01)
    assert chance_limit(bins, 0, 800) == np.inf


def test_of_batches_without_drift_one_in_twenty_goes_beyond_chance() -> None:
    rng = np.random.default_rng(11)
    drawn = rng.multinomial(400, np.full(10, 0.1), size=(2000, 2)).astype(np.float64)
    beyond = [stability_index(*pair) > chance_limit(10, 400, 400) for pair in drawn]
    assert 0.04 < np.mean(beyond) < 0.06


def test_a_run_against_itself_has_moved_in_nothing(tmp_path: Path) -> None:
    side = read_side(two_runs(tmp_path, typical_tables(240))[1])
    shifts = shifts_from_run(side, side)
    assert [(one.key, one.model) for one in shifts] == [
        ("status", None),
        *((key, m) for m in side.predictions["model"].unique()[::-1] for key in
          ("ood_score", "confidence", "categories")),
        *((key, None) for key in
          ("mean_intensity", "contrast", "foreground_fraction", "entropy", "sharpness")),
    ]  # fmt: skip
    assert [one.psi for one in shifts] == [0] * 12
    assert {one.size for one in shifts} == {"chance"}


def test_a_darker_batch_with_more_refusals_is_told_from_the_run_before(tmp_path: Path) -> None:
    later = typical_tables(240)
    for row in later.slices[:240]:
        row["mean_intensity"] -= 40
    later.slices += [dict(later.slices[-4], path=f"photo_{number}.jpg") for number in range(60)]
    runs = two_runs(tmp_path, later)
    written = write_drift(*runs)
    sizes = {(one.key, one.model): one.size for one in written.shifts}
    assert {key for key, size in sizes.items() if size == "large"} == {
        ("mean_intensity", None),
        ("status", None),
    }
    page = Page(written.page)
    assert "Of 12 measures, the shift from the other run is large in 2." in text(page.by_id("main"))
    rows = page.rows("table-measures")
    assert rows[0][0] == "Mean intensity"
    assert rows[0][3:5] == ["240", "240"]
    assert rows[0][-1] == "large"
    assert "Refused6220%21%+19.6" in text(page.by_id("answers"))
    assert "Colour picture611" in text(page.by_id("answers"))
    assert written.page == runs[0].parents[1] / "reports" / "drift" / f"{LATER}--{RUN_ID}" / (
        "index.html"
    )
    assert "drift/" in (written.page.parents[2] / "index.html").read_text(encoding="utf-8")


def test_a_batch_as_sure_as_its_model_was_has_not_moved_where_most_are_nearly_certain(
    make_run: MakeRun,
) -> None:
    rng = np.random.default_rng(5)

    def confidences(slices: int) -> np.ndarray:
        sure = 1 - 10 ** -rng.uniform(4.5, 7, slices)  # recorded quantiles say 1.0 of these
        return np.where(rng.random(slices) < 0.3, sure, rng.beta(5, 1, slices))

    tables = typical_tables(400)
    for rows in tables.predictions.values():
        for row, confidence in zip(rows, confidences(400), strict=True):
            row["confidence"] = float(np.float32(confidence))
    seen = SeenSlices(
        slices=4000,
        ood_score=quantiles_of(np.linspace(0.5, 2, 4000)),
        answered=4000,
        confidence=quantiles_of(confidences(4000)),
    )
    side = read_side(with_record(make_run(tables), seen=seen))
    moved = {one.key: one for one in shifts_from_training(side) if one.model == "mobilenet_v2"}
    assert moved["confidence"].counts.sum() == 400
    assert moved["confidence"].size in ("chance", "small")


def test_against_training_distance_confidence_and_categories_are_compared(
    make_run: MakeRun,
) -> None:
    seen = SeenSlices(
        slices=900,
        ood_score=[3 + step / 10 for step in range(21)],
        answered=800,
        confidence=[0.6 + step / 50 for step in range(21)],
    )
    counts = {"glioma_coronal": 900}
    run = with_record(make_run(typical_tables(240)), seen=seen, trained_on=counts)
    written = write_drift(run)
    assert [(one.key, one.model, one.others.sum()) for one in written.shifts] == [
        ("ood_score", "mobilenet_v2", pytest.approx(900)),
        ("confidence", "mobilenet_v2", pytest.approx(800)),
        ("categories", "mobilenet_v2", 900),
    ]
    assert written.shifts[0].size == "large"  # the batch lies at 2.0, all training beyond 3
    page = Page(written.page)
    words = text(page.by_id("main"))
    assert "Out-of-distribution score, mobilenet_v2: median 2, reference 4" in words
    assert "picture quality and what would have been refused are not recorded" in words
    assert "This run does not record how baseline sees its training images" in words
    assert len(page.by_id("plots").findall(".//path[@class='behind']")) == 2
    assert write_drift(run).page.read_bytes() == written.page.read_bytes()


def test_confidence_in_what_was_trained_on_is_not_counted_and_that_is_said(
    make_run: MakeRun,
) -> None:
    tables = typical_tables(240)
    for row in tables.predictions["mobilenet_v2"][:100]:
        row["trained_on"] = True
    seen = SeenSlices(slices=900, ood_score=[0.1] * 21, answered=800, confidence=[0.9] * 21)
    written = write_drift(with_record(make_run(tables), seen=seen))
    counts = {one.key: one.counts.sum() for one in written.shifts}
    assert counts == {"ood_score": 240, "confidence": 140}
    words = text(Page(written.page).by_id("main"))
    assert "mobilenet_v2 was trained on 100 slices of this batch. Its confidence in them" in words
    assert "baseline was trained on" not in words


def test_answers_of_another_version_are_not_compared_and_that_is_said(tmp_path: Path) -> None:
    later, earlier = two_runs(tmp_path, typical_tables(240))
    with_record(earlier, sha256="0" * 64, version="0.9")
    written = write_drift(later, earlier)
    assert {one.model for one in written.shifts} == {"baseline", None}
    assert (
        "Answers of mobilenet_v2 are not compared: this run used version 1.0.0, the other used "
        "version 0.9" in text(Page(written.page).by_id("main"))
    )


def test_a_batch_of_nothing_says_so(make_run: MakeRun) -> None:
    words = text(Page(write_drift(make_run(Tables())).page).by_id("main"))
    assert "Nothing of this batch can be held against the training images." in words
    assert "0 slices classified: so few say little" in words


def asked(workspace: Path, *arguments: str, code: int = 0) -> str:
    answer = CliRunner().invoke(cli.app, ["report", *arguments, "--workspace", str(workspace)])
    assert answer.exit_code == code, answer.output
    return answer.stdout if code == 0 else " ".join(answer.output.split())


def test_the_command_prints_the_page_or_the_shifts(tmp_path: Path) -> None:
    later, _ = two_runs(tmp_path, typical_tables(30))
    workspace = later.parents[1]
    page = Path(asked(workspace, LATER, "--drift", "--against", RUN_ID).strip())
    assert page.is_file()
    shifts = json.loads(asked(workspace, LATER, "--drift", "--against", RUN_ID, "--json"))["shifts"]
    assert shifts[0] == {
        "measure": "status",
        "model": None,
        "psi": pytest.approx(0.249, abs=0.001),
        "psi_by_chance": pytest.approx(0.199, abs=0.001),
        "shift": "moderate",
        "slices": 34,
        "reference_slices": 244,
        "medians": None,
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([RUN_ID, "--against", LATER], "--against: expected --drift with it."),
        ([RUN_ID, "--drift", "--pdf"], "--drift: expected one RUN"),
        ([RUN_ID, "--drift", "--format", "json"], "--drift: expected one RUN"),
        ([RUN_ID, "--drift", "--against", "latest"], "--against: expected another run."),
    ],
)
def test_wrong_usage_is_named(make_run: MakeRun, arguments: list[str], words: str) -> None:
    workspace = make_run(typical_tables(3)).parents[1]
    assert words in asked(workspace, *arguments, code=2)
