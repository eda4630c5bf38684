"""What ``artemis-cli evaluate`` does, and the training on every slice that follows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from artemis.models.manifest import Evaluation
from artemis.settings import Settings
from artemis.system.files import write_text_atomic
from artemis.training.jobs import (
    OnEpoch,
    choose_recipes,
    means_of,
    read_training_set,
    require_tensorflow,
)
from artemis.training.once import made_once
from artemis.training.trainings import check_targets, finish_trained

if TYPE_CHECKING:
    from artemis.training.protocols import Outcome

OUTCOME_NAME: Final = "evaluation.json"
TABLES_NAME: Final = "evaluation.md"
PREDICTIONS_NAME: Final = "predictions.parquet"


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One protocol of one recipe: its outcome, the folder of its files, the price of a leak."""

    recipe: str
    outcome: Outcome
    folder: Path
    price: dict[str, float] | None = None

    @property
    def title(self) -> str:
        """What was measured, in a line."""
        return f"{self.recipe}, {self.outcome.protocol}"

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "recipe": self.recipe,
            "protocol": self.outcome.protocol,
            "folder": str(self.folder),
            "evaluation": self.outcome.evaluation.model_dump(mode="json"),
            "price_of_the_leak": self.price,
        }


def evaluate_all(
    protocol: str,
    data: Path,
    settings: Settings,
    *,
    models: Sequence[str],
    recipe: str | None = None,
    epochs: int | None = None,
    on_epoch: OnEpoch | None = None,
) -> list[Evaluated]:
    """Run a protocol for each model; finished folds of the same data and recipe are kept.

    Parameters
    ----------
    protocol : {'patient', 'official', 'random'}
        See `artemis.training.protocols`.
    data : Path
        Folder or manifest of labelled pictures.
    settings : Settings
        Workspace: results are in its ``evaluations/``.
    models, recipe, epochs, on_epoch
        As in `artemis.training.trainings.train_all`.
    """
    require_tensorflow()
    recipes = choose_recipes(models, recipe, epochs)
    training_set = read_training_set(data, settings, [*recipes.values()])
    from artemis.training.protocols import is_finished, price_of_the_leak, run

    evaluated = []
    for name, chosen in recipes.items():
        parts = settings.workspace / "evaluations" / name
        means = means_of(settings, chosen, on_epoch=on_epoch, work=parts / "unfinished")
        for variant, outcome in run(protocol, chosen, training_set, parts, means).items():
            folder = parts / variant
            _write_evaluation(folder, f"{name}, {variant}", outcome.evaluation)
            _write_predictions(folder, outcome)
            price = None
            if variant == "random" and is_finished("patient", chosen, training_set, parts):
                honest = run("patient", chosen, training_set, parts, means)["patient"]
                price = price_of_the_leak(honest.evaluation, outcome.evaluation)
            evaluated.append(Evaluated(name, outcome, folder, price))
    return _together(evaluated, settings)


def _together(evaluated: list[Evaluated], settings: Settings) -> list[Evaluated]:
    """Add what the doubt of all models together sets aside, and write that down."""
    from artemis.training.protocols import measured_together

    outcomes = {one.recipe: one.outcome for one in evaluated}
    added = measured_together(outcomes, settings.review.others_weight)
    if added is None:
        return evaluated
    for one in evaluated:
        _write_evaluation(one.folder, one.title, added[one.recipe].evaluation)
    return [replace(one, outcome=added[one.recipe]) for one in evaluated]


def _write_evaluation(folder: Path, title: str, evaluation: Evaluation) -> None:
    from artemis.training.figures.tables import describe

    write_text_atomic(folder / OUTCOME_NAME, evaluation.model_dump_json(indent=2) + "\n")
    write_text_atomic(folder / TABLES_NAME, describe(title, evaluation))


def _write_predictions(folder: Path, outcome: Outcome) -> None:
    from artemis.training.figures.out_of_fold import EVALUATED_SCHEMA, evaluated, write_frame
    from artemis.training.protocols import calibrated_across

    table = evaluated(outcome.predictions, calibrated_across(outcome.predictions))
    write_frame(folder / PREDICTIONS_NAME, table, EVALUATED_SCHEMA)


def train_on_every_slice(
    data: Path,
    settings: Settings,
    *,
    models: Sequence[str],
    recipe: str | None = None,
    epochs: int | None = None,
    output: Path | None = None,
    promote_by: str | None = None,
    on_epoch: OnEpoch | None = None,
) -> list[Path]:
    """Train each model on every slice; its figures are those of the protocol ``patient``.

    The protocol is run first, with the same recipe on the same data; what is finished of it is
    kept. Of several processes that are asked for the same, one trains each network; the others
    wait and return its folder. Arguments as in `artemis.training.trainings.train_all`.
    """
    check_targets(settings, output, promote_by)
    evaluated = evaluate_all(
        "patient",
        data,
        settings,
        models=models,
        recipe=recipe,
        epochs=epochs,
        on_epoch=on_epoch,
    )
    from artemis.training.protocols import evaluation_key
    from artemis.training.train import train_on_all

    recipes = choose_recipes(models, recipe, epochs)
    training_set = read_training_set(data, settings, [*recipes.values()])
    folders = []
    for measured in evaluated:
        chosen = recipes[measured.recipe]
        models_folder = output or settings.workspace / "models"
        unfinished = settings.workspace / "evaluations" / measured.recipe / "unfinished"
        work = unfinished / f"{evaluation_key(chosen, training_set)}-every-slice"
        train_it = partial(
            train_on_all,
            chosen,
            training_set,
            measured.outcome.predictions,
            measured.outcome.evaluation,
            models_folder,
            means_of(settings, chosen, on_epoch=on_epoch, work=work),
        )
        what = f"a training of {measured.recipe} on every slice"
        folder = made_once(work, models_folder / chosen.model, what, train_it)
        finish_trained(settings, folder, training_set, promote_by)
        folders.append(folder)
    return folders
