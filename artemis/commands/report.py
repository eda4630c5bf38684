"""The command ``report``: a run's page again, as PDF, as data, or against another run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from artemis.commands.options import (
    AsJson,
    WorkspaceOrStore,
    print_json,
    run_folder,
    shown,
    tell_unfinished,
    workspace_of,
)

if TYPE_CHECKING:
    from artemis.batches.mirror import Mirror

_FORMATS = ("html", "json", "csv")


def report(
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="A run's id or folder, or `latest`.")
    ] = None,
    workspace: WorkspaceOrStore = None,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="html writes the page; json and csv print the run as data.",
            metavar="FORMAT",
        ),
    ] = "html",
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where json or csv goes; else printed.")
    ] = None,
    pdf: Annotated[
        bool, typer.Option("--pdf", help="Print the page to report.pdf beside it, by Chromium.")
    ] = False,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="CSV of true categories: path,category or a review. Kept with the run.",
        ),
    ] = None,
    no_labels: Annotated[
        bool,
        typer.Option("--no-labels", help="Forget the labels that the run was given before."),
    ] = False,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="RUN_A RUN_B", help="List the predictions that changed from A to B."),
    ] = None,
    drift: Annotated[
        bool,
        typer.Option("--drift", help="How far RUN lies from the training images of its models."),
    ] = False,
    against: Annotated[
        str | None, typer.Option(metavar="RUN", help="With --drift: from another run instead.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a run's HTML report again, from its Parquet files alone, or give it as data.

    --compare writes a page, Parquet and CSV of what changed between two runs, and --drift a page
    of how a batch as a whole lies beside another, or beside what the models were trained on.
    """
    _check_usage(run, form, output, pdf, compare)
    _check_drift(drift, against, form, pdf or bool(compare or labels or no_labels))
    if (labels or no_labels) and (compare or form != "html" or (labels and no_labels)):
        raise typer.BadParameter("--labels: expected one RUN and its page. Leave the other out.")
    with workspace_of(workspace) as (settings, mirror):
        from artemis.batches.scratch import tell_removed

        tell_removed(settings.workspace)
        named = [str(run), *([against] if against else [])] if compare is None else compare
        folders = [run_folder(settings, mirror, each) for each in named]
        if compare is not None:
            if folders[0] == folders[1]:
                raise typer.BadParameter(
                    f"--compare: expected two runs. Received {folders[0].name} as both of them."
                )
            _compare(folders[0], folders[1], mirror, as_json)
        elif drift:
            _drift(folders, mirror, as_json)
        elif form == "html":
            if labels or no_labels:
                _keep_labels(folders[0], mirror, labels)
            _write_page(folders[0], mirror, pdf, as_json)
        else:
            _give_data(folders[0], form, output)


def _check_usage(
    run: str | None,
    form: str,
    output: Path | None,
    pdf: bool,
    compare: tuple[str, str] | None,
) -> None:
    if form not in _FORMATS:
        raise typer.BadParameter(f"--format: expected {', '.join(_FORMATS)}. Received {form!r}.")
    if (run is None) == (compare is None):
        raise typer.BadParameter("expected one RUN, or --compare RUN_A RUN_B, and not both.")
    if form != "html" and (pdf or compare):
        raise typer.BadParameter("--format: --pdf and --compare write pages; leave it out.")
    if compare and pdf:
        raise typer.BadParameter("--pdf: expected one RUN. Received --compare.")
    if output is not None and form == "html":
        raise typer.BadParameter("--output: expected --format json or csv with it.")


def _check_drift(drift: bool, against: str | None, form: str, others: bool) -> None:
    if against is not None and not drift:
        raise typer.BadParameter("--against: expected --drift with it.")
    if drift and (others or form != "html"):
        raise typer.BadParameter(
            "--drift: expected one RUN, and --against or nothing with it. Leave the others out."
        )


def _keep_labels(folder: Path, mirror: Mirror | None, labels: Path | None) -> None:
    from artemis.report.run.kept_truth import forget_truth, keep_truth

    kept = forget_truth(folder) if labels is None else keep_truth(folder, labels)
    if mirror is not None:
        mirror.push(kept)


def _write_page(folder: Path, mirror: Mirror | None, pdf: bool, as_json: bool) -> None:
    from artemis.report.pdf import find_browser, write_pdf
    from artemis.report.run.publish import write_report

    if pdf:
        find_browser()  # before the page is made, that takes longer
    page = write_report(folder, mirror)
    said = {"report": shown(page, mirror)}
    if pdf:
        printed = write_pdf(page, page.with_name("report.pdf"))
        if mirror is not None:
            mirror.push(printed)
        said["pdf"] = shown(printed, mirror)
    if as_json:
        print_json(said)
    else:
        for path in said.values():
            typer.echo(path)


def _give_data(folder: Path, form: str, output: Path | None) -> None:
    from artemis.report.run.as_data import csv_data, json_data
    from artemis.system.files import atomic_path

    tell_unfinished(folder)
    pieces = json_data(folder) if form == "json" else csv_data(folder)
    if output is None:
        typer.get_text_stream("stdout").writelines(pieces)
        return
    with atomic_path(output) as temporary, temporary.open("w", encoding="utf-8", newline="") as to:
        to.writelines(pieces)
    typer.echo(output)


def _compare(run_a: Path, run_b: Path, mirror: Mirror | None, as_json: bool) -> None:
    from artemis.report.changes.page import write_comparison
    from artemis.report.changes.words import verdict

    written = write_comparison(run_a, run_b, mirror)
    changes = written.changes
    if not as_json:
        typer.echo(verdict(changes), err=True)
        for path in (written.page, *written.tables):
            typer.echo(shown(path, mirror))
        return
    print_json(
        {
            "report": shown(written.page, mirror),
            "tables": [shown(path, mirror) for path in written.tables],
            "in_both": changes.in_both,
            "changed": {model.model: len(model.changed) for model in changes.models},
            "compared": {model.model: model.slices for model in changes.models},
            "became": {model.model: model.became for model in changes.models},
            "right": {
                model.model: {
                    "known": model.rightness.known,
                    "a": model.rightness.right[0],
                    "b": model.rightness.right[1],
                }
                for model in changes.models
            },
            "only_in_a": len(changes.unmatched_of("a", "only_here")),
            "only_in_b": len(changes.unmatched_of("b", "only_here")),
        }
    )


def _drift(folders: list[Path], mirror: Mirror | None, as_json: bool) -> None:
    from artemis.report.drift.page import write_drift

    if len(folders) > 1 and folders[0] == folders[1]:
        raise typer.BadParameter(
            f"--against: expected another run. Received {folders[0].name} as both of them."
        )
    written = write_drift(folders[0], folders[1] if len(folders) > 1 else None, mirror)
    if not as_json:
        typer.echo(written.verdict, err=True)
        typer.echo(shown(written.page, mirror))
        return
    print_json(
        {
            "report": shown(written.page, mirror),
            "shifts": [
                {
                    "measure": one.key,
                    "model": one.model,
                    "psi": round(one.psi, 4),
                    "psi_by_chance": round(one.chance, 4),
                    "shift": one.size,
                    "slices": round(float(one.counts.sum())),
                    "reference_slices": round(float(one.others.sum())),
                    "medians": one.middles,
                }
                for one in written.shifts
            ],
        }
    )
