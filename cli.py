"""The command line ``artemis-cli``: parses, calls, prints.

Everything heavy is imported inside the command that needs it, so that ``--help`` answers
at once. Standard output carries data, standard error talk.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from artemis import RESEARCH_USE, __version__
from artemis.batches.engine import Engine
from artemis.commands.benchmark import benchmark
from artemis.commands.data import data_app
from artemis.commands.explain import explain
from artemis.commands.export import export
from artemis.commands.labels import labels_app
from artemis.commands.listing import SHORTLY, InOrder
from artemis.commands.merge import merge
from artemis.commands.models import models_app
from artemis.commands.options import (
    AsJson,
    Epochs,
    Labelled,
    ModelNames,
    Quiet,
    Workspace,
    WorkspaceOrStore,
    chosen_shard,
    command_line,
    given_workspace,
    model_names,
    print_json,
    workspace_of,
)
from artemis.commands.report import report
from artemis.commands.settings import list_settings
from artemis.commands.training import evaluate, train
from artemis.errors import ArtemisError, EngineError, InputsRefusedError, NothingUsableError
from artemis.system.leaving import leave
from artemis.system.streams import prepare_streams

if TYPE_CHECKING:
    from artemis.runs import Counts

app = typer.Typer(
    cls=InOrder,
    name="artemis-cli",
    help=f"Tumour type and anatomical plane of brain MRI slices, batch by batch. {RESEARCH_USE}",
    epilog="Example: artemis-cli classify-batch scans/",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _command(name: str, example: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return app.command(
        name, short_help=SHORTLY[name], epilog=f"Example: artemis-cli {name} {example}".rstrip()
    )


for _name, _group in (("models", models_app), ("labels", labels_app), ("data", data_app)):
    app.add_typer(
        _group, name=_name, short_help=SHORTLY[_name], invoke_without_command=_name == "labels"
    )
_command("explain", "scan.dcm --rival")(explain)
_command("report", "latest --pdf")(report)
_command("export", "latest --dicom --secondary-capture")(export)
_command("merge", "RUN RUN RUN")(merge)
_command("benchmark", "brain-mri/ --images 200")(benchmark)
_command("train", "--data brain-mri/ --model baseline")(train)
_command("evaluate", "patient --data brain-mri/")(evaluate)
_command("settings", "--changed")(list_settings)


def main() -> None:
    """Run the command line; every error ends as one message and an exit code."""
    prepare_streams()
    try:
        _run()
    except SystemExit as ended:
        leave(ended.code)
        raise


def _run() -> None:
    try:
        app()
    except SystemExit:
        from artemis.system.signals import exit_if_ended

        exit_if_ended()
        raise
    except ArtemisError as error:
        _fail(str(error), error.exit_code)
    except Exception as error:  # noqa: BLE001  # the border: a person reads a message, not a trace
        import os
        import traceback

        from artemis.system.disk import disk_words

        if os.environ.get("ARTEMIS_TRACEBACK"):
            traceback.print_exc()
        if isinstance(error, OSError) and (words := disk_words(error)):
            _fail(words, 1)
        _fail(
            f"Unexpected {type(error).__name__}: {error}. Set ARTEMIS_TRACEBACK=1 and run again to "
            "see where, and report it with that text.",
            1,
        )
    finally:
        gc.freeze()  # else Python looks through all that was imported once more: half a second


def _fail(message: str, code: int) -> None:
    typer.secho("Error: ", fg="red", bold=True, nl=False, err=True)
    typer.echo(message, err=True)
    sys.exit(code)


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


@_command("classify-batch", "data/samples")
def classify_batch(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder of scans, searched recursively.")
    ],
    workspace: WorkspaceOrStore = None,
    models: Annotated[
        str | None,
        typer.Option(
            "--models",
            "--model",
            help="Models to run, separated by commas; all by default.",
            metavar="NAMES",
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many slices, refused ones included.")
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N", help="Classify part I of N alone; `merge` joins the runs of all parts."
        ),
    ] = None,
    engine: Annotated[
        Engine, typer.Option(help="What works on the chunks: this process, or Dask's workers.")
    ] = Engine.LOCAL,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Dask's scheduler, such as tcp://10.0.0.1:8786; else workers of its own here.",
        ),
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
    --strict), 4 nothing usable was found, 130 ended by Ctrl-C, 143 ended by SIGTERM.
    """
    from artemis.runs import check_batch
    from flows.engines import check_engine

    check_batch(directory)
    part, names = chosen_shard(shard), model_names(models)
    try:
        check_engine(engine, address)
    except EngineError as error:
        raise typer.BadParameter(str(error)) from error
    with workspace_of(workspace) as (settings, mirror):
        if mirror is not None:
            mirror.pull_champions(names)
        store = None if mirror is None else mirror.store.address
        if dry_run:
            from artemis.batches.batch import describe_plan

            plan = describe_plan(directory, settings, names, limit, part, store).model_dump()
            print_json(plan) if as_json else _print_pairs(plan)
            return
        from flows.until_signal import classify_until_signal

        record, recorded = classify_until_signal(
            directory,
            settings,
            names,
            command=command_line(),
            quiet=quiet,
            verbose=verbose,
            limit=limit,
            shard=None if part is None else str(part),
            engine=engine,
            address=address,
            store=store,
        )
    if as_json:
        print_json(record.model_dump(mode="json", exclude={"settings"}))
    from artemis.console import print_summary, talk

    print_summary(talk(quiet=quiet), record, recorded)
    _judge_counts(directory, record.counts, whole=part is None, strict=strict)


