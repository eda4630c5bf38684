"""A flow for a person at a terminal, with a server of its own, until it is done or a signal comes.

Light to import: the server starts while what the flow needs is imported.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artemis.batches.scratch import tell_removed
from artemis.runs import check_workspace, run_folders
from artemis.settings import Settings
from artemis.system.signals import ending_by_signal, interruption

if TYPE_CHECKING:
    from rich.console import Console

    from artemis.runs import RunRecord


def classify_until_signal(
    directory: Path,
    settings: Settings,
    models: list[str],
    *,
    quiet: bool,
    address: str | None,
    **options: Any,
) -> tuple[RunRecord, int]:
    """Run the flow with a Prefect API of its own, if none is configured, until a signal."""
    from flows.engines import this_machine_towards
    from flows.server import LOOPBACK, PrefectApi

    check_workspace(settings.workspace)
    tell_removed(settings.workspace, quiet=quiet)
    before = run_folders(settings.workspace)
    host = LOOPBACK if address is None else this_machine_towards(address)
    with ending_by_signal():
        try:
            # Its server starts while the rest is imported, where those who do the work reach it.
            with PrefectApi(host) as api:
                from artemis.console import progress_bar, talk

                with progress_bar(talk(quiet=quiet), "starting"):
                    from flows.interactive import classify

                    return classify(
                        api,
                        directory,
                        settings,
                        models,
                        address=address,
                        **options,
                    )
        except BaseException as error:
            if (ended := interruption()) is None:
                raise
            begun = run_folders(settings.workspace) - before
            where = _named_workspace(options.get("store") or str(settings.workspace))
            _say_interrupted(where if begun else None, quiet=quiet)
            raise ended from error


def retrain_until_signal(
    pictures: Path, settings: Settings, names: list[str], console: Console, **options: Any
) -> dict[str, str]:
    """Run the flow with a Prefect API of its own, if none is configured, until a signal."""
    from flows.server import PrefectApi

    with ending_by_signal():
        try:
            with PrefectApi() as api:
                from artemis.console import progress_bar
                from artemis.models.retrainings import damaged
                from flows.interactive import retrain as run

                for error in damaged(settings.workspace):
                    console.print(f"Passed over: {error}", soft_wrap=True, markup=False)
                with progress_bar(console, "starting"):
                    return run(api, pictures, settings, names, **options)
        except BaseException as error:
            if (ended := interruption()) is None:
                raise
            console.print(
                "Interrupted. The same command goes on where it was ended.", soft_wrap=True
            )
            raise ended from error


def _say_interrupted(where: str | None, *, quiet: bool) -> None:
    """Say what an interrupted batch left: a run in the workspace of an option, or none (None)."""
    from artemis.console import talk

    talk(quiet=quiet).print(
        "Interrupted before anything was classified. No run was begun."
        if where is None
        else f"Interrupted. `artemis-cli report latest{where}` shows what was finished.",
        soft_wrap=True,
        markup=False,
    )


def _named_workspace(workspace: str) -> str:
    """Return the option that a command wants to find a workspace; nothing for the default one."""
    default = str(Settings.model_fields["workspace"].default)
    return "" if workspace == default else f" --workspace {shlex.quote(workspace)}"
