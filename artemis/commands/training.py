"""``artemis-cli train`` and ``artemis-cli evaluate``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from artemis.commands.options import (
    AsJson,
    Epochs,
    Labelled,
    ModelNames,
    Quiet,
    RecipeName,
    Workspace,
    given_workspace,
    model_names,
    print_json,
)


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
    every_slice: Annotated[
        bool,
        typer.Option(
            "--every-slice", help="Hold nothing out; figures are those of `evaluate patient`."
        ),
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Train models on labelled pictures; needs the extra `train` (TensorFlow).

    Each is trained twice: without the calibration fold, to set its temperature and its
    distance threshold, and with it, to be kept. Figures are of the test fold. What was ended
    goes on after its last epoch, by the same command.

    With --every-slice, `evaluate patient` is run where it was not yet, and stands for the
    figures, temperature and threshold of a network trained on everything.
    """
    from artemis.console import epoch_lines, progress_bar, talk
    from artemis.report.model_card import publish_card
    from artemis.settings import load_settings
    from artemis.training.evaluations import train_on_every_slice
    from artemis.training.jobs import labelled_data
    from artemis.training.trainings import train_all

    settings, console = load_settings(workspace), talk(quiet=quiet)
    how: dict[str, Any] = {} if every_slice else {"folds": (test_fold, calibration_fold)}
    with progress_bar(console, "reading labels"):
        folders = (train_on_every_slice if every_slice else train_all)(
            labelled_data(data, settings),
            settings,
            models=model_names(model),
            recipe=recipe,
            epochs=epochs,
            output=output,
            promote_by=promote,
            on_epoch=epoch_lines(console),
            **how,
        )
    for folder in folders:
        typer.echo(folder)
        for line in _came_to(folder, workspace, used=promote is not None or output is not None):
            console.print(line, soft_wrap=True, markup=False)
        if (page := publish_card(folder, settings)) is not None:
            console.print(f"Card with pictures of its mistakes: {page}", soft_wrap=True)


def _came_to(folder: Path, workspace: Path | None, *, used: bool) -> Iterator[str]:
    """Yield what a training came to, and how its model is used where it is not yet."""
    from artemis.models.figures import few_groups, figure
    from artemis.models.manifest import CARD_NAME, load_manifest

    manifest = load_manifest(folder)
    found, metrics = manifest.evaluation, manifest.evaluation.metrics
    yield (
        f"Accuracy {figure(metrics['accuracy'])}, macro F1 {figure(metrics['macro_f1'])}: "
        f"{found.images:,} slices of {found.groups:,} groups, 95% intervals over the groups."
        f"{few_groups(found.groups)} The whole is in {folder / CARD_NAME}"
    )
    if not used:
        yield (
            "It is not used yet. To use it: artemis-cli models promote "
            f"{manifest.name}@{manifest.version} --by NAME --reason WHY{given_workspace(workspace)}"
        )


_NO_PRICE: Final = (
    "The price of the leak is not known: run `artemis-cli evaluate patient` with the same data, "
    "model, recipe and epochs first, then this again."
)


def evaluate(
    protocol: Annotated[
        str, typer.Argument(metavar="PROTOCOL", help="patient, official or random.")
    ],
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
    which leaks; the price of the leak is printed if `patient` was run before on the same
    data by the same recipe.

    The same command in another shell, or on another machine that shares the workspace, takes
    folds that nobody works at; each prints the whole.
    """
    from artemis.training.jobs import PROTOCOLS, labelled_data

    if protocol not in PROTOCOLS:  # before TensorFlow is imported, which takes seconds
        raise typer.BadParameter(f"expected {', '.join(PROTOCOLS)}. Received {protocol!r}.")
    from artemis.commands.laid_out import print_markdown
    from artemis.console import epoch_lines, progress_bar, talk
    from artemis.settings import load_settings
    from artemis.training.evaluations import evaluate_all
    from artemis.training.figures.tables import describe, price_table

    settings, console = load_settings(workspace), talk(quiet=quiet)
    with progress_bar(console, "reading labels"):
        evaluated = evaluate_all(
            protocol,
            labelled_data(data, settings),
            settings,
            models=model_names(model),
            recipe=recipe,
            epochs=epochs,
            on_epoch=epoch_lines(console),
        )
    if as_json:
        print_json([result.as_dict() for result in evaluated])
        return
    for result in evaluated:
        print_markdown(describe(result.title, result.outcome.evaluation) + "\n")
        if result.price is not None:
            print_markdown(price_table(result.price) + "\n\n")
        elif protocol == "random":
            console.print(_NO_PRICE, soft_wrap=True)
        typer.echo(f"Files: {result.folder}\n")
