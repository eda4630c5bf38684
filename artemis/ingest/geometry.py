"""Planes, pixel shapes and how a slice is laid, the same for DICOM and NIfTI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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

Direction = Sequence[float]
"""Three components in the patient's axes of DICOM: to the left, the back and the head."""

# Where the rows and the columns of a slice point to as radiologists hang it.
_SHOWN: Final[Mapping[str | None, tuple[Direction, Direction]]] = {
    "sagittal": ((0, 1, 0), (0, 0, -1)),
    "coronal": ((1, 0, 0), (0, 0, -1)),
    "transverse": ((1, 0, 0), (0, 1, 0)),
}
_NEAR: Final = 1e-6


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


@dataclass(frozen=True, slots=True)
class Turn:
    """How a stored slice is laid to be seen as radiologists hang it.

    Attributes
    ----------
    transposed : bool
        Its rows become columns; before the others.
    mirrored, upside_down : bool
        Left and right, or top and bottom, change places.
    """

    transposed: bool = False
    mirrored: bool = False
    upside_down: bool = False

    def picture(self, stored: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a picture, (h, w), as it is shown."""
        turned = stored.T if self.transposed else stored
        turned = turned[:: -1 if self.upside_down else 1, :: -1 if self.mirrored else 1]
        return np.ascontiguousarray(turned)

    def directions(self, rows: Direction, columns: Direction) -> tuple[Direction, Direction]:
        """Return where rows and columns point to as shown, of where they do as stored."""
        across, down = (columns, rows) if self.transposed else (rows, columns)
        return (
            [-part for part in across] if self.mirrored else across,
            [-part for part in down] if self.upside_down else down,
        )


def radiological_turn(rows: Direction, columns: Direction) -> Turn:
    """Return how a slice is laid for left to be the patient's right, or in sagittal ones the front.

    Up is the front or the head. An oblique slice, for which there is no such custom, stays as
    it is stored, and so does one whose rows lie between two directions.

    Parameters
    ----------
    rows, columns : sequence of float
        Where the rows and the columns of the stored slice point to.
    """
    shown = _SHOWN.get(plane_of_normal(np.cross(rows, columns)))
    if shown is None:
        return Turn()
    # One row for each stored direction, one column for each shown one.
    along = np.array([rows, columns], dtype=np.float64) @ np.array(shown, dtype=np.float64).T
    transposed = bool(np.abs(np.fliplr(along)).trace() > np.abs(along).trace() + _NEAR)
    across, down = np.diag(along[::-1] if transposed else along)
    return Turn(transposed, bool(across < -_NEAR), bool(down < -_NEAR))


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
