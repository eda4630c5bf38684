"""What a retraining is given and reads: labelled pictures, their split, and first weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from artemis.errors import ModelError, TrainingDataError
from artemis.models.manifest import START_NAME, load_manifest
from artemis.models.out_of_fold import read_out_of_fold
from artemis.models.registry import CHAMPION, model_folder
from artemis.models.retrainings import Start
from artemis.settings import Settings
from artemis.system.files import is_out_of_reach
from artemis.training.jobs import choose_recipes, read_training_set
from artemis.training.labelled.dataset import TrainingSet
from artemis.training.labelled.locked import lock_groups, read_locked
from artemis.training.network.recipes import Recipe
from artemis.training.train import Split

_MIN_CALIBRATION: Final = 40  # slices that a temperature can be fitted on


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a flow run is given, and hands to every stage.

    Attributes
    ----------
    data : Path
        Folder or manifest of labelled pictures.
    settings : Settings
        Workspace, and where first weights are.
    start : {'champion', 'imagenet'}
        What networks start from.
    models : tuple of str
        Models.
    epochs : int or None
        Epochs instead of the recipe's.
    """

    data: Path
    settings: Settings
    start: Start
    models: tuple[str, ...]
    epochs: int | None = None

    @property
    def workspace(self) -> Path:
        """Folder of everything that is written."""
        return self.settings.workspace

    def recipe(self, model: str) -> Recipe:
        """Return how a model is trained from its first weights."""
        return next(iter(choose_recipes([model], epochs=self.epochs).values()))


def read_data(inputs: Inputs) -> TrainingSet:
    """Read the training set with reviewed labels, and lock its last fold if nothing is yet.

    Pictures come from the cache after the first time. What cannot be trained on is not locked:
    a set that was locked once stays.
    """
    recipes = [inputs.recipe(model) for model in inputs.models]
    data = read_training_set(inputs.data, inputs.settings, recipes, reviewed=True)
    if read_locked(inputs.workspace) is None:
        folds = data.table["fold"].to_numpy()
        last = (folds == folds.max()) & ~data.table["crossing"].to_numpy(dtype=bool)
        if last.any():
            _divide(inputs, data, last)
        lock_groups(inputs.workspace, data.table, data.prints, last)
        data = read_training_set(inputs.data, inputs.settings, recipes, reviewed=True)
    return data


def locked_slices(inputs: Inputs, data: TrainingSet) -> NDArray[np.bool_]:
    """Return which pictures are of the locked evaluation set, (n,) bool.

    Raises
    ------
    TrainingDataError
        If the data holds none of it.
    """
    locked = read_locked(inputs.workspace)
    ids = locked.slice_ids if locked is not None else frozenset()
    mask = data.table["slice_id"].isin(ids).to_numpy(dtype=np.bool_)
    if not mask.any():
        raise TrainingDataError(
            f"{inputs.data}: expected the {len(ids)} slices of the locked evaluation set among "
            "the labelled pictures, to measure on. Received none of them. Give the data that "
            "the first retraining was given, with what came since; or, for other data, another "
            "--workspace."
        )
    return mask


def split_of(inputs: Inputs, data: TrainingSet) -> Split:
    """Return the split: the locked set tests, one fold of the rest calibrates.

    It is the last fold that holds at least half as many slices of the rest as the fullest: of the
    fold that was locked, only what came later is among the rest, and may be a handful.
    """
    return _divide(inputs, data, locked_slices(inputs, data))


@dataclass(frozen=True, slots=True)
class ChosenStart:
    """What a model starts from.

    Attributes
    ----------
    weights : Path or None
        Of an earlier model; None for first weights.
    words : str
        What they are, and why.
    split : Split
        That fits them.
    seen : frozenset of str
        Slices that the weights have learnt from, in whatever training.
    """

    weights: Path | None
    words: str
    split: Split
    seen: frozenset[str] = frozenset()


