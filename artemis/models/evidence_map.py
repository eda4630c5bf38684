"""Where in a picture a model finds its evidence: from the network's maps to the picture.

An exported network may return ``maps``, evidence for each tumour type at each place, whose
sum over the places is the local part of the tumour's logit (see
`artemis.models.architectures`). They come with the forward pass; no gradient is taken. The
same maps serve every plane, so they say nothing of why a plane was answered.

A network without such maps has no overlay: the baseline, and versions of mobilenet_v2 that
map the twelve categories, whose maps mix tumour and plane (pointing game 0.19).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from artemis.labels import TUMORS
from artemis.preprocess import SquareBox

CAPTION: Final = "Evidence for the model\u2019s answer, not an outline of a lesion."

MAPS: Final = "maps"
"""Name of the network's output."""


def gives_evidence(outputs: Mapping[str, Sequence[int]]) -> bool:
    """Return whether a network of these outputs maps its evidence for each tumour type.

    Parameters
    ----------
    outputs : mapping of str to sequence of int
        Shapes by name without the batch axis, as in a model's manifest.
    """
    shape = outputs.get(MAPS, ())
    return len(shape) == 3 and shape[2] == len(TUMORS)


def tumor_evidence(maps: NDArray[np.float32], tumors: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the evidence at each place for one tumour type a slice.

    Logits count only by their differences, so what speaks for every type alike is no evidence:
    at each place the mean over the four types is taken off, and what is left above zero is kept.

    Parameters
    ----------
    maps : ndarray, (n, h, w, 4), float32
        Output of a network, the last axis in the order of `artemis.labels.TUMORS`.
    tumors : ndarray, (n,), int64
        Index of the tumour type for each slice.

    Returns
    -------
    ndarray, (n, h, w), float32
        At least 0, in units of the logit.
    """
    centred = maps - maps.mean(axis=-1, keepdims=True)
    chosen = np.take_along_axis(centred, tumors[:, None, None, None], axis=-1)[..., 0]
    evidence: NDArray[np.float32] = np.maximum(chosen, 0).astype(np.float32)
    return evidence


def rival_tumors(by_tumor: NDArray[np.float32], shown: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the most probable tumour type of each slice other than the one shown.

    Parameters
    ----------
    by_tumor : ndarray, (n, 4), float32
        Probabilities, see `artemis.models.runtime.tumor_probabilities`.
    shown : ndarray, (n,), int64
        Index of the tumour type that the model answered.
    """
    others = by_tumor.copy()
    others[np.arange(len(shown)), shown] = -1
    rivals: NDArray[np.int64] = others.argmax(axis=1)
    return rivals


def normalised(evidence: NDArray[np.float32], peak: float | None = None) -> NDArray[np.float32]:
    """Return evidence divided by its peak, in [0, 1]; evidence of nothing stays 0.

    Parameters
    ----------
    evidence : ndarray, (h, w), float32
        See `tumor_evidence`.
    peak : float, optional
        Value that becomes 1, to show two maps of one slice on one scale; its own maximum
        by default. Larger values become 1 too.
    """
    highest = float(evidence.max()) if peak is None else peak
    if not highest > 0:
        return np.zeros_like(evidence)
    scaled: NDArray[np.float32] = np.minimum(evidence / np.float32(highest), np.float32(1))
    return scaled


def on_picture(
    heat: NDArray[np.float32], shape: tuple[int, int], box: SquareBox
) -> NDArray[np.float32]:
    """Return a map of the model input as a map of the whole picture.

    Bilinear; each place of the map is the middle of its square of the model input. It is not
    cut to the head: heat in the air is a fault of the model that a reader should see.

    Parameters
    ----------
    heat : ndarray, (h, w), float32
        Over the square of the picture that became the model input.
    shape : (int, int)
        Height and width of the picture.
    box : SquareBox
        That square, see `artemis.preprocess.square_box`.

    Returns
    -------
    ndarray, `shape`, float32
        0 outside the square.
    """
    height, width = shape
    canvas = np.zeros(shape, dtype=np.float32)
    # Only the part of the square inside the picture exists in it.
    top, left = max(box.top, 0), max(box.left, 0)
    bottom, right = min(box.top + box.side, height), min(box.left + box.side, width)
    if bottom <= top or right <= left:
        return canvas
    image = Image.fromarray(np.ascontiguousarray(heat, dtype=np.float32))
    square = np.asarray(image.resize((box.side, box.side), Image.Resampling.BILINEAR))
    canvas[top:bottom, left:right] = square[
        top - box.top : bottom - box.top, left - box.left : right - box.left
    ]
    return canvas


def scaled_box(box: SquareBox, factor: float) -> SquareBox:
    """Return the square as it lies in the picture resized by a factor, to whole pixels."""
    return SquareBox(
        left=round(box.left * factor),
        top=round(box.top * factor),
        side=max(1, round(box.side * factor)),
    )
