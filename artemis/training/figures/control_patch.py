"""Where to blank a patch that is not the tumour, to know what blanking alone does."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from artemis.training.figures.localisation import head_mask

_STEP: Final = 1 / 32  # of the edge: distance of the places that are tried
_AS_MUCH_HEAD: Final = 0.9  # of what the tumour's patch has of the head


def control_boxes(pictures: NDArray[np.uint8], boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a box of the same size elsewhere in each head.

    It is the place nearest to the mirror image of the box that does not touch the box and holds
    nearly as much of the head; where none holds as much, the one that holds most of it.

    Parameters
    ----------
    pictures : ndarray, (n, side, side), uint8
        Model inputs.
    boxes : ndarray, (n, 4), float32
        x0, y0, x1, y1 in fractions of the edge; what lies outside the picture is cut off.

    Returns
    -------
    ndarray, (n, 4), float32
        NaN where a box leaves no room beside it, or no place has anything of the head.
    """
    found = [_control(picture, box) for picture, box in zip(pictures, boxes, strict=True)]
    return np.array(found, dtype=np.float32).reshape(-1, 4)


def _control(picture: NDArray[np.uint8], box: NDArray[np.float32]) -> NDArray[np.float64]:
    x0, y0, x1, y1 = np.clip(box.astype(np.float64), 0, 1)
    width, height = x1 - x0, y1 - y0
    mirrored = 1 - x1
    left = np.append(np.arange(0, 1 - width + 1e-9, _STEP), mirrored)
    top = np.append(np.arange(0, 1 - height + 1e-9, _STEP), y0)
    left, top = (places.ravel() for places in np.meshgrid(left, top))
    apart = (left >= x1) | (left + width <= x0) | (top >= y1) | (top + height <= y0)
    left, top = left[apart], top[apart]
    sums = np.pad(head_mask(picture).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    share = _share(sums, left, top, width, height)
    if not share.size or share.max() <= 0:
        return np.full(4, np.nan)
    wanted = min(share.max(), _AS_MUCH_HEAD * _share(sums, x0, y0, width, height))
    fit = share >= wanted - 1e-9
    distance = np.hypot(left - mirrored, top - y0)
    best = np.flatnonzero(fit)[distance[fit].argmin()]
    return np.array([left[best], top[best], left[best] + width, top[best] + height])


def _share(
    sums: NDArray[np.int64],
    left: NDArray[np.float64] | float,
    top: NDArray[np.float64] | float,
    width: float,
    height: float,
) -> NDArray[np.float64]:
    """Return the share of each patch that is head, by sums over all above and left of a pixel."""
    side = len(sums) - 1
    x0, y0, x1, y1 = (
        np.clip(np.rint(np.asarray(edge) * side), 0, side).astype(np.int64)
        for edge in (left, top, left + width, top + height)
    )
    inside = sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0]
    share: NDArray[np.float64] = inside / np.maximum((x1 - x0) * (y1 - y0), 1)
    return share