def choose_start(inputs: Inputs, model: str, data: TrainingSet) -> ChosenStart:
    """Return what a model starts from, and the split that fits it.

    Weights of the champion are used only if the network that they are of has seen no slice of
    the locked groups, and only those slices calibrate of whose group it has seen none either,
    however new they are: a network that starts from what has seen a patient would be measured
    too well on that patient's other slices. Of the groups that it has not seen, those calibrate
    that the champion was calibrated on, and new ones of the fold that calibrates anyway; the
    other new ones are fitted on, or the network that sets temperature and threshold would
    never have learnt what the new data bring.
    """
    fresh = split_of(inputs, data)
    if inputs.start == "imagenet":
        return ChosenStart(None, "first weights, as asked for", fresh)
    folder = champion_of(inputs.workspace, model)
    if folder is None:
        return ChosenStart(None, "first weights: there is no champion", fresh)
    manifest = load_manifest(folder)
    recipe = inputs.recipe(model).record()
    if any(manifest.training.recipe.get(name) != recipe[name] for name in ("side", "original")):
        return ChosenStart(None, "first weights: the champion is of another recipe", fresh)
    known = read_out_of_fold(folder)
    groups = data.table["group"]
    learnt = {*known.loc[~known["start_unseen"], "slice_id"], *manifest.training.seen_before}
    unseen = ~groups.isin(groups[data.table["slice_id"].isin(learnt)]).to_numpy()
    if (~unseen & fresh.test).any():
        return ChosenStart(None, "first weights: the champion's have seen locked slices", fresh)
    of_champion = data.table["slice_id"].isin(known.loc[known["start_unseen"], "slice_id"])
    own = groups.isin(groups[of_champion]).to_numpy()
    calibration = fresh.train & unseen & (own | fresh.calibration)
    fitting, count = data.training_mask(calibration | fresh.test), int(calibration.sum())
    if count < _MIN_CALIBRATION or not fitting.any():
        words = f"leave {count} slices to calibrate on, and {_MIN_CALIBRATION} are needed"
        return ChosenStart(None, f"first weights: the champion's {words}", fresh)
    split = Split(fresh.train, fitting, calibration, fresh.test, fresh.words)
    words = f"weights of {manifest.version}, calibrated on {count} slices"
    return ChosenStart(folder / START_NAME, words, split, frozenset(learnt))


def champion_of(workspace: Path, model: str) -> Path | None:
    """Return the folder of a model's champion; None where there is none.

    Raises
    ------
    ModelError
        If the workspace names one that is not there: the gate must not take that for none.
    """
    try:
        return model_folder(workspace, model)
    except ModelError:
        pointer = workspace / "models" / model / CHAMPION
        if pointer.exists() or is_out_of_reach(pointer):
            raise
        return None


def _divide(inputs: Inputs, data: TrainingSet, test: NDArray[np.bool_]) -> Split:
    train = data.training_mask(test)
    folds = data.table["fold"].to_numpy()
    if not train.any():
        raise TrainingDataError(
            f"{inputs.data}: expected labelled pictures beside the locked evaluation set, which is "
            "the last fold at first. Received none. Add labelled data, or folds."
        )
    sizes = np.bincount(folds[train])
    calibration = train & (folds == np.flatnonzero(2 * sizes >= sizes.max())[-1])
    fitting = data.training_mask(calibration | test)
    if not fitting.any():
        groups = data.table.loc[train, "group"].nunique()
        raise TrainingDataError(
            f"{inputs.data}: expected pictures of patients in two folds or more beside the locked "
            f"evaluation set, some to train on and others to set the temperature. Received one "
            f"fold, of {groups} patient group{'' if groups == 1 else 's'}. Add patients."
        )
    return Split(
        train=train,
        fitting=fitting,
        calibration=calibration,
        test=test,
        words=f"whole patient groups: the locked evaluation set of {int(test.sum())} slices tests",
    )
