"""``artemis-cli benchmark``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from artemis.commands.options import AsJson, Quiet, Workspace, model_names, print_json
from artemis.errors import BenchmarkError

if TYPE_CHECKING:
    from artemis.benchmark.record import BenchmarkRecord


def benchmark(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder with JPEG or PNG pictures.")
    ],
    workspace: Workspace = None,
    models: Annotated[
        str | None,
        typer.Option(
            "--models",
            "--model",
            help="Models to run, separated by commas; all by default.",
            metavar="NAMES",
        ),
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="Pictures, at most.")] = 2000,
    rounds: Annotated[int, typer.Option(min=1, help="How often each thing is timed.")] = 3,
    peers: Annotated[
        bool, typer.Option(help="Time Keras too, which needs the extra `train`.")
    ] = True,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure this machine: the whole path, each stage, what else one would write, the limit.

    Everything is timed in turn on the same pictures, and answers are compared. Leaves
    benchmark/index.html and benchmark.json among the reports. Exit code 1: answers differ.
    """
    from artemis.benchmark.benchmark import Extent, run_benchmark
    from artemis.benchmark.page import build_benchmark_page
    from artemis.benchmark.record import RECORD_NAME
    from artemis.console import progress_bar, talk
    from artemis.progress import report_progress
    from artemis.report.index import write_index
    from artemis.runs import reports_root
    from artemis.settings import load_settings
    from artemis.system.files import write_text_atomic

    settings, console = load_settings(workspace), talk(quiet=quiet)
    extent = Extent(images=images, rounds=rounds, peers=peers)
    with progress_bar(console, "preparing"):
        record = run_benchmark(directory, settings, model_names(models), extent, report_progress)
    folder = reports_root(settings) / "benchmark"
    write_text_atomic(folder / RECORD_NAME, record.model_dump_json(indent=2) + "\n")
    page = build_benchmark_page(record, folder / "index.html")
    write_index(settings.workspace / "runs", reports_root(settings))
    if as_json:
        print_json(record.model_dump(mode="json") | {"report": str(page.resolve())})
    else:
        _print(record)
    console.print(f"Report  {page.resolve()}", soft_wrap=True)
    if unlike := [check.name for check in record.checks if not check.passed]:
        raise BenchmarkError(
            f"{directory}: expected the same answers. Received others in {'; '.join(unlike)}. "
            "The figures are not to be compared; the page says by how much they differ."
        )


def _print(record: BenchmarkRecord) -> None:
    from rich.console import Console
    from rich.table import Table

    from artemis.benchmark.page import verdict

    table = Table(box=None, pad_edge=False)
    for heading in ("", "pictures", "a second", "ms each", "ratio"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for one in record.timings:
        ratio = record.ratios.get(one.name)
        values: list[Any] = [one.name, str(one.images), f"{one.rate:.0f}"]
        values += [f"{one.milliseconds:.2f}", "" if ratio is None else f"{ratio:.2f}"]
        table.add_row(*values)
    console = Console(highlight=False)
    console.print(table)
    console.print(verdict(record), soft_wrap=True)
    if record.left_out:
        console.print(f"Without Keras: {record.left_out}", soft_wrap=True)
