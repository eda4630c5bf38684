"""What a person at a terminal sees: progress and end summaries. Talk goes to standard error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from artemis import RESEARCH_USE
from artemis.progress import Listener, listening
from artemis.progress import Progress as Report
from artemis.runs import RunRecord


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
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=console, transient=True)
    with bar, listening(_advance(bar, bar.add_task(first_stage, total=None))):
        yield


def _advance(bar: Progress, task: TaskID) -> Listener:
    stage = ""

    def advance(report: Report) -> None:
        nonlocal stage
        if report.stage != stage:
            stage = report.stage
            bar.reset(task, description=stage, total=report.total)
        bar.update(task, completed=report.done, total=report.total)

    return advance


def print_summary(console: Console, record: RunRecord, recorded: int) -> None:
    """Print what became of a run: counts, time, and the paths of what was made."""
    counts, seconds = record.counts, sum(record.timings.values())
    lines = {
        "Run": record.run_id,
        "Slices": f"{counts.slices} found in {counts.files} files: {counts.ok} classified, "
        f"{counts.refused} refused, {counts.failed} failed",
        "Review": f"{counts.needs_review} need a look",
        "Time": f"{seconds:.1f} s" + _rate(counts.ok, record.timings),
        "Prefect": f"{recorded} of {record.tasks} task runs recorded",
        "Predictions": str((record.settings.workspace / "runs" / record.run_id).resolve()),
        "Report": record.report or "none",
    }
    for name, value in lines.items():
        # Not wrapped: a path must survive being copied.
        console.print(Text.assemble((f"{name:<12} ", "bold"), value), soft_wrap=True)
    console.print(RESEARCH_USE, style="italic")


def _rate(classified: int, timings: dict[str, float]) -> str:
    seconds = timings.get("classify", 0.0)
    return f" ({classified / seconds:.0f} slices a second)" if classified and seconds else ""
