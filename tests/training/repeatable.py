"""Everything of a training that must come out the same again. Run as a module, it prints it.

``python -m tests.training.repeatable PICTURES WORKSPACE``
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from artemis.models.architectures import build_stem
from artemis.settings import Settings
from artemis.training.figures.evaluate import macro_f1
from artemis.training.jobs import read_training_set
from artemis.training.network.augmentation import Augmentation
from artemis.training.network.draws import make_draws
from artemis.training.network.feeds import ChangedPictures, Drawn, Samples
from artemis.training.network.fit import fit
from artemis.training.network.recipes import RECIPES
from artemis.training.trainings import split_by_folds
from tests.training.small import tiny

RECIPE = replace(RECIPES["baseline"], side=80, epochs=2, batch_size=8, augmentation=Augmentation())
LEARNS = replace(
    RECIPE,
    epochs=6,
    learning_rate=1e-2,
    warmup_epochs=0.0,  # changes of grey values alone: a square tells the category by its place
    augmentation=Augmentation(rotation=0.0, zoom=0.0, stretch=0.0, shift=0.0, flip=0.0, erase=0.0),
)


def told(pictures: Path, workspace: Path) -> dict[str, dict[str, Any]]:
    """Return what must be equal, and metrics, which may differ by half a point.

    Parameters
    ----------
    pictures : Path
        Labelled pictures without folds.
    workspace : Path
        An empty one: nothing is taken from a cache.
    """
    stems = tiny(epochs=2)
    data = read_training_set(pictures, Settings(workspace=workspace), [RECIPE, stems])
    split = split_by_folds(data, 4, 3)
    fitting = np.flatnonzero(split.fitting)
    rows = fitting[:48]
    samples = Samples(data.pictures[80], data.table["category"].to_numpy(), None)
    few = np.arange(16)
    draws = make_draws(
        stems, data.pictures[64][few], data.boxes[few], workspace / "c", build_stem(64, None)
    )
    fitted = fit(LEARNS, samples, fitting)
    everything = np.arange(len(data.table))
    predicted = fitted.predict(samples, everything)["logits"].argmax(axis=1)
    return {
        "equal": {
            "slices": data.table["slice_id"].tolist(),
            "groups": data.table["group"].tolist(),
            "folds": data.table["fold"].tolist(),
            "training_set": data.sha256,
            "fitting": split.fitting.tolist(),
            "areas": _digest(np.asarray(draws.areas)),
            "changed pictures": _fed(ChangedPictures(RECIPE, samples, rows)),
            "order of draws": _fed(
                Drawn(stems, Samples(data.pictures[64], samples.categories[few], draws), few)
            ),
        },
        "metrics": {
            "accuracy": float((predicted == samples.categories).mean()),
            "macro_f1": macro_f1(predicted, samples.categories),
        },
    }


def _fed(feed: Any) -> list[str]:
    """Return a digest of each batch's truth, and of pictures where no network made them."""
    digests = []
    for epoch in (0, 1, 7):
        feed.start(epoch)
        for x, truth, weights in feed.batches:
            parts = [*truth.values(), *weights.values()]
            parts += [x] if isinstance(feed, ChangedPictures) else []
            digests.append(_digest(*map(np.asarray, parts)))
    return digests


def _digest(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(told(Path(sys.argv[1]), Path(sys.argv[2]))))
