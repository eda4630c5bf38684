"""The command line ``artemis-cli``: parses, calls, prints.

Everything heavy is imported inside the command that needs it, so that ``--help`` answers
at once. Standard output carries data, standard error talk.
"""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from artemis import RESEARCH_USE, __version__
from artemis.errors import ArtemisError, InputsRefusedError, ModelError, NothingUsableError

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
    help="List the models, or show one.",
    epilog="Example: artemis-cli models",
    rich_markup_mode=None,
)
labels_app = typer.Typer(
    help="List the twelve categories.", epilog="Example: artemis-cli labels", rich_markup_mode=None
)
app.add_typer(models_app, name="models", invoke_without_command=True)
app.add_typer(labels_app, name="labels", invoke_without_command=True)

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

    listed = [
        {
            "name": manifest.name,
            "version": manifest.version,
            "champion": champion,
            "side": manifest.input.side,
            "accuracy": round(manifest.evaluation.metrics["accuracy"].value, 3),
            "macro_f1": round(manifest.evaluation.metrics["macro_f1"].value, 3),
            "protocol": manifest.evaluation.protocol,
            "sha256": manifest.sha256,
            "folder": str(folder),
        }
        for manifest, folder, champion in list_models(load_settings(workspace).workspace)
    ]
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
    name: Annotated[str, typer.Argument(help="Name of the model.")],
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """Print a model's card, or with --json its manifest."""
    from artemis.models.manifest import load_manifest
    from artemis.models.registry import model_folder
    from artemis.settings import load_settings
    from artemis.training.card import render_card

    manifest = load_manifest(model_folder(load_settings(workspace).workspace, _names(name)[0]))
    if as_json:
        _print_json(manifest.model_dump(mode="json"))
    else:
        typer.echo(render_card(manifest), nl=False)


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


@app.command(epilog="Example: artemis-cli train --data brain-mri/ --promote")
def train(
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of pictures with a manifest.csv.")
    ],
    workspace: Workspace = None,
    model: Annotated[
        str, typer.Option(help="Models to train, separated by commas.", metavar="NAMES")
    ] = "mobilenet_v2,baseline",
    recipe: Annotated[
        str | None,
        typer.Option(help="Another recipe for the one model, such as baseline_original."),
    ] = None,
    test_fold: Annotated[int, typer.Option(help="Fold that tests and never trains.")] = 4,
    calibration_fold: Annotated[
        int, typer.Option(help="Fold that sets temperature and distance threshold.")
    ] = 3,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Epochs instead of the recipe's.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where models go; else the workspace.")
    ] = None,
    promote: Annotated[
        bool, typer.Option("--promote", help="Use the trained models from now on.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Train models on labelled pictures; needs the extra `train` (TensorFlow).

    Each is trained twice: without the calibration fold, to set its temperature and its
    distance threshold, and with it, to be kept. Figures are of the test fold.
    """
    from artemis.console import talk
    from artemis.settings import load_settings
    from artemis.training.jobs import train_all

    settings = load_settings(workspace)
    folders = train_all(
        data,
        settings,
        names=_names(model),
        recipe=recipe,
        folds=(test_fold, calibration_fold),
        epochs=epochs,
        output=output,
        promote_after=promote,
        console=talk(quiet=quiet),
    )
    for folder in folders:
        typer.echo(folder)


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
