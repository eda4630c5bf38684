"""``artemis-cli data``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from artemis.commands.options import AsJson, Quiet, Workspace, print_json

data_app = typer.Typer(
    help="Fetch the public dataset, or audit any.",
    epilog="Example: artemis-cli data fetch",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@data_app.command(
    short_help="Download the public dataset and verify every file.",
    epilog="Example: artemis-cli data fetch",
)
def fetch(
    target: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="New folder; else datasets/ in the workspace."),
    ] = None,
    source: Annotated[str, typer.Option(help="github or kaggle (extra `kaggle`).")] = "github",
    workspace: Workspace = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Download the public dataset and verify every file; goes on where it was interrupted."""
    from artemis.console import progress_bar, talk
    from artemis.datasets.catalogue import Source, dataset_folder
    from artemis.datasets.fetch import fetch as bring
    from artemis.progress import report_progress
    from artemis.settings import load_settings

    if source not in [*Source]:
        raise typer.BadParameter(f"--source: expected github or kaggle. Received {source!r}.")
    folder = target or dataset_folder(load_settings(workspace).workspace)
    with progress_bar(talk(quiet=quiet), "connecting"):
        found = bring(
            folder,
            source=Source(source),
            on_progress=lambda done, total, files, of: (
                report_progress("verifying files", files, of)
                if files
                else report_progress("downloading (kB)", done // 1000, total and total // 1000)
            ),
        )
    if as_json:
        print_json({**asdict(found), "folder": str(found.folder)})
        return
    state = "already there" if found.already else "fetched"
    typer.echo(
        f"{found.folder}: {state}, {found.files} pictures, {found.verified} verified, "
        f"{found.unknown} whose hash is not known"
    )


@data_app.command(
    short_help="Say what is wrong with a dataset, before anyone trains on it.",
    epilog="Example: artemis-cli data audit brain-mri/",
)
def audit(
    data: Annotated[
        Path, typer.Argument(metavar="PATH", help="Folder of labelled pictures, or a manifest.")
    ],
    predictions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Out-of-fold predictions, Parquet; else made here."),
    ] = None,
    workspace: Workspace = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say what is wrong with a dataset before anyone trains on it: a page and Parquet."""
    from artemis.console import progress_bar, talk
    from artemis.report.audit.page import build_audit_page, verdict
    from artemis.report.index import write_index
    from artemis.runs import reports_root
    from artemis.settings import load_settings
    from artemis.training.jobs import AUDITS, audit_labelled

    settings = load_settings(workspace)
    with progress_bar(talk(quiet=quiet), "reading labels"):
        found = audit_labelled(data, settings, predictions)
        target = reports_root(settings) / AUDITS / found.folder.name / "index.html"
        page = build_audit_page(found.folder, target)
        write_index(settings.workspace / "runs", reports_root(settings))
    if as_json:
        print_json({**found.record.model_dump(mode="json"), "report": str(page)})
        return
    typer.echo(verdict(found.record))
    for kind, count in found.record.findings.items():
        typer.echo(f"{count:>6}  {kind.replace('_', ' ')}")
    typer.echo(f"Findings  {found.folder / 'findings.parquet'}\nReport    {page}")
