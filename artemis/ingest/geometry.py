"""Planes and pixel shapes, the same for DICOM and NIfTI."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from artemis.labels import OBLIQUE

_PLANE_OF_AXIS: Final = ("sagittal", "coronal", "transverse")

MIN_PLANE_COSINE: Final = 0.8
"""Least cosine between a slice's normal and an axis for the slice to have that axis' plane.

At 45 degrees (0.71) two planes are equally right. 0.8 is 37 degrees: wider than the tilts
that radiographers set (the line of the commissures or of the orbits and meatus lies up to 25
degrees from the scanner's axis), and short of the angles at which the name is a guess.
"""

_SQUARE_TOLERANCE: Final = 0.01
_MAX_STRETCH: Final = 10.0


def plane_of_normal(normal: NDArray[np.float64] | None) -> str | None:
    """Return the anatomical plane of a slice.

    Parameters
    ----------
    normal : ndarray, (3,), or None
        Normal of the slice along left-right, front-back and foot-head; any length and sign.

    Returns
    -------
    str or None
        ``sagittal``, ``coronal`` or ``transverse``; ``oblique`` if no component of the
        unit normal reaches `MIN_PLANE_COSINE`; None for None or a zero or non-finite normal.
    """
    if normal is None:
        return None
    length = float(np.linalg.norm(normal))
    if not np.isfinite(length) or length < 1e-6:
        return None
    cosines = np.abs(normal) / length
    axis = int(np.argmax(cosines))
    return _PLANE_OF_AXIS[axis] if cosines[axis] >= MIN_PLANE_COSINE else OBLIQUE


def square_pixels(
    picture: NDArray[np.uint8],
    spacing: tuple[float, float] | None,
    max_pixels: int,
    max_side: int,
) -> NDArray[np.uint8]:
    """Resample a picture to square pixels, at its finer spacing.

    Shown as stored, a head with pixels of 1 x 2 mm would be half as wide as it is.

    Parameters
    ----------
    picture : ndarray, (h, w), uint8
        Grey picture.
    spacing : (float, float) or None
        Distance in mm between rows and between columns. None, non-finite values, and
        ratios below 1 % or above 10 (a broken header) leave the picture as it is.
    max_pixels, max_side : int
        A larger result, or one with a longer side, is not made either: what follows makes a
        square of the longer side.

    Returns
    -------
    ndarray, (h', w'), uint8
        Bilinear along the coarser axis; the other axis is untouched.
    """
    if spacing is None or not all(np.isfinite(value) and value > 0 for value in spacing):
        return picture
    height, width = picture.shape
    ratio = spacing[0] / spacing[1]
    stretch = max(ratio, 1 / ratio)
    if not 1 + _SQUARE_TOLERANCE < stretch <= _MAX_STRETCH:
        return picture
    new_height = round(height * ratio) if ratio > 1 else height
    new_width = round(width / ratio) if ratio < 1 else width
    if new_height * new_width > max_pixels or max(new_height, new_width) > max_side:
        return picture
    image = Image.fromarray(picture).resize((new_width, new_height), Image.Resampling.BILINEAR)
    return np.asarray(image, dtype=np.uint8)
