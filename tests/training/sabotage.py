"""Twenty ways to spoil a retraining of drawn pictures, four of each kind of sabotage."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from artemis.errors import ArtemisError
from artemis.labels import CATEGORIES, CATEGORY_NAMES
from artemis.training import retraining
from artemis.training.inputs import ChosenStart, Inputs, choose_start
from artemis.training.judging import judge
from artemis.training.labelled.dataset import TrainingSet
from artemis.training.retraining import collect, train
from tests.training.labelled_pictures import write_labelled

PATIENTS, NEW_PATIENTS = 16, 4
FOLDS = (0, 0, 1, 2)
"""Of each four patients: two to train on, one to calibrate, one to lock."""
LOCKED_FOLD = 2
HARD = "03-04.png"
"""A locked picture that shows another category than its label: a network without an error is
not believed."""

POLICY = """
[comparison]
min_macro_f1_difference_low = -1.0
max_tumor_recall_fall = 1.0
max_ece_rise = 1.0
[golden]
min_slices = 1
min_equal_share = 0.0
max_probability_difference = 1.0
[locked_set]
min_groups = 4
min_images_per_category = 4
min_images_per_tumor = 12
[training_set]
min_groups = 8
min_images_per_category = 4
[suspicion]
implausible_accuracy = 1.0
max_label_conflict_rise = 0.08
"""
"""So wide that figures forbid nothing: what is refused under it is refused as sabotage."""


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a retraining: a verdict of the gate, or ``stopped`` before it; and why."""

    verdict: str
    reason: str


def retrain(inputs: Inputs, between: Callable[[], object] = lambda: None) -> Told:
    """Go through the stages of ``artemis-cli retrain``; do something before the last of them."""
    try:
        identity = collect(inputs)
        train(inputs, identity, "baseline")
        between()
        decision = judge(inputs, identity, "baseline").decision
    except ArtemisError as error:
        return Told("stopped", str(error))
    return Told(str(decision.verdict), decision.reason)


def write_pictures(folder: Path) -> None:
    """Write pictures of 16 patients, and of 4 that the manifest does not name yet."""
    table = _draw_all(folder)
    _write(folder, table[_number(table) < PATIENTS])


def _draw_all(folder: Path) -> pd.DataFrame:
    table = _draw(folder, PATIENTS + NEW_PATIENTS)
    other = _draw(folder / "other", 1, seed=2)
    (folder / "other" / other["path"][5]).replace(folder / HARD)
    shutil.rmtree(folder / "other")
    return table


def _draw(folder: Path, patients: int, seed: int = 0) -> pd.DataFrame:
    table = write_labelled(folder, patients=patients, seed=seed, brightest=110)
    table["fold"] = [FOLDS[number % len(FOLDS)] for number in _number(table)]
    return table


def _number(table: pd.DataFrame) -> pd.Series[int]:
    return table["patient"].str[1:].astype(int)


def _read(inputs: Inputs) -> pd.DataFrame:
    return pd.read_csv(inputs.data / "manifest.csv")


def _write(folder: Path, table: pd.DataFrame) -> None:
    table.to_csv(folder / "manifest.csv", index=False)


def _is(table: pd.DataFrame, category: int) -> pd.Series[bool]:
    wanted = CATEGORIES[category]
    return (table["tumor"] == wanted.tumor) & (table["plane"] == wanted.plane)


def _flip(table: pd.DataFrame, among: pd.Series[bool], count: int, seed: int) -> pd.DataFrame:
    """Give some rows another category each."""
    random, table = np.random.default_rng(seed), table.copy()
    for row in random.choice(np.flatnonzero(among), count, replace=False):
        is_of = tuple(table.iloc[row][["tumor", "plane"]])
        old = next(c.index for c in CATEGORIES if (c.tumor, c.plane) == is_of)
        new = CATEGORIES[(old + random.integers(1, 12)) % 12]
        table.loc[table.index[row], ["tumor", "plane"]] = new.tumor, new.plane
    return table


# A fifth of the labels flipped.


def flipped(inputs: Inputs, seed: int) -> Told:
    table = _read(inputs)
    _write(inputs.data, _flip(table, table["fold"] != LOCKED_FOLD, 29, seed))
    return retrain(inputs)


