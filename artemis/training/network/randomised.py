"""Whether evidence depends on what a network has learnt: its maps against shuffled weights'.

The model parameter randomisation test of Adebayo et al. ("Sanity checks for saliency maps",
NeurIPS 2018). Each array of weights keeps its values and loses their order, so that signals
keep their size: with newly drawn weights next to nothing passes MobileNetV2, and its maps are
flat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import keras
import numpy as np
from numpy.typing import NDArray

from artemis.labels import PLANES
from artemis.models.evidence_map import MAPS, tumor_evidence
from artemis.models.manifest import Randomisation, Shuffled
from artemis.training.figures.localisation import judge_maps, randomisation_check
from artemis.training.network.fitted import Answers, Fitted

CHECKED: Final = 300
"""Slices at most that the check is made on."""

_BATCH: Final = 50
_BODY: Final = "blocks"  # the layers of MobileNetV2 below the heads, see `build_mobilenet`


def check_randomisation(
    fitted: Fitted,
    pictures: NDArray[np.uint8],
    categories: NDArray[np.int64],
    boxes: NDArray[np.float32],
    seed: int = 0,
) -> Randomisation | None:
    """Compare a network's evidence for its answers with that of its weights shuffled.

    The network has its own weights again afterwards.

    Parameters
    ----------
    fitted : Fitted
        The network.
    pictures : ndarray, (n, side, side), uint8
        Model inputs; `CHECKED` of them are drawn.
    categories : ndarray, (n,), int64
        True category indices.
    boxes : ndarray, (n, 4), float32
        Tumour boxes in fractions of the edge; NaN where unknown.
    seed : int
        Of the shuffling and of the draw.

    Returns
    -------
    Randomisation or None
        None of a network without maps.
    """
    if MAPS not in fitted.trained.output:
        return None
    random = np.random.default_rng(seed)
    rows = np.sort(random.permutation(len(pictures))[:CHECKED])
    pictures, categories, boxes = pictures[rows], categories[rows], boxes[rows]
    own = _outputs(fitted.answers, pictures)
    scores, shown = own["logits"], own["logits"].argmax(axis=1) // len(PLANES)

    def pointing(maps: NDArray[np.float32]) -> float | None:
        hits = judge_maps(maps, scores, categories, boxes, pictures).pointing_game
        return float(np.nanmean(hits)) if np.isfinite(hits).any() else None

    def compared(layers: Sequence[keras.layers.Layer]) -> Shuffled:
        kept = [layer.get_weights() for layer in layers]
        for layer, weights in zip(layers, kept, strict=True):
            layer.set_weights([_shuffled(array, random) for array in weights])
        maps = _outputs(fitted.answers, pictures)[MAPS]
        for layer, weights in zip(layers, kept, strict=True):
            layer.set_weights(weights)
        found = randomisation_check(tumor_evidence(own[MAPS], shown), tumor_evidence(maps, shown))
        return Shuffled(
            correlation=_known(found["mean"]),
            absolute=_known(found["mean_absolute"]),
            slices=int(found["slices"]),
            pointing_game=pointing(maps),
        )

    heads = [layer for layer in fitted.trained.layers if layer.name != _BODY]
    learnt = fitted.parts if fitted.recipe.all_layers else [fitted.trained]
    return Randomisation(
        images=len(rows),
        pointing_game=pointing(own[MAPS]),
        shuffled={"heads": compared(heads), "all": compared(learnt)},
    )


def _outputs(call: Answers, pictures: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float32]]:
    parts = [
        call(pictures[start : start + _BATCH, ..., None])
        for start in range(0, len(pictures), _BATCH)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _shuffled(array: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    return random.permutation(array.reshape(-1)).reshape(array.shape)


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
