"""Draw evidence over a grey picture, in a perceptually uniform map safe for the colour-blind."""

from __future__ import annotations

import io
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from artemis.models.evidence_map import normalised, on_picture, scaled_box
from artemis.preprocess import SquareBox

_QUALITY: Final = 80
_OPACITY: Final = 0.6
_LAYER_SIDE: Final = 48
_LAYER_STEPS: Final = 64
_FAINT, _FULL = 0.1, 0.4  # of the peak: below the first nothing is drawn, from the second fully

_VIRIDIS: Final = (
    (0.2777273272234177, 0.005407344544966578, 0.3340998053353061),
    (0.1050930431085774, 1.404613529898575, 1.384590162594685),
    (-0.3308618287255563, 0.214847559468213, 0.09509516302823659),
    (-4.634230498983486, -5.799100973351585, -19.33244095627987),
    (6.228269936347081, 14.17993336680509, 56.69055260068105),
    (4.776384997670288, -13.74514537774601, -65.35303263337234),
    (-5.435455855934631, 4.645852612178535, 26.3124352495832),
)


def colours(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the colour of each value: viridis, from dark violet at 0 to yellow at 1.

    Viridis (S. van der Walt and N. Smith, 2015; CC0) rises evenly in lightness, so that it
    reads the same in grey and with any colour blindness; its middle is green where cividis is
    grey, which a grey picture would hide. Here as M. Zucker's polynomial of degree 6 (2019,
    public domain), within 6 of 255 of the table.

    Parameters
    ----------
    values : ndarray, any shape, float32
        In [0, 1]; others are clipped.

    Returns
    -------
    ndarray, (*shape, 3), uint8
    """
    drawn: NDArray[np.uint8] = _table()[_steps(values)]
    return drawn


def _steps(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    steps: NDArray[np.uint8] = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return steps


@cache
def _table() -> NDArray[np.uint8]:
    """Return the 256 colours, ``(256, 3)``."""
    t = np.linspace(0, 1, 256)[:, None]
    colour = np.zeros((256, 3))
    for coefficients in reversed(_VIRIDIS):
        colour = colour * t + np.asarray(coefficients)
    table: NDArray[np.uint8] = np.rint(np.clip(colour, 0, 1) * 255).astype(np.uint8)
    return table


@cache
def _opacity() -> NDArray[np.uint8]:
    """Return how much of the colour is mixed in for each of 256 values, ``(256,)``."""
    share = np.clip((np.linspace(0, 1, 256) - _FAINT) / (_FULL - _FAINT), 0, 1)
    opacity: NDArray[np.uint8] = np.rint(255 * _OPACITY * share).astype(np.uint8)
    return opacity


def blend(picture: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return a grey picture with its evidence in colour; where there is none it stays grey.

    Parameters
    ----------
    picture : ndarray, (h, w), uint8
        Grey picture.
    heat : ndarray, (h, w), float32
        In [0, 1], see `artemis.models.evidence_map.on_picture`.

    Returns
    -------
    ndarray, (h, w, 3), uint8
    """
    steps = _steps(heat)
    colour = Image.fromarray(_table()[steps])
    grey = Image.fromarray(picture).convert("RGB")
    mixed = Image.composite(colour, grey, Image.fromarray(_opacity()[steps]))
    return np.asarray(mixed, dtype=np.uint8)


def overlay_jpeg(
    picture: Image.Image,
    factor: float,
    box: SquareBox,
    evidence: NDArray[np.float32],
    peak: float | None = None,
) -> bytes:
    """Return the overlay of one slice as a JPEG file.

    Parameters
    ----------
    picture : PIL.Image.Image
        Grey picture, possibly smaller than the slice.
    factor : float
        Its size over the slice's.
    box : SquareBox
        Square of the slice, in its own pixels, that became the model input.
    evidence : ndarray, (h, w), float32
        See `artemis.models.evidence_map.tumor_evidence`.
    peak : float, optional
        See `artemis.models.evidence_map.normalised`.
    """
    grey = np.asarray(picture.convert("L"), dtype=np.uint8)
    heat = on_picture(normalised(evidence, peak), grey.shape, scaled_box(box, factor))
    return jpeg_bytes(Image.fromarray(blend(grey, heat)))


def evidence_layer(evidence: NDArray[np.float32]) -> bytes:
    """Return the colours of one slice's evidence as a PNG file, clear where there is none.

    Laid over the model input by whoever shows it, and stretched to its size, it looks as
    `overlay_jpeg` does; it takes 1.2 kB, since the picture itself is not in it.

    Parameters
    ----------
    evidence : ndarray, (h, w), float32
        See `artemis.models.evidence_map.tumor_evidence`; it covers the whole model input.
    """
    box = SquareBox(0, 0, _LAYER_SIDE)
    heat = on_picture(normalised(evidence), (_LAYER_SIDE, _LAYER_SIDE), box)
    levels = np.linspace(0, 1, _LAYER_STEPS, dtype=np.float32)
    layer = Image.fromarray(np.rint(heat * (_LAYER_STEPS - 1)).astype(np.uint8))
    layer.putpalette(colours(levels).tobytes())
    stream = io.BytesIO()
    opacity = _opacity()[_steps(levels)].tobytes()
    layer.save(stream, format="PNG", optimize=True, transparency=opacity)
    return stream.getvalue()


def jpeg_bytes(image: Image.Image) -> bytes:
    """Return an image as a JPEG file."""
    stream = io.BytesIO()
    image.save(stream, format="JPEG", quality=_QUALITY, optimize=True)
    return stream.getvalue()
