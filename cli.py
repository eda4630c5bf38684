"""The command line ``artemis-cli``: parses, calls, prints.

Everything heavy is imported inside the command that needs it, so that ``--help`` answers
at once. Standard output carries data, standard error talk.
"""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from artemis import RESEARCH_USE, __version__
from artemis.errors import ArtemisError, InputsRefusedError, ModelError, NothingUsableError

if TYPE_CHECKING:
    from artemis.models.decisions import DecisionRecord
    from artemis.models.manifest import Interval, Manifest

app = typer.Typer(
    name="artemis-cli",
    help=f"Tumour type and anatomical plane of brain MRI slices, batch by batch. {RESEARCH_USE}",
    epilog="Example: artemis-cli classify-batch scans/",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
models_app = typer.Typer(
    help="List the models; show, compare, promote them, or roll one back.",
    epilog="Example: artemis-cli models",
    rich_markup_mode=None,
)
labels_app = typer.Typer(
    help="List the twelve categories, or import a reviewer's labels.",
    epilog="Example: artemis-cli labels import review.csv",
    rich_markup_mode=None,
)
data_app = typer.Typer(
    help="Fetch the public dataset, or audit any.",
    epilog="Example: artemis-cli data fetch",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(models_app, name="models", invoke_without_command=True)
app.add_typer(labels_app, name="labels", invoke_without_command=True)
app.add_typer(data_app, name="data")

Workspace = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        "-w",
        help="Folder of all that Artemis writes; else ARTEMIS_WORKSPACE, else data/.",
        metavar="DIR",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Labelled = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="Folder of labelled pictures, or a CSV or Parquet manifest; else what "
        "`data fetch` left in the workspace.",
    ),
]
ModelNames = Annotated[
    str, typer.Option("--model", help="Models, separated by commas.", metavar="NAMES")
]
Epochs = Annotated[int | None, typer.Option(min=1, help="Epochs instead of the recipe's.")]
RecipeName = Annotated[
    str | None,
    typer.Option(help="Another recipe for the one model, such as baseline_original."),
]
By = Annotated[str, typer.Option("--by", help="Who decides; it is recorded.", metavar="NAME")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]


def main() -> None:
    """Run the command line; every error ends as one message and an exit code."""
    try:
        app()
    except ArtemisError as error:
        _fail(str(error), error.exit_code)
    except Exception as error:  # noqa: BLE001  # the border: a person reads a message, not a trace
        import os
        import traceback

        if os.environ.get("ARTEMIS_TRACEBACK"):
            traceback.print_exc()
        _fail(
            f"Unexpected {type(error).__name__}: {error}. Set ARTEMIS_TRACEBACK=1 and run again to "
            "see where, and report it with that text.",
            1,
        )


def _fail(message: str, code: int) -> None:
    typer.secho("Error: ", fg="red", bold=True, nl=False, err=True)
    typer.echo(message, err=True)
    sys.exit(code)


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"artemis-mri {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


