"""The plane of pictures whose label names a tumour alone, predicted by a shipped model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from artemis.errors import TrainingDataError
from artemis.labels import CATEGORIES, PLANES
from artemis.models.registry import PRETRAINED, load_model, model_folder
from artemis.settings import IngestSettings
from artemis.training.labelled.arrays import ArrayStore
from artemis.training.labelled.pictures import Source, content_keys, load_pictures

_MODEL: Final = "mobilenet_v2"
_CHUNK: Final = 512
_IN_PLANE: Final = np.array(
    [[category.plane == plane for plane in PLANES] for category in CATEGORIES], dtype=np.float32
)


def predict_planes(
    sources: Sequence[Source],
    cache: Path,
    settings: IngestSettings,
    on_read: Callable[[int, int], None] | None = None,
) -> list[str | None]:
    """Return the most probable plane of each picture, summed over the tumours.

    None of one that cannot be read: whoever reads it next says why.

    By the `mobilenet_v2` that Artemis ships, whatever a workspace has promoted, so that
    labels do not change with every retraining; its model card says how often its plane is
    right on unseen patients. Answers are cached by the picture's content and the model's.

    Parameters
    ----------
    sources : sequence of Source
        Frames.
    cache, settings, on_read
        See `artemis.training.labelled.pictures.load_pictures`.

    Raises
    ------
    TrainingDataError
        If a file is missing.
    ModelError
        If the shipped model is damaged.
    """
    # The package's folder promotes nothing, so that this is the shipped model.
    model = load_model(model_folder(PRETRAINED, _MODEL))
    side = model.manifest.input.side
    answers = ArrayStore(cache / f"plane-{model.manifest.sha256[:16]}", "u1")
    keys = content_keys(sources)
    asked = {key: s for key, s in zip(keys, sources, strict=True) if key not in answers}
    waiting = list(asked.items())
    for start in range(0, len(waiting), _CHUNK):
        chunk = waiting[start : start + _CHUNK]
        readable, pictures = _readable(chunk, side, cache, settings)
        if readable:
            probabilities = model.probabilities(model.predict(pictures).logits)
            answers.append(readable, (probabilities @ _IN_PLANE).argmax(axis=1))
        if on_read:
            on_read(start + len(chunk), len(waiting))
    known = [key for key in keys if key in answers]
    planes = dict(zip(known, answers.gather(known).tolist(), strict=True)) if known else {}
    return [PLANES[planes[key]] if key in planes else None for key in keys]


def _readable(
    chunk: Sequence[tuple[str, Source]], side: int, cache: Path, settings: IngestSettings
) -> tuple[list[str], NDArray[np.uint8]]:
    """Return the keys of those that can be read, and their model inputs."""
    try:
        found = load_pictures([source for _, source in chunk], [side], cache, settings)
        return [key for key, _ in chunk], found.inputs[side]
    except TrainingDataError:
        pass  # all that can be read are in the cache now
    keys, inputs = [], [np.empty((0, side, side), np.uint8)]
    for key, source in chunk:
        with suppress(TrainingDataError):
            inputs.append(load_pictures([source], [side], cache, settings).inputs[side])
            keys.append(key)
    return keys, np.concatenate(inputs)