def _judge_counts(directory: Path, counts: Counts, *, whole: bool, strict: bool) -> None:
    """Raise where a batch that is done is no success; a shard may be empty: `merge` sees all."""
    if not counts.ok and whole:
        raise NothingUsableError(
            f"{directory}: expected at least one slice to classify. Received "
            + (
                f"{counts.slices}, {counts.refused} of them refused and {counts.failed} failed; "
                "the report says why."
                if counts.slices
                else "a folder without files."
            )
        )
    if strict and counts.refused + counts.failed:
        raise InputsRefusedError(
            f"{directory}: expected every input to be classified (--strict). Received "
            f"{counts.refused} refused and {counts.failed} failed; the report says why."
        )


@_command("retrain", "--data brain-mri/")
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
    pictures, names = labelled_data(data, settings), model_names(model)
    check_workspace(settings.workspace)
    from artemis.console import talk
    from flows.until_signal import retrain_until_signal

    result = retrain_until_signal(
        pictures, settings, names, talk(quiet=quiet), start=start, epochs=epochs, verbose=verbose
    )
    if as_json:
        print_json(result)
        return
    from artemis.models.retrainings import read_record, retrainings_root
    from artemis.report.retraining.verdict import kept_out, promotion, sentence_on

    record = read_record(retrainings_root(settings.workspace) / result["id"])
    for name in names:
        if name in record.diverged:
            typer.echo(kept_out(name, record.diverged[name]))
            continue
        outcome = record.outcomes[name]
        typer.echo(sentence_on(name, outcome))
        if command := promotion(name, outcome):
            where = given_workspace(workspace)
            typer.echo(f"A person who read the report may promote it: {command}{where}", err=True)
    typer.echo(f"Report  {result['report']}")


@_command("serve", "")
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


@_command("doctor", "")
def doctor(workspace: Workspace = None, as_json: AsJson = False) -> None:
    """Check the installation, models, Prefect and disk, and say how to mend what is wrong."""
    from artemis.settings import load_settings
    from flows.doctor import examine

    checks = examine(load_settings(workspace))
    if as_json:
        print_json([check.as_dict() for check in checks])
    else:
        for check in checks:
            typer.echo(f"{check.verdict.upper():<5} {check.name}: {check.finding}")
            if check.remedy:
                typer.echo(f"      {check.remedy}")
    if any(check.verdict == "fail" for check in checks):
        raise typer.Exit(1)


def _print_pairs(values: dict[str, Any]) -> None:
    for name, value in values.items():
        shown = (
            ", ".join(f"{k} {v}" for k, v in value.items()) or "nothing"
            if isinstance(value, dict)
            else value
        )
        typer.echo(f"{name.replace('_', ' ').capitalize():<11} {shown}")


if __name__ == "__main__":
    main()
