"""Train what a recipe keeps: one network, taught by others first where the recipe has teachers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from artemis.labels import CATEGORIES
from artemis.models.runtime import softmax
from artemis.progress import report_progress
from artemis.system.ending import check_goes_on
from artemis.system.files import atomic_path
from artemis.system.numpy_files import read_array
from artemis.training.network.feeds import Samples
from artemis.training.network.fit import Epoch, fit
from artemis.training.network.fitted import Fitted
from artemis.training.network.recipes import Recipe

Reporter = Callable[[str], Callable[[Epoch], None] | None]
"""Returns, of a stage, what its finished epochs are told to."""

_ANSWERS: Final = "answers.npy"


def train_network(
    recipe: Recipe,
    samples: Samples,
    rows: NDArray[np.int64],
    stage: str,
    *,
    watched: NDArray[np.int64] | None = None,
    imagenet: Path | str | None = "imagenet",
    start: Path | None = None,
    checkpoint: Path | None = None,
    reporter: Reporter = lambda stage: None,
) -> Fitted:
    """Train the network of a recipe, after its teachers; see `fit`.

    A teacher learns from the same rows as the network that is kept, and from none besides: what
    is held out of one is held out of all.

    Parameters
    ----------
    recipe, samples, rows, watched, imagenet, start
        As in `fit`.
    stage : str
        What errors and `reporter` call this training.
    checkpoint : Path, optional
        Folder for what a training that is ended goes on from: the teachers' answers are in folders
        of it.
    reporter : callable, optional
        Asked once for each network.
    """
    taught = samples
    if recipe.teachers:
        answers = [
            _answers_of(
                recipe.teacher(number),
                samples,
                rows,
                f"{stage}, teacher {number} of {recipe.teachers}",
                None if checkpoint is None else checkpoint / f"teacher-{number}",
                reporter,
                imagenet=imagenet,
                start=start,
            )
            for number in range(1, recipe.teachers + 1)
        ]
        taught = replace(samples, teaching=np.mean(answers, axis=0, dtype=np.float32))
    return fit(
        recipe,
        taught,
        rows,
        watched=watched,
        imagenet=imagenet,
        start=start,
        checkpoint=checkpoint,
        on_epoch=reporter(stage),
        stage=stage,
    )


def _answers_of(
    recipe: Recipe,
    samples: Samples,
    rows: NDArray[np.int64],
    stage: str,
    folder: Path | None,
    reporter: Reporter,
    *,
    imagenet: Path | str | None,
    start: Path | None,
) -> NDArray[np.float16]:
    """Return what a teacher says of every changed variant of the rows, ``(n, k, 12)``.

    Probabilities; 0 for the rows that are not trained on.
    """
    kept = None if folder is None else folder / _ANSWERS
    if kept is not None and kept.is_file():
        return read_array(kept)
    if samples.draws is None:
        raise ValueError("Teachers: expected samples with draws. Received none.")
    teacher = fit(
        recipe,
        samples,
        rows,
        imagenet=imagenet,
        start=start,
        checkpoint=folder,
        on_epoch=reporter(stage),
        stage=stage,
    )
    answers = np.zeros(
        (len(samples.categories), samples.draws.count, len(CATEGORIES)), dtype=np.float16
    )
    for draw in range(samples.draws.count):
        check_goes_on()
        logits = teacher.predict_draw(samples, rows, draw + 1)["logits"]
        answers[rows, draw] = softmax(logits)
        report_progress(f"{stage}: answers to every variant", draw + 1, samples.draws.count)
    if kept is not None:
        with atomic_path(kept) as temporary, temporary.open("wb") as stream:
            np.save(stream, answers, allow_pickle=False)
    return answers