def flipped_everywhere(inputs: Inputs) -> Told:
    table = _read(inputs)
    _write(inputs.data, _flip(table, table["fold"] >= 0, len(table) // 5, 3))
    return retrain(inputs)


def flipped_where_new(inputs: Inputs) -> Told:
    """New patients, of whom so many labels are wrong that it is a fifth of all trained on."""
    known = _read(inputs)
    table = _draw_all(inputs.data)
    new = _number(table) >= PATIENTS
    trained_on = int((new | (table["fold"] != LOCKED_FOLD)).sum())
    spoilt = _flip(table, new, trained_on // 5, 4)
    _write(inputs.data, pd.concat([known, spoilt[new]]))
    return retrain(inputs)


# A leaked test set: splits that are wrong, handed to the training.


def leaked(inputs: Inputs, leak: Callable[[TrainingSet], np.ndarray]) -> Told:
    """Retrain with a split that trains on some pictures it must not train on."""

    def spoilt(inputs: Inputs, model: str, data: TrainingSet) -> ChosenStart:
        chosen = choose_start(inputs, model, data)
        return replace(chosen, split=replace(chosen.split, train=chosen.split.train | leak(data)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retraining, "choose_start", spoilt)
        return retrain(inputs)


def leaked_whole(inputs: Inputs) -> Told:
    return leaked(inputs, lambda data: data.table["locked"].to_numpy())


def leaked_slice(inputs: Inputs) -> Told:
    return leaked(inputs, lambda data: data.table["locked"].cumsum().eq(1).to_numpy())


def leaked_copies(inputs: Inputs) -> Told:
    export_again(inputs)
    return leaked(inputs, lambda data: data.table["path"].str.startswith("again").to_numpy())


def leaked_patient(inputs: Inputs) -> Told:
    """Slices of a locked patient that came later, and of which the split knows nothing."""
    more = _draw(inputs.data / "more", 1, seed=1)
    more["path"] = "more/" + more["path"]
    owner = {"patient": "p3", "group": "g3", "fold": LOCKED_FOLD}
    _write(inputs.data, pd.concat([_read(inputs), more.assign(**owner)]))
    return leaked(inputs, lambda data: data.table["path"].str.startswith("more").to_numpy())


def export_again(inputs: Inputs) -> None:
    """Add the locked pictures a second time, darker, under other patients' names."""
    table = _read(inputs)
    again = table[table["fold"] == LOCKED_FOLD].copy()
    for path in again["path"]:
        darker = np.asarray(Image.open(inputs.data / path)) * 0.9
        Image.fromarray(darker.astype(np.uint8)).save(inputs.data / f"again-{path}")
    for column in ("path", "patient", "group"):
        again[column] = "again-" + again[column]
    _write(inputs.data, pd.concat([table, again]))


# A category that is missing in training, or empty everywhere.


def missing(inputs: Inputs, category: int) -> Told:
    table = _read(inputs)
    _write(inputs.data, table[~_is(table, category) | (table["fold"] == LOCKED_FOLD)])
    return retrain(inputs)


def missing_in_training(inputs: Inputs, category: int) -> Told:
    """Missing while the network is trained, and there again when it is judged."""
    table = _read(inputs)
    _write(inputs.data, table[~_is(table, category) | (table["fold"] == LOCKED_FOLD)])
    return retrain(inputs, lambda: _write(inputs.data, table))


def empty(inputs: Inputs, category: int) -> Told:
    """Folders by category instead of a manifest, of which one is empty."""
    table, tree = _read(inputs), inputs.data.with_name("tree")
    for known in CATEGORIES:
        folder = tree / CATEGORY_NAMES[known.index]
        folder.mkdir(parents=True)
        if known.index != category:
            for path in table.loc[_is(table, known.index), "path"]:
                shutil.copy(inputs.data / path, folder)
    return retrain(replace(inputs, data=tree))


# One patient only.


def one_patient(inputs: Inputs) -> Told:
    table = _read(inputs)
    _write(inputs.data, table[(table["fold"] == LOCKED_FOLD) | (table["patient"] == "p1")])
    return retrain(inputs)


def one_name(inputs: Inputs) -> Told:
    _write(inputs.data, _read(inputs).assign(patient="p0", group="g0"))
    return retrain(inputs)


def one_patient_a_part(inputs: Inputs) -> Told:
    table = _read(inputs)
    kept = (table["fold"] == LOCKED_FOLD) | table["patient"].isin(["p0", "p2"])
    _write(inputs.data, table[kept])
    return retrain(inputs)


def one_patient_locked(inputs: Inputs) -> Told:
    table = _read(inputs)
    _write(inputs.data, table[(table["fold"] != LOCKED_FOLD) | (table["patient"] == "p3")])
    return retrain(inputs)
