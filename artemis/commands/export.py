"""The command ``export``: a run's answers in another system's format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from artemis.commands.options import AsJson, Quiet, Workspace, print_json, tell_unfinished


def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's id or folder, or `latest`.")],
    workspace: Workspace = None,
    dicom: Annotated[
        bool, typer.Option("--dicom", help="A DICOM Structured Report for each study.")
    ] = False,
    secondary_capture: Annotated[
        bool,
        typer.Option("--secondary-capture", help="With the evidence as DICOM pictures too."),
    ] = False,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where to write; else in the workspace.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write the answers for studies that came in as DICOM back as DICOM, for research only.

    The objects hold the patient's data, read again from the classified files, which must
    still be there unchanged.
    """
    from dataclasses import asdict

    from artemis.console import talk
    from artemis.report.dicom.export import export_dicom
    from artemis.runs import find_run
    from artemis.settings import load_settings

    if not dicom:
        raise typer.BadParameter("expected a format. The one there is, is --dicom.")
    console, folder = talk(quiet=quiet), find_run(load_settings(workspace).workspace, run)
    tell_unfinished(folder)
    written = export_dicom(
        folder,
        output,
        secondary_capture=secondary_capture,
        on_study=lambda number, of: console.print(f"Study {number + 1} of {of}"),
    )
    if written.without_study:
        console.print(f"{len(written.without_study)} files name no study and were left out.")
    withheld = sum(study.withheld for study in written.studies)
    if withheld:
        console.print(f"Pictures withheld, since their files say that text is burnt in: {withheld}")
    console.print("The objects name the patient. They are not for diagnosis.")
    if as_json:
        print_json(asdict(written))
    else:
        for study in written.studies:
            for name in study.files:
                typer.echo(Path(written.folder) / name)
