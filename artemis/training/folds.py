"""The trainings of each protocol of evaluation: which slices train, and which test.

``patient``   whole groups of patients and copies are held out, fold by fold: the honest one.
``official``  Kaggle's own Training and Testing folders, as they are and without the training
              images that share a patient or a copy with a test image.
``random``    the original project's 90/10 by image, three times: it leaks, and is run to
              measure by how much.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from artemis.errors import TrainingDataError
from artemis.training.labelled.dataset import TrainingSet
from artemis.training.labelled.split import disjoint

RANDOM_SEEDS: Final = (0, 1, 2)
RANDOM_SHARE: Final = 0.1
"""Share of images tested in the original project's split."""

DISJOINT: Final = "without training copies of test images"
"""Words of the second training of ``official``."""

_NOTHING_LEFT: Final = {
    "patient": "Give two folds or more, or leave out `fold` to have five made.",
    "official": "Every training picture shares a group with a test picture: use another protocol.",
    "random": "Add pictures.",
}


@dataclass(frozen=True, slots=True)
class Fold:
    """One training of a protocol.

    Attributes
    ----------
    number : int
        Names its part.
    train, test : ndarray, (n,), bool
        What it is trained on and what it predicts.
    words : str
        What it is, for people.
    """

    number: int
    train: NDArray[np.bool_]
    test: NDArray[np.bool_]
    words: str


def plan(protocol: str, data: TrainingSet) -> list[Fold]:
    """Return the trainings of a protocol.

    Parameters
    ----------
    protocol : {'patient', 'official', 'random'}
        Which.
    data : TrainingSet
        With folds of whole groups, and the official split for ``official``.

    Raises
    ------
    TrainingDataError
        If the data does not have what the protocol needs.
    """
    if protocol == "official":
        folds = _official(data)
    else:
        folds = list(_patient(data) if protocol == "patient" else _random(data))
    for fold in folds:
        if not fold.train.any():
            raise TrainingDataError(
                f"evaluate {protocol}: expected pictures to train on beside the "
                f"{int(fold.test.sum())} that are tested, {fold.words}. Received none. "
                f"{_NOTHING_LEFT[protocol]}"
            )
    return folds


def _patient(data: TrainingSet) -> Iterator[Fold]:
    folds = data.table["fold"].to_numpy()
    for number in sorted(set(folds.tolist())):
        test = folds == number
        yield Fold(number, data.training_mask(test), test, f"fold {number}")


def _official(data: TrainingSet) -> list[Fold]:
    official = data.table["official_split"]
    test = (official == "testing").to_numpy(dtype=bool)
    train = (official == "training").to_numpy(dtype=bool)
    if not test.any() or not train.any():
        raise TrainingDataError(
            "evaluate official: expected pictures of Kaggle's Training and Testing folders. "
            f"Received {int(train.sum())} and {int(test.sum())}. Use another protocol."
        )
    return [
        Fold(0, train, test, "as it is"),
        Fold(1, disjoint(data.table["group"], train, test), test, DISJOINT),
    ]


def _random(data: TrainingSet) -> Iterator[Fold]:
    from sklearn.model_selection import train_test_split

    rows, categories = np.arange(len(data.table)), data.table["category"].to_numpy()
    counts = np.unique(categories, return_counts=True)[1]
    named, fewest = len(counts), int(min(counts, default=0))
    if fewest < 2 or math.ceil(RANDOM_SHARE * len(rows)) < named:
        raise TrainingDataError(
            f"evaluate random: expected at least 2 pictures of each category, and as many in a "
            f"tenth as there are categories. Received {len(rows)} pictures of {named} categories, "
            f"{fewest} of the rarest. Add pictures, or use another protocol."
        )
    for seed in RANDOM_SEEDS:
        _, chosen = train_test_split(
            rows, test_size=RANDOM_SHARE, random_state=seed, stratify=categories
        )
        test = np.zeros(len(rows), dtype=np.bool_)
        test[chosen] = True
        yield Fold(seed, ~test, test, f"seed {seed}")
