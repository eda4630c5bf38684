"""``artemis-cli merge``."""

from __future__ import annotations

from typing import Annotated

import typer

from artemis.commands.options import (
    AsJson,
    Quiet,
    WorkspaceOrStore,
    command_line,
    print_json,
    run_folder,
    workspace_of,
)
from artemis.errors import NothingUsableError


def merge(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN", help="Every shard's run, by id or folder, in any order."),
    ],
    workspace: WorkspaceOrStore = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Join the runs of all shards of a batch into one run, with its report.

    Refuses a shard that is missing, twice there, unfinished, or made of another batch or with
    other models, settings or versions, and names it. The shards' own runs stay as they are.
    """
    from artemis.batches.merge import merge_runs
    from artemis.console import print_summary, progress_bar, talk
    from artemis.report.run.publish import write_report
    from artemis.runs import RunPaths

    console = talk(quiet=quiet)
    with workspace_of(workspace) as (settings, mirror), progress_bar(console, "merging"):
        folders = [run_folder(settings, mirror, run) for run in runs]
        if mirror is not None:
            mirror.pull_identity()
        store = None if mirror is None else mirror.store.address
        record = merge_runs(folders, settings, command_line(), store)
        merged = RunPaths(settings.workspace, record.run_id)
        write_report(merged.root, mirror)
        if mirror is not None:
            mirror.push_run(merged)
    if as_json:
        print_json(record.model_dump(mode="json", exclude={"settings"}))
    print_summary(console, record)
    if not record.counts.ok:
        raise NothingUsableError(
            f"{record.batch}: expected at least one slice to classify. Received "
            f"{record.counts.slices}, none of which could be; the report says why."
        )
