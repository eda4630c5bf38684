from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from artemis.predictions import mean_doubt
from artemis.report.plots.trends import TREND_RUNS, left_out_words, plotted_runs, trends
from artemis.runs import Counts, RunRecord, RunStatus
from tests.report.conftest import run_record, typical_tables, write_run


def records(count: int) -> list[RunRecord]:
    base = run_record(typical_tables(0))
    return [
        base.model_copy(
            update={
                "run_id": f"{n:04d}",
                "created": base.created + timedelta(days=n),
                "counts": Counts(slices=10 * (n + 1), ok=5, needs_review=n % 5, refused=1),
            }
        )
        for n in range(count)
    ]


def test_finished_runs_are_plotted_oldest_first_and_the_rest_is_said() -> None:
    runs = records(TREND_RUNS + 3)
    runs[-1] = runs[-1].model_copy(update={"status": RunStatus.RUNNING})
    plotted = [run.run_id for run in plotted_runs(runs[::-1])]
    assert plotted == [f"{n:04d}" for n in range(2, TREND_RUNS + 2)]
    assert left_out_words(runs) == "Not plotted: 1 run that did not finish and 2 older runs."
    assert left_out_words(records(3)) == ""


def test_shards_that_a_finished_run_joins_are_not_plotted_beside_it() -> None:
    one, two, other, whole = records(4)
    whole = whole.model_copy(update={"merged": [one.run_id, two.run_id]})
    runs = [one, two, other, whole]
    assert plotted_runs(runs) == [other, whole]
    assert left_out_words(runs) == "Not plotted: 2 shards that another run joins."
    failed = whole.model_copy(update={"status": RunStatus.FAILED})
    assert plotted_runs([one, two, other, failed]) == [one, two, other]


def test_a_trend_has_a_mark_for_each_run_and_its_axis_reaches_the_largest() -> None:
    found = trends(records(4))[0]
    assert found.plot.count("<circle") == 4
    assert '<text class="end" x="47" y="16">40</text>' in found.plot
    assert found.last == "40"
    assert "<title>0001: 20</title>" in found.plot


def test_the_time_axis_names_days_and_times_where_the_day_is_one() -> None:
    runs = records(3)
    assert ">2026-03-01</text>" in trends(runs)[0].plot
    hours = [
        run.model_copy(update={"created": runs[0].created + timedelta(hours=n)})
        for n, run in enumerate(runs)
    ]
    plot = trends(hours)[0].plot
    assert ">2026-03-01 12:00</text>" in plot
    assert ">2026-03-01 14:00</text>" in plot


def test_a_run_that_measured_no_doubt_is_a_gap_and_none_at_all_is_said() -> None:
    runs = [
        run.model_copy(update={"mean_doubt": doubt})
        for run, doubt in zip(records(3), (0.2, None, 0.4), strict=True)
    ]
    doubt = trends(runs)[3]
    assert doubt.plot.count("<polygon") == 2
    assert doubt.last == "0.40"
    assert trends(records(2))[3].last == "not measured"


def test_batches_of_nothing_have_no_share() -> None:
    empty = [run.model_copy(update={"counts": Counts()}) for run in records(2)]
    assert [trend.last for trend in trends(empty)] == ["0", *["not measured"] * 3]


def test_one_run_has_no_trend() -> None:
    assert trends(records(1)) == []


def test_mean_doubt_is_of_the_first_model_of_the_record(tmp_path: Path) -> None:
    tables = typical_tables(2, rejected=False)
    for model, doubts in (("mobilenet_v2", (0.5, 0.7)), ("baseline", (0.0, 0.1))):
        for row, doubt in zip(tables.predictions[model], doubts, strict=True):
            row["doubt"] = doubt
    run = write_run(tmp_path, tables).root
    assert round(mean_doubt(run, ["mobilenet_v2", "baseline"]) or 0, 3) == 0.6
    assert round(mean_doubt(run, ["baseline"]) or 0, 3) == 0.05


def test_a_run_without_readable_answers_has_no_mean_doubt(tmp_path: Path) -> None:
    run = write_run(tmp_path, typical_tables(1)).root
    (run / "predictions" / "model=baseline" / "part-00000.parquet").write_bytes(b"half")
    assert mean_doubt(run, ["baseline"]) is None
    assert mean_doubt(run, ["other"]) is None