@app.command(epilog="Example: artemis-cli classify-batch data/samples")
def classify_batch(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder of scans, searched recursively.")
    ],
    workspace: Workspace = None,
    models: Annotated[
        str | None,
        typer.Option(help="Models to run, separated by commas; all by default.", metavar="NAMES"),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many slices, refused ones included.")
    ] = None,
    as_json: AsJson = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 3 if any input was refused or failed.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")
    ] = False,
    quiet: Quiet = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print Prefect's log.")] = False,
) -> None:
    """Classify every slice below DIR; leave Parquet predictions and an HTML report.

    Reads PNG, JPEG, BMP, TIFF, DICOM and NIfTI, by content and not by suffix.

    Exit codes: 0 done, 1 failed, 2 usage, 3 done but some inputs were refused or failed (with
    --strict), 4 nothing usable was found.
    """
    from artemis.runs import check_batch, check_workspace
    from artemis.settings import load_settings

    settings = load_settings(workspace)
    check_batch(directory)
    if dry_run:
        from artemis.batch import describe_plan

        plan = describe_plan(directory, settings, _names(models), limit).model_dump()
        _print_json(plan) if as_json else _print_pairs(plan)
        return
    check_workspace(settings.workspace)
    from flows.server import PrefectApi

    with PrefectApi() as api:  # its server starts while the rest is imported
        from artemis.console import print_summary, progress_bar, talk
        from flows.interactive import classify

        console = talk(quiet=quiet)
        try:
            with progress_bar(console, "starting"):
                record, recorded = classify(
                    api,
                    directory,
                    settings,
                    _names(models),
                    limit=limit,
                    command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
                    verbose=verbose,
                )
        except KeyboardInterrupt:
            console.print("Interrupted. `artemis-cli report latest` shows what was finished.")
            raise
    if as_json:
        _print_json(record.model_dump(mode="json", exclude={"settings"}))
    print_summary(console, record, recorded)
    counts = record.counts
    if not counts.ok:
        raise NothingUsableError(
            f"{directory}: expected at least one slice to classify. Received "
            + (
                f"{counts.slices}, of which {counts.refused} were refused and {counts.failed} "
                "failed; the report says why."
                if counts.slices
                else "a folder without files."
            )
        )
    if strict and counts.refused + counts.failed:
        raise InputsRefusedError(
            f"{directory}: expected every input to be classified (--strict). Received "
            f"{counts.refused} refused and {counts.failed} failed; the report says why."
        )


@app.command(epilog="Example: artemis-cli report latest")
def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's id or folder, or `latest`.")],
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """Write a run's HTML report again, from its Parquet files alone."""
    from artemis.report.publish import write_report
    from artemis.runs import find_run
    from artemis.settings import load_settings

    page = str(write_report(find_run(load_settings(workspace).workspace, run)))
    _print_json({"report": page}) if as_json else typer.echo(page)


@models_app.callback()
def models(context: typer.Context, workspace: Workspace = None, as_json: AsJson = False) -> None:
    """List the models, their versions and what was measured of them."""
    if context.invoked_subcommand:
        return
    from artemis.models.registry import list_models
    from artemis.settings import load_settings

    listed = [_listed(*model) for model in list_models(load_settings(workspace).workspace)]
    if as_json:
        _print_json(listed)
        return
    for model in listed:
        mark = "*" if model["champion"] else " "
        typer.echo(
            f"{mark} {model['name']:<13} {model['version']:<16} {model['side']} px  "
            f"accuracy {model['accuracy']:.3f}  macro F1 {model['macro_f1']:.3f}"
        )
    typer.echo("* is used. Figures on patients never trained on; see the model card.", err=True)


