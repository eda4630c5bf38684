"""From stored values to grey: the DICOM greyscale pipeline (PS3.3 C.11.1 and C.11.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artemis.preprocess import robust_range, to_uint8


@dataclass(frozen=True, slots=True)
class Lut:
    """A lookup table (PS3.3 C.11.1.1 and C.11.2.1.1).

    Attributes
    ----------
    first : int
        Stored value that the first entry is for; smaller ones get it too.
    table : ndarray, (n,)
        Entries; values beyond the last get the last.
    bits : int
        Bits of an entry; its output ranges from 0 to ``2**bits - 1``.
    """

    first: int
    table: NDArray[np.uint16]
    bits: int

    def __call__(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return `values` looked up, in 0 to ``2**bits - 1``."""
        index = np.clip(np.rint(values) - self.first, 0, len(self.table) - 1).astype(np.int64)
        return np.asarray(self.table[index], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Window:
    """A window (PS3.3 C.11.2.1.2 and C.11.2.1.3).

    Attributes
    ----------
    centre, width : float
        In output units of the modality transformation.
    function : str
        ``LINEAR``, ``LINEAR_EXACT`` or ``SIGMOID``.
    """

    centre: float
    width: float
    function: str = "LINEAR"

    @property
    def plausible(self) -> bool:
        """Whether the standard allows the width: 1 or more if linear, else above 0."""
        if not (np.isfinite(self.centre) and np.isfinite(self.width)):
            return False
        return self.width >= 1 if self.function == "LINEAR" else self.width > 0

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return `values` windowed, as a share of the output range, 0 to 1."""
        if self.function == "SIGMOID":
            exponent = np.clip(-4.0 * (values - self.centre) / self.width, -700, 700)
            return np.asarray(1.0 / (1.0 + np.exp(exponent)), dtype=np.float64)
        if self.function == "LINEAR_EXACT":
            share = (values - self.centre) / self.width + 0.5
        elif self.width == 1:
            share = (values > self.centre - 0.5).astype(np.float64)
        else:
            share = (values - (self.centre - 0.5)) / (self.width - 1) + 0.5
        return np.clip(share, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Greyscale:
    """How stored values of one frame become grey.

    Attributes
    ----------
    modality : Lut or None
        Modality LUT; in its place `slope` and `intercept` where there is none.
    slope, intercept : float
        Rescale.
    voi : Lut or Window or None
        What is of interest; None is the robust range of the frame.
    inverted : bool
        Whether low values are bright (MONOCHROME1).
    padding : (float, float) or None
        Lowest and highest stored value that mark pixels outside the image.
    """

    modality: Lut | None = None
    slope: float = 1.0
    intercept: float = 0.0
    voi: Lut | Window | None = None
    inverted: bool = False
    padding: tuple[float, float] | None = None

    def render(self, stored: NDArray[Any], min_grey_levels: int) -> NDArray[np.uint8]:
        """Return stored values as 8-bit grey.

        A window that the standard forbids, or that leaves fewer than `min_grey_levels`
        levels of an image that has more, is not believed: the robust range is used.
        Padding is black and does not count in that range (PS3.3 C.7.5.1.1.2).

        Parameters
        ----------
        stored : ndarray, (h, w)
            Stored values.
        min_grey_levels : int
            Fewer levels show nothing.
        """
        outside = self._outside(stored)
        values = self._modality_values(stored)
        picture = None
        if self.voi is not None:
            picture = _windowed(values, self.voi)
            if picture is not None and _levels(picture) < min_grey_levels:
                picture = None
        if picture is None:
            picture = to_uint8(values, _range_inside(values, outside))
        if self.inverted:
            picture = np.subtract(255, picture, dtype=np.uint8)
        if outside is not None:
            picture[outside] = 0
        return picture

    def _outside(self, stored: NDArray[Any]) -> NDArray[np.bool_] | None:
        if self.padding is None:
            return None
        low, high = sorted(self.padding)
        outside = (stored >= low) & (stored <= high)
        return None if outside.all() else outside

    def _modality_values(self, stored: NDArray[Any]) -> NDArray[np.float64]:
        if self.modality is not None:
            return self.modality(stored)
        return stored.astype(np.float64) * self.slope + self.intercept


def _windowed(values: NDArray[np.float64], voi: Lut | Window) -> NDArray[np.uint8] | None:
    if isinstance(voi, Lut):
        return to_uint8(voi(values), (0.0, float(2**voi.bits - 1)))
    return to_uint8(voi(values), (0.0, 1.0)) if voi.plausible else None


def _range_inside(
    values: NDArray[np.float64], outside: NDArray[np.bool_] | None
) -> tuple[float, float]:
    inside = values if outside is None else values[~outside]
    inside = inside[np.isfinite(inside)]
    return robust_range(inside) if inside.size else (0.0, 0.0)


def _levels(picture: NDArray[np.uint8]) -> int:
    return int(np.count_nonzero(np.bincount(picture.ravel(), minlength=256)))
