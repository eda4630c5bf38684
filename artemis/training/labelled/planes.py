"""The plane of pictures whose label names a tumour alone, predicted by a shipped model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from artemis.labels import CATEGORIES, PLANES
from artemis.models.registry import PRETRAINED, load_model, model_folder
from artemis.settings import IngestSettings
from artemis.training.labelled.arrays import ArrayStore
from artemis.training.labelled.pictures import Source, content_key, load_pictures

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
) -> list[str]:
    """Return the most probable plane of each picture, summed over the tumours.

    By the `mobilenet_v2` that Artemis ships, whatever a workspace has promoted, so that
    labels do not change with every retraining; its model card says how often its plane is
    right on unseen patients. Answers are cached by the picture's content and the model's.

    Parameters
    ----------
    sources : sequence of Source
        Files of one frame each.
    cache, settings, on_read
        See `artemis.training.labelled.pictures.load_pictures`.

    Raises
    ------
    TrainingDataError
        If a picture cannot be read.
    ModelError
        If the shipped model is damaged.
    """
    # The package's folder promotes nothing, so that this is the shipped model.
    model = load_model(model_folder(PRETRAINED, _MODEL))
    side = model.manifest.input.side
    answers = ArrayStore(cache / f"plane-{model.manifest.sha256[:16]}", "u1")
    keys = [content_key(source) for source in sources]
    asked = {key: s for key, s in zip(keys, sources, strict=True) if key not in answers}
    waiting = list(asked.items())
    for start in range(0, len(waiting), _CHUNK):
        chunk = waiting[start : start + _CHUNK]
        pictures = load_pictures([source for _, source in chunk], [side], cache, settings)
        probabilities = model.probabilities(model.predict(pictures.inputs[side]).logits)
        answers.append([key for key, _ in chunk], (probabilities @ _IN_PLANE).argmax(axis=1))
        if on_read:
            on_read(start + len(chunk), len(waiting))
    return [PLANES[plane] for plane in answers.gather(keys).tolist()]