@models_app.command(name="show", epilog="Example: artemis-cli models show mobilenet_v2")
def show_model(
    version: Annotated[str, typer.Argument(help="A model's name, name@version, or version.")],
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """Print a model's card and the decisions on it, or with --json its manifest."""
    from artemis.models.registry import show
    from artemis.settings import load_settings
    from artemis.training.card import render_card

    history = show(load_settings(workspace).workspace, version)
    (manifest, _, champion), decisions = history.model, history.decisions
    if as_json:
        _print_json(
            {
                "champion": champion,
                "decisions": [record.model_dump(mode="json") for record in decisions],
                "manifest": manifest.model_dump(mode="json"),
            }
        )
        return
    typer.echo(render_card(manifest), nl=False)
    for record in decisions:
        typer.echo(f"\n{record.decided:%Y-%m-%d %H:%M} UTC  {_decision_line(record)}")


@models_app.command(name="compare", epilog="Example: artemis-cli models compare OLD NEW")
def compare_models(
    a: Annotated[str, typer.Argument(metavar="A", help="A model's name or version.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another.")],
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """Put two models' figures side by side, with their protocols."""
    from artemis.models.comparison import compare
    from artemis.settings import load_settings

    found = compare(load_settings(workspace).workspace, a, b)
    if as_json:
        _print_json(found.model_dump(mode="json"))
        return
    for letter, side in (("A", found.a), ("B", found.b)):
        typer.echo(f"{letter}  {side.name} {side.version}: {side.protocol}")
    if not found.same_protocol:
        typer.echo("Measured by different protocols: no difference is given.")
    typer.echo(f"\n{'':<24} {'A':>22} {'B':>22} {'A - B':>8}")
    for name, figure in [*found.figures.items(), *found.recalls.items()]:
        difference = "" if figure.difference is None else f"{figure.difference:+.3f}"
        typer.echo(f"{name:<24} {_short(figure.a):>22} {_short(figure.b):>22} {difference:>8}")


@models_app.command(
    name="promote", epilog="Example: artemis-cli models promote VERSION --by NAME --reason WHY"
)
def promote_model(
    version: Annotated[str, typer.Argument(help="name@version, or a version.")],
    by: By,
    reason: Annotated[str, typer.Option(help="Why; it is recorded.", metavar="TEXT")],
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """Use a version from now on, by a person's decision."""
    from artemis.models.manifest import load_manifest
    from artemis.models.registry import find_version, promote
    from artemis.settings import load_settings

    root = load_settings(workspace).workspace
    manifest = load_manifest(find_version(root, version))
    record = promote(root, manifest.name, manifest.version, by=by, reason=reason)
    _print_json(record.model_dump(mode="json")) if as_json else typer.echo(_decision_line(record))


@models_app.command(
    name="rollback", epilog="Example: artemis-cli models rollback mobilenet_v2 --by NAME"
)
def rollback_model(
    name: Annotated[str, typer.Argument(help="Name of the model.")],
    by: By,
    reason: Annotated[str, typer.Option(help="Why; it is recorded.", metavar="TEXT")] = "",
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """Use the champion before this one again."""
    from artemis.models.registry import rollback
    from artemis.settings import load_settings

    record = rollback(load_settings(workspace).workspace, _names(name)[0], by=by, reason=reason)
    _print_json(record.model_dump(mode="json")) if as_json else typer.echo(_decision_line(record))


@labels_app.callback()
def labels(context: typer.Context, as_json: AsJson = False) -> None:
    """List the twelve categories in the order of every probability vector."""
    if context.invoked_subcommand:
        return
    from artemis.labels import CATEGORIES

    if as_json:
        _print_json(
            [
                {"index": c.index, "name": c.name, "tumor": c.tumor, "plane": c.plane}
                for c in CATEGORIES
            ]
        )
        return
    for category in CATEGORIES:
        typer.echo(f"{category.index:>2}  {category.name}")


@labels_app.command(name="import", epilog="Example: artemis-cli labels import review.csv")
def import_reviewed(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV exported from a report.")],
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """Check a reviewer's labels and add them to the workspace; list where reviewers disagree."""
    from artemis.reviewed import import_labels
    from artemis.settings import load_settings

    found = import_labels(file, load_settings(workspace).workspace)
    conflicts = json.loads(found.conflicts.to_json(orient="records", date_format="iso"))
    if as_json:
        counts = {"rows": found.rows, "added": found.added, "known": found.known}
        _print_json(counts | {"states": found.states, "conflicts": conflicts})
        return
    typer.echo(f"{found.rows} labels read, {found.added} added, {found.known} known before")
    typer.echo("Slices: " + ", ".join(f"{n} {state}" for state, n in found.states.items()))
    for row in conflicts:
        says = f"{row['verdict']} {row['tumor'] or ''} {row['plane'] or ''}".strip()
        typer.echo(f"conflict  {row['slice_id'][:12]}  {row['reviewer']}: {says}")


@data_app.command(epilog="Example: artemis-cli data fetch")
def fetch(
    target: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="New folder; else datasets/ in the workspace."),
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
        _print_json({**asdict(found), "folder": str(found.folder)})
        return
    state = "already there" if found.already else "fetched"
    typer.echo(
        f"{found.folder}: {state}, {found.files} pictures, {found.verified} verified, "
        f"{found.unknown} whose hash is not known"
    )


@data_app.command(epilog="Example: artemis-cli data audit brain-mri/")
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
    from artemis.report.audit import build_audit_page
    from artemis.runs import reports_root
    from artemis.settings import load_settings
    from artemis.training.jobs import AUDITS, audit_labelled

    settings = load_settings(workspace)
    with progress_bar(talk(quiet=quiet), "reading labels"):
        found = audit_labelled(data, settings, predictions)
        target = reports_root(settings) / AUDITS / found.folder.name / "index.html"
        page = build_audit_page(found.folder, target)
    if as_json:
        _print_json({**found.record.model_dump(mode="json"), "report": str(page)})
        return
    for kind, count in found.record.findings.items():
        typer.echo(f"{count:>6}  {kind.replace('_', ' ')}")
    typer.echo(f"Findings  {found.folder / 'findings.parquet'}\nReport    {page}")


@app.command(epilog="Example: artemis-cli train --data brain-mri/ --model baseline")
def train(
    data: Labelled = None,
    workspace: Workspace = None,
    model: ModelNames = "mobilenet_v2,baseline",
    recipe: RecipeName = None,
    test_fold: Annotated[int, typer.Option(help="Fold that tests and never trains.")] = 4,
    calibration_fold: Annotated[
        int, typer.Option(help="Fold that sets temperature and distance threshold.")
    ] = 3,
    epochs: Epochs = None,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where models go; else the workspace.")
    ] = None,
    promote: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Use the models from now on; NAME decides so."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Train models on labelled pictures; needs the extra `train` (TensorFlow).

    Each is trained twice: without the calibration fold, to set its temperature and its
    distance threshold, and with it, to be kept. Figures are of the test fold.
    """
    from artemis.console import epoch_lines, progress_bar, talk
    from artemis.settings import load_settings
    from artemis.training.jobs import labelled_data, train_all

    settings, console = load_settings(workspace), talk(quiet=quiet)
    with progress_bar(console, "reading labels"):
        folders = train_all(
            labelled_data(data, settings),
            settings,
            models=_names(model),
            recipe=recipe,
            folds=(test_fold, calibration_fold),
            epochs=epochs,
            output=output,
            promote_by=promote,
            on_epoch=epoch_lines(console),
        )
    for folder in folders:
        typer.echo(folder)


@app.command(epilog="Example: artemis-cli evaluate patient --data brain-mri/")
def evaluate(
    protocol: Annotated[str, typer.Argument(help="patient, official or random.")],
    data: Labelled = None,
    workspace: Workspace = None,
    model: ModelNames = "mobilenet_v2,baseline",
    recipe: RecipeName = None,
    epochs: Epochs = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure how well models do on what they have not seen; needs the extra `train`.

    patient: folds of whole patients and copies, the honest one. official: Kaggle's own
    folders, with and without training copies of test images. random: the original's 90/10,
    which leaks; the price of the leak is printed if `patient` was run before.
    """
    from artemis.console import epoch_lines, progress_bar, talk
    from artemis.settings import load_settings
    from artemis.training.jobs import evaluate_all, labelled_data
    from artemis.training.protocols import PROTOCOLS
    from artemis.training.tables import describe, price_table

    if protocol not in PROTOCOLS:
        raise typer.BadParameter(f"expected {', '.join(PROTOCOLS)}. Received {protocol!r}.")
    settings, console = load_settings(workspace), talk(quiet=quiet)
    with progress_bar(console, "reading labels"):
        evaluated = evaluate_all(
            protocol,
            labelled_data(data, settings),
            settings,
            models=_names(model),
            recipe=recipe,
            epochs=epochs,
            on_epoch=epoch_lines(console),
        )
    if as_json:
        _print_json([result.as_dict() for result in evaluated])
        return
    for result in evaluated:
        typer.echo(describe(result.title, result.outcome.evaluation))
        if result.price is not None:
            typer.echo(price_table(result.price) + "\n")
        typer.echo(f"Files: {result.folder}\n")


@app.command(epilog="Example: artemis-cli retrain --data brain-mri/")
def retrain(
    data: Labelled = None,
    workspace: Workspace = None,
    start: Annotated[
        str, typer.Option("--from", help="Where networks start: champion or imagenet.")
    ] = "champion",
    model: ModelNames = "mobilenet_v2,baseline",
    epochs: Epochs = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print Prefect's log.")] = False,
) -> None:
    """Train on everything labelled so far; promote only what is shown to be no worse.

    Goes on where an earlier retraining with the same inputs was ended. Needs the extra
    `train` (TensorFlow).
    """
    from artemis.runs import check_workspace
    from artemis.settings import load_settings
    from artemis.training.jobs import labelled_data, require_tensorflow

    if start not in ("champion", "imagenet"):
        raise typer.BadParameter(f"--from: expected champion or imagenet. Received {start!r}.")
    require_tensorflow()
    settings = load_settings(workspace)
    pictures, names = labelled_data(data, settings), _names(model)
    check_workspace(settings.workspace)
    from flows.server import PrefectApi

    with PrefectApi() as api:
        from artemis.console import progress_bar, talk
        from flows.interactive import retrain as run

        with progress_bar(talk(quiet=quiet), "starting"):
            result = run(
                api, pictures, settings, names, start=start, epochs=epochs, verbose=verbose
            )
    if as_json:
        _print_json(result)
        return
    for name in names:
        typer.echo(f"{name:<13} {result[name]}")
    typer.echo(f"Report        {result['report']}")


@app.command(epilog="Example: artemis-cli serve")
def serve(
    workspace: Workspace = None,
    quiet: Quiet = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print Prefect's log.")] = False,
) -> None:
    """Classify what lies in the inbox by interval, and retrain by cron, until Ctrl-C.

    Schedules are settings: ARTEMIS_SCHEDULE__INBOX_INTERVAL, __RETRAIN_CRON, __TIME_ZONE.
    """
    from artemis.console import talk
    from artemis.settings import load_settings
    from flows.deployments import serve_forever

    console = talk(quiet=quiet)
    serve_forever(
        load_settings(workspace), lambda line: console.print(line, soft_wrap=True), verbose=verbose
    )


@app.command(epilog="Example: artemis-cli doctor")
def doctor(workspace: Workspace = None, as_json: AsJson = False) -> None:
    """Check the installation, models, Prefect and disk, and say how to mend what is wrong."""
    from artemis.settings import load_settings
    from flows.doctor import examine

    checks = examine(load_settings(workspace))
    if as_json:
        _print_json([check.as_dict() for check in checks])
    else:
        for check in checks:
            typer.echo(f"{check.verdict.upper():<5} {check.name}: {check.finding}")
            if check.remedy:
                typer.echo(f"      {check.remedy}")
    if any(check.verdict == "fail" for check in checks):
        raise typer.Exit(1)


def _listed(manifest: Manifest, folder: Path, champion: bool) -> dict[str, Any]:
    metrics = manifest.evaluation.metrics
    return {
        "name": manifest.name,
        "version": manifest.version,
        "champion": champion,
        "side": manifest.input.side,
        "accuracy": round(metrics["accuracy"].value, 3),
        "macro_f1": round(metrics["macro_f1"].value, 3),
        "protocol": manifest.evaluation.protocol,
        "sha256": manifest.sha256,
        "folder": str(folder),
    }


def _decision_line(record: DecisionRecord) -> str:
    return (
        f"{record.model} {record.subject.version}: {record.verdict or record.action} by "
        f"{record.by}; the champion is {record.new_champion or 'the shipped model'}. "
        f"{record.reason}"
    )


def _short(figure: Interval | None) -> str:
    return "-" if figure is None else f"{figure.value:.3f} ({figure.low:.3f}-{figure.high:.3f})"


def _names(models: str | None) -> list[str]:
    from artemis.models.registry import MODEL_NAMES, check_names

    if models is None:
        return [*MODEL_NAMES]
    try:
        return check_names([name.strip() for name in models.split(",")])
    except ModelError as error:
        raise typer.BadParameter(str(error)) from error


def _print_pairs(values: dict[str, Any]) -> None:
    for name, value in values.items():
        shown = (
            ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        )
        typer.echo(f"{name.replace('_', ' ').capitalize():<10} {shown}")


if __name__ == "__main__":
    main()
