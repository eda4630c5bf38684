"""Options and output that commands share."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from artemis.errors import ModelError, StoreError

if TYPE_CHECKING:
    from artemis.batches.mirror import Mirror
    from artemis.ingest.shards import Shard
    from artemis.settings import Settings

Workspace = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        "-w",
        help="Folder of all that Artemis writes; else ARTEMIS_WORKSPACE, else data/.",
        metavar="DIR",
    ),
]
WorkspaceOrStore = Annotated[
    str | None,
    typer.Option(
        "--workspace",
        "-w",
        help="Folder of all that Artemis writes, or s3://bucket/prefix with credentials and "
        "endpoint in AWS's variables; else ARTEMIS_WORKSPACE, else data/.",
        metavar="DIR",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Labelled = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="Folder of labelled pictures, or a CSV or Parquet manifest; else "
        "ARTEMIS_SCHEDULE__RETRAIN_DATA, else what `data fetch` left in the workspace.",
    ),
]
ModelNames = Annotated[
    str, typer.Option("--models", "--model", help="Models, separated by commas.", metavar="NAMES")
]
Epochs = Annotated[int | None, typer.Option(min=1, help="Epochs instead of the recipe's.")]
RecipeName = Annotated[
    str | None,
    typer.Option(help="Another recipe for the one model; an unknown name lists those there are."),
]
By = Annotated[str, typer.Option("--by", help="Who decides; it is recorded.", metavar="NAME")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]


def command_line() -> str:
    """Return this process's command as a person can give it again, however it was started."""
    return shlex.join(["artemis-cli", *sys.argv[1:]])


def given_workspace(workspace: Path | None) -> str:
    """Return the option that a command named to a person wants too, where this one was given it."""
    return f" --workspace {shlex.quote(str(workspace))}" if workspace else ""


@contextmanager
def workspace_of(workspace: str | None) -> Iterator[tuple[Settings, Mirror | None]]:
    """Yield the settings for a workspace; of one in a store also the mirror that it then is.

    A signal ends what is done within as an error does: runs are recorded as failed, and no mirror
    with patients' pictures is left behind.

    Raises
    ------
    StoreError
        If it is a store that cannot be used, or the reports are set to be elsewhere.
    """
    from artemis.settings import load_settings
    from artemis.system.signals import ending_by_signal
    from artemis.system.store import given_address

    address = given_address(workspace)
    if address is None:
        with ending_by_signal():
            yield load_settings(Path(workspace) if workspace else None), None
        return
    from artemis.batches.mirror import mirrored

    with ending_by_signal(), mirrored(address) as mirror:
        settings = load_settings(mirror.folder)
        if settings.reports is not None:
            raise StoreError(
                "ARTEMIS_REPORTS: expected no such variable with a workspace in a store, whose "
                f"reports lie in it. Received {str(settings.reports)!r}. Unset it."
            )
        yield settings, mirror


def run_folder(settings: Settings, mirror: Mirror | None, run: str) -> Path:
    """Return the folder of the run that a command is given; out of a store it is pulled."""
    from artemis.runs import find_run

    return find_run(settings.workspace, run) if mirror is None else mirror.find_run(run)


def tell_unfinished(run: Path) -> None:
    """Say beside the data of a run that is not completed that they may not be all of it."""
    from artemis.runs import RunStatus, read_record

    record = read_record(run)
    if record.status is not RunStatus.COMPLETED:
        typer.echo(
            f"{record.run_id} is {record.status.value} and not completed: this may not be all of "
            "it.",
            err=True,
        )


def shown(path: Path, mirror: Mirror | None) -> str:
    """Return where a person finds what was written: in the store, where there is one."""
    return str(path) if mirror is None else mirror.address_of(path)


def print_json(value: Any) -> None:
    """Print a value as JSON on standard output."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def model_names(models: str | None) -> list[str]:
    """Return the models that a comma-separated list names; all without one."""
    from artemis.models.registry import MODEL_NAMES, check_names

    if models is None:
        return [*MODEL_NAMES]
    try:
        return check_names([name.strip() for name in models.split(",")])
    except ModelError as error:
        raise typer.BadParameter(str(error)) from error


def chosen_shard(text: str | None) -> Shard | None:
    """Return the shard that an option names, such as ``2/4``."""
    from artemis.ingest.shards import Shard

    try:
        return None if text is None else Shard.parse(text)
    except ValueError as error:
        raise typer.BadParameter(f"--shard: {error}") from error
