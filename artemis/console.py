"""What a person at a terminal sees: progress and end summaries. Talk goes to standard error."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from artemis import RESEARCH_USE
from artemis.progress import Listener, listening, report_progress
from artemis.progress import Progress as Report
from artemis.runs import RunRecord
from artemis.said import counted, number


def talk(*, quiet: bool = False) -> Console:
    """Return the console for everything that is not data; silent if `quiet`."""
    return Console(stderr=True, quiet=quiet, highlight=False)


@contextmanager
def progress_bar(console: Console, first_stage: str) -> Iterator[None]:
    """Show progress reports made within this context, on a terminal only."""
    if not console.is_terminal or console.quiet:
        yield
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        _CountColumn(),
        TimeElapsedColumn(),
        _LeftColumn(),
    )
    bar = Progress(*columns, console=console, transient=True)
    with bar, listening(_advance(bar, first_stage)):
        yield


def epoch_lines(console: Console) -> Callable[[Any, str, Any], None]:
    """Return what prints a line for each finished epoch, and moves the bar to it.

    It takes the recipe, the stage and the epoch, see `artemis.training.jobs.OnEpoch`.
    """

    def tell(recipe: Any, stage: str, epoch: Any) -> None:
        left = timedelta(seconds=round((recipe.epochs - epoch.number) * epoch.seconds))
        score = "" if math.isnan(epoch.macro_f1) else f", held-out macro F1 {epoch.macro_f1:.3f}"
        console.print(
            f"{recipe.model}, {stage}: epoch {epoch.number} of {recipe.epochs}, loss "
            f"{epoch.loss:.3f}, accuracy {epoch.accuracy:.3f}{score}, {left} left",
            soft_wrap=True,
        )
        report_progress(f"{recipe.model}, {stage}", epoch.number, recipe.epochs)

    return tell


class _CountColumn(ProgressColumn):
    """``12 of 40``; ``12`` while the total is unknown, nothing before the first."""

    def render(self, task: Task) -> Text:
        if task.total is None:
            return Text(f"{task.completed:.0f}" if task.completed else "")
        return Text(f"{task.completed:.0f} of {task.total:.0f}")


class _LeftColumn(ProgressColumn):
    """``0:00:12 left``, where that can be said."""

    def render(self, task: Task) -> Text:
        if task.time_remaining is None:
            return Text("")
        return Text(f"{timedelta(seconds=round(task.time_remaining))} left")


def _advance(bar: Progress, first_stage: str) -> Listener:
    stage, task = first_stage, bar.add_task(first_stage, total=None)

    def advance(report: Report) -> None:
        nonlocal stage, task
        if report.stage != stage:
            # A new task, since a bar's total cannot be made unknown again.
            bar.remove_task(task)
            stage, task = report.stage, bar.add_task(report.stage, total=report.total)
        bar.update(task, completed=report.done, total=report.total)

    return advance


def print_summary(console: Console, record: RunRecord, recorded: int | None = None) -> None:
    """Print what became of a run: counts, time, and the paths of what was made.

    `recorded` is the number of its task runs that Prefect has recorded, None for a merged run.
    """
    counts = record.counts
    lines = {
        "Run": record.run_id,
        "Slices": f"{number(counts.slices)} found in {counted(counts.files, 'file')}: "
        f"{number(counts.ok)} classified, "
        f"{number(counts.refused)} refused, {number(counts.failed)} failed",
        "Review": counted(counts.needs_review, "needs a look", "need a look"),
        **_how(record, recorded),
        "Predictions": f"{record.store}/runs/{record.run_id}"
        if record.store
        else str((record.settings.workspace / "runs" / record.run_id).resolve()),
        "Report": record.report or "none",
    }
    if record.passed_over:
        own = ", ".join(f"{place} {number}" for place, number in record.passed_over.items())
        lines["Passed over"] = f"files that Artemis itself wrote: {own}"
    for name, value in lines.items():
        # Not wrapped: a path must survive being copied.
        console.print(Text.assemble((f"{name:<12} ", "bold"), value), soft_wrap=True)
    console.print(RESEARCH_USE, style="italic", soft_wrap=True)


def _rate(a_second: float) -> str:
    return f"{a_second:.0f}" if a_second >= 1.5 else f"{a_second:.2f}"


def _how(record: RunRecord, recorded: int | None) -> dict[str, str]:
    """Return the lines on time and what did the work: Prefect's tasks, or other runs."""
    seconds = sum(record.timings.values())
    if record.merged:
        return {"Time": f"{seconds:.1f} s to merge", "Shards": ", ".join(record.merged)}
    lines = {"Shard": f"{record.shard} of the batch"} if record.shard else {}
    if record.settings.runtime != "litert" or "probe" in record.runtime:
        lines["Networks"] = record.runtime
    ok = record.counts.ok
    rate = f" ({_rate(ok / seconds)} slices a second)" if ok and seconds else ""
    return lines | {
        "Time": f"{seconds:.1f} s to find and classify{rate}",
        "Prefect": f"{recorded} of {record.tasks} task runs recorded",
    }
