"""``artemis-cli models``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from artemis.commands.options import (
    AsJson,
    By,
    Labelled,
    Quiet,
    Workspace,
    model_names,
    print_json,
)

if TYPE_CHECKING:
    from artemis.models.comparison import ComparedFigure
    from artemis.models.decisions import DecisionRecord
    from artemis.models.manifest import Interval, Manifest

_BECAME: Final = {
    "promote": "was promoted",
    "rollback": "was made the champion again",
    "keep": "was kept out",
    "needs_human": "was left to a person",
}
"""Verdicts and actions of decisions, as they are told."""

models_app = typer.Typer(
    help="List the models; show, measure, compare, promote them, write their cards, or roll back.",
    epilog="Example: artemis-cli models list",
    rich_markup_mode=None,
    no_args_is_help=True,
)


@models_app.command(name="list", epilog="Example: artemis-cli models list")
def list_all(workspace: Workspace = None, as_json: AsJson = False) -> None:
    """List the models, their versions and what was measured of them."""
    from artemis.models.registry import list_models
    from artemis.settings import load_settings

    listed = [_listed(*model) for model in list_models(load_settings(workspace).workspace)]
    if as_json:
        print_json(listed)
        return
    for model in listed:
        mark = "*" if model["champion"] else " "
        typer.echo(
            f"{mark} {model['name']:<13} {model['version']:<16} {model['side']} px  "
            f"accuracy {model['accuracy']:.3f}  macro F1 {model['macro_f1']:.3f}"
        )
    typer.echo(
        "* is used. Figures are of slices never trained on, and of other patients as far as these "
        "are known; see the model card.",
        err=True,
    )


@models_app.command(
    name="show",
    short_help="Print a model's card and the decisions on it.",
    epilog="Example: artemis-cli models show mobilenet_v2",
)
def show_model(
    version: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model's name, name@version, or version.")
    ],
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """Print a model's card and the decisions on it, or with --json its manifest."""
    from artemis.models.card.contents import read_card
    from artemis.models.card.markdown import render_card
    from artemis.models.registry import show
    from artemis.settings import load_settings

    history = show(load_settings(workspace).workspace, version)
    (manifest, folder, champion), decisions = history.model, history.decisions
    if as_json:
        print_json(
            {
                "champion": champion,
                "decisions": [record.model_dump(mode="json") for record in decisions],
                "manifest": manifest.model_dump(mode="json"),
            }
        )
        return
    from artemis.commands.laid_out import print_markdown

    print_markdown(render_card(read_card(folder)))
    for record in decisions:
        typer.echo(f"\n{record.decided:%Y-%m-%d %H:%M} UTC  {_decision_line(record)}")


@models_app.command(
    name="card",
    short_help="Make a model's card anew, as Markdown or as a page.",
    epilog="Example: artemis-cli models card mobilenet_v2 --format html --output card.html",
)
def write_card(
    version: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model's name, name@version, or version.")
    ],
    workspace: Workspace = None,
    form: Annotated[
        str, typer.Option("--format", help="md or html, one self-contained page.")
    ] = "md",
    output: Annotated[
        Path | None, typer.Option(metavar="PATH", help="File to write; else standard output.")
    ] = None,
    pictures: Annotated[
        bool,
        typer.Option(
            "--pictures",
            help="Show the mistakes' pictures that this workspace kept when it trained the model; "
            "html only, not to be passed on.",
        ),
    ] = False,
) -> None:
    """Make a model's card anew out of its records, as Markdown or as a page."""
    if form not in ("md", "html"):
        raise typer.BadParameter(f"--format: expected md or html. Received {form!r}.")
    if pictures and form != "html":
        raise typer.BadParameter("--pictures: expected --format html. Received md.")
    from artemis.models.registry import find_version
    from artemis.settings import load_settings
    from artemis.system.files import write_text_atomic

    root = load_settings(workspace).workspace
    text = _card(find_version(root, version), root if pictures else None, form)
    if output is None:
        typer.echo(text, nl=False)
        return
    write_text_atomic(output, text)
    typer.echo(output)


@models_app.command(
    name="measure",
    short_help="Add figures to a model's record that need no training.",
    epilog="Example: artemis-cli models measure mobilenet_v2 --data PATH",
)
def measure_model(
    version: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model's name, name@version, or version.")
    ],
    data: Labelled = None,
    workspace: Workspace = None,
    quiet: Quiet = False,
) -> None:
    """Add to a model's record how its slices answer together, and what its evidence depends on.

    The data are what it was trained on; needs the extra `train`. Manifest and card in the model's
    folder are written anew, as Markdown and as a page; its weights stay as they are.
    """
    from artemis.console import progress_bar, talk
    from artemis.models.registry import find_version
    from artemis.report.model_card import publish_card
    from artemis.settings import load_settings
    from artemis.training.jobs import labelled_data
    from artemis.training.measuring import measure_again

    settings = load_settings(workspace)
    folder = find_version(settings.workspace, version)
    with progress_bar(talk(quiet=quiet), "reading labels"):
        measure_again(folder, labelled_data(data, settings), settings)
        publish_card(folder, settings)
    typer.echo(folder)


