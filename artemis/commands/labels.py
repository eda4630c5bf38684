"""``artemis-cli labels``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from artemis.commands.options import AsJson, Workspace, given_workspace, print_json

labels_app = typer.Typer(
    help="List the twelve categories, import a reviewer's labels, or settle conflicts.",
    epilog="Example: artemis-cli labels import review.csv",
    rich_markup_mode=None,
)


@labels_app.callback()
def labels(context: typer.Context, as_json: AsJson = False) -> None:
    """List the twelve categories in the order of every probability vector."""
    if context.invoked_subcommand:
        return
    from artemis.labels import CATEGORIES

    if as_json:
        print_json(
            [
                {"index": c.index, "name": c.name, "tumor": c.tumor, "plane": c.plane}
                for c in CATEGORIES
            ]
        )
        return
    for category in CATEGORIES:
        typer.echo(f"{category.index:>2}  {category.name}")


@labels_app.command(
    name="import",
    short_help="Add a reviewer's labels to the workspace.",
    epilog="Example: artemis-cli labels import review.csv",
)
def import_reviewed(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV exported from a report.")],
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """Check a reviewer's labels and add them to the workspace; list where reviewers disagree."""
    from artemis.reviews.reviewed import import_labels
    from artemis.settings import load_settings

    found = import_labels(file, load_settings(workspace).workspace)
    conflicts = json.loads(found.conflicts.to_json(orient="records", date_format="iso"))
    if as_json:
        counts = {"rows": found.rows, "added": found.added, "known": found.known}
        print_json(counts | {"states": found.states, "conflicts": conflicts})
        return
    typer.echo(f"{found.rows} labels read, {found.added} added, {found.known} known before")
    states = ", ".join(f"{n} {state}" for state, n in found.states.items())
    typer.echo(f"Slices: {states.replace('_', ' ')}")
    for row in conflicts:
        typer.echo(f"conflict  {row['slice_id'][:12]}  {_said(row)}")
    if conflicts:
        where = given_workspace(workspace)
        typer.echo(f"A third person settles them: artemis-cli labels conflicts{where}", err=True)


@labels_app.command(
    name="conflicts",
    short_help="List where reviewers disagree; a page to settle it.",
    epilog="Example: artemis-cli labels conflicts",
)
def list_conflicts(workspace: Workspace = None, as_json: AsJson = False) -> None:
    """List the slices whose reviewers disagree, and write a page for a third person to decide.

    The CSV that the page exports settles them: `artemis-cli labels import` takes it.
    """
    from artemis.report.conflicts import write_conflicts
    from artemis.runs import reports_root
    from artemis.settings import load_settings

    settings = load_settings(workspace)
    found = write_conflicts(settings.workspace, reports_root(settings).resolve())
    if as_json:
        print_json(
            {"report": str(found.page), "conflicts": [one.as_dict() for one in found.conflicts]}
        )
        return
    framed = any(one.item and one.item.frame for one in found.conflicts)
    for one in found.conflicts:
        said = "; ".join(f"{by.reviewer}: {by.words}" for by in one.judgements)
        path = one.item.path if one.item else f"run {one.run_id} is gone"
        frame = f", frame {one.item.frame}" if one.item and framed else ""
        typer.echo(f"{one.slice_id[:12]}  {path}{frame}  {said}")
    if not found.conflicts:
        typer.echo("No reviewers disagree.", err=True)
    typer.echo(found.page)


def _said(row: dict[str, str | None]) -> str:
    from artemis.said import CATEGORY_WORDS

    category = CATEGORY_WORDS.get(f"{row['tumor']}_{row['plane']}")
    return f"{row['reviewer']}: {category or str(row['verdict']).replace('_', ' ')}"