@models_app.command(name="compare", epilog="Example: artemis-cli models compare OLD NEW")
def compare_models(
    a: Annotated[str, typer.Argument(metavar="A", help="A model's name or version.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another.")],
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """Put two models' figures side by side, with their protocols."""
    from artemis.models.comparison import compare
    from artemis.models.figures import METRICS
    from artemis.said import class_words
    from artemis.settings import load_settings

    found = compare(load_settings(workspace).workspace, a, b)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    for letter, side in (("A", found.a), ("B", found.b)):
        typer.echo(f"{letter}  {side.name} {side.version}: {side.protocol}")
    if not found.same_protocol:
        typer.echo("Measured by different protocols: no difference is given.")
    order = [*METRICS]

    def place(named: tuple[str, ComparedFigure]) -> int:
        return order.index(named[0]) if named[0] in METRICS else len(order)

    for heading, figures in (
        ("Figure, with its 95% interval", sorted(found.figures.items(), key=place)),
        ("Recall of a category: of its slices, how many are found", [*found.recalls.items()]),
    ):
        typer.echo(f"\n{'A':>21} {'B':>21} {'A - B':>7}  {heading}")
        for name, figure in figures:
            difference = "" if figure.difference is None else f"{figure.difference:+.3f}"
            words = METRICS.get(name) or class_words(name)
            typer.echo(f"{_short(figure.a):>21} {_short(figure.b):>21} {difference:>7}  {words}")


@models_app.command(
    name="promote", epilog="Example: artemis-cli models promote VERSION --by NAME --reason WHY"
)
def promote_model(
    version: Annotated[str, typer.Argument(metavar="MODEL", help="name@version, or a version.")],
    by: By,
    reason: Annotated[str, typer.Option(help="Why; it is recorded.", metavar="TEXT")],
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """Use a version from now on, by a person's decision."""
    from artemis.models.champions import promote
    from artemis.models.manifest import load_manifest
    from artemis.models.registry import find_version
    from artemis.settings import load_settings

    root = load_settings(workspace).workspace
    folder = find_version(root, version)
    # By the folder's name, which is checked: its manifest may name another version that is there.
    record = promote(root, load_manifest(folder).name, folder.name, by=by, reason=reason)
    print_json(record.model_dump(mode="json")) if as_json else typer.echo(_decision_line(record))


@models_app.command(
    name="rollback", epilog="Example: artemis-cli models rollback mobilenet_v2 --by NAME"
)
def rollback_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the model.")],
    by: By,
    reason: Annotated[str, typer.Option(help="Why; it is recorded.", metavar="TEXT")] = "",
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """Use the champion before this one again."""
    from artemis.models.champions import rollback
    from artemis.settings import load_settings

    one, *others = model_names(name)
    if others:
        raise typer.BadParameter(f"NAME: expected one model. Received {name!r}.")
    record = rollback(load_settings(workspace).workspace, one, by=by, reason=reason)
    print_json(record.model_dump(mode="json")) if as_json else typer.echo(_decision_line(record))


def _card(folder: Path, workspace: Path | None, form: str) -> str:
    """Return a model's card; with pictures where a workspace is given."""
    from artemis.models.card.contents import read_card
    from artemis.models.card.markdown import render_card

    card = read_card(folder)
    if form == "md":
        return render_card(card)
    from artemis.models.card.pictures import pictures_path, read_pictures
    from artemis.report.model_card import card_page

    if workspace is None:
        return card_page(card)
    return card_page(card, read_pictures(pictures_path(workspace, card.name, card.version)))


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
    """Return a decision as a person tells it: what became of which version, by whom, and why."""
    became = _BECAME[record.verdict or record.action]
    by = f"{record.by}, a person" if record.verdict is None else "the gate, without a person"
    return (
        f"{record.model} {record.subject.version} {became} by {by}; the champion is "
        f"{record.new_champion or 'the shipped model'}. Reason: {record.reason}"
    )


def _short(figure: Interval | None) -> str:
    return "-" if figure is None else f"{figure.value:.3f} ({figure.low:.3f}-{figure.high:.3f})"
