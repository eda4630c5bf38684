"""16-bit colour, of which Pillow decodes one byte of each value.

Pillow has no mode for it. Its raw modes ``RGB;16B`` and ``RGB;16L`` keep the first or the
second byte of each value; so the picture is decoded once as the one and once as the other.
"""

from __future__ import annotations

import sys
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from artemis.ingest.reasons import Reason, scan_error
from artemis.preprocess import robust_range, to_uint8

_BITS_PER_SAMPLE: Final = 258  # TIFF 6.0 section 8
_PLANAR_CONFIGURATION: Final = 284
_LOW_BYTES: Final = {
    "16B": "16L",
    "16L": "16B",
    "16N": "16B" if sys.byteorder == "little" else "16L",
}
_GREY_ALPHA: Final = "LA;16B"
_BT601: Final = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in luma (ITU-R BT.601)."""


def low_byte_mode(image: Image.Image) -> str | None:
    """Return the raw mode that keeps the low bytes of 16-bit colour; None for other images.

    Parameters
    ----------
    image : Image
        Opened and not loaded.

    Raises
    ------
    ScanRefusedError
        With reason ``unsupported_format`` for CMYK, premultiplied alpha, and TIFFs with
        a plane for each colour.
    """
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(_BITS_PER_SAMPLE, ())
    if len(bits) > 1 and max(bits) > 8 and tags.get(_PLANAR_CONFIGURATION) == 2:
        raise _refused("a plane for each colour")
    raw = raw_mode(image)
    channels, _, order = raw.partition(";")
    if order not in _LOW_BYTES or image.mode.startswith("I"):
        return None
    if raw == _GREY_ALPHA:
        return "RGBA"  # all four bytes of a pixel at once
    if channels not in ("RGB", "RGBA", "RGBX"):
        raise _refused("premultiplied alpha" if channels == "RGBa" else channels)
    return f"{channels};{_LOW_BYTES[order]}"


def raw_mode(image: Image.Image) -> str:
    """Return how the bytes of an image that is not loaded become pixels; "" if unknown."""
    tiles: list[Any] = getattr(image, "tile", [])
    arguments = tiles[0].args if tiles else ""
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return first if isinstance(first, str) else ""


def set_raw_mode(image: Any, mode: str) -> None:
    """Let an image that is not loaded be decoded by another raw mode of as many bits."""
    image.tile = [
        tile._replace(args=(mode, *tile.args[1:]) if isinstance(tile.args, tuple) else mode)
        for tile in image.tile
    ]


def joined(high: NDArray[np.uint8], low: NDArray[np.uint8], raw: str) -> NDArray[np.uint16]:
    """Return 16-bit values from the pictures of their bytes.

    Parameters
    ----------
    high, low : ndarray, (h, w, c), uint8
        The image under its own raw mode and under `low_byte_mode`.
    raw : str
        Its own raw mode.

    Returns
    -------
    ndarray, (h, w, c), uint16
        Two channels for grey and alpha, else as many as given.
    """
    if raw == _GREY_ALPHA:
        high, low = low[..., 0::2], low[..., 1::2]
    values = high.astype(np.uint16)
    values <<= 8
    values |= low
    return values


def with_transparency(pixels: NDArray[np.uint16], colour: Any) -> NDArray[np.uint16]:
    """Return grey or RGB with an alpha channel that hides one colour (PNG, chunk ``tRNS``)."""
    if pixels.ndim == 2:
        if not isinstance(colour, int):
            return pixels
        hidden = pixels == colour
    elif pixels.shape[2] != 3 or not isinstance(colour, tuple) or len(colour) != 3:
        return pixels
    else:
        hidden = (pixels == np.array(colour, dtype=np.int64)).all(axis=2)
    return np.dstack([pixels, np.where(hidden, 0, 65_535).astype(np.uint16)])


def scaled_colour(pixels: NDArray[np.uint16]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Scale 16-bit colour to 8 bits by the robust range of its luma.

    Parameters
    ----------
    pixels : ndarray, (h, w, 3), uint16
        Red, green and blue.

    Returns
    -------
    ndarray, (h, w, 3), uint8
        The colours, to tell whether it is a photograph.
    ndarray, (h, w), uint8
        Luma; of equal channels what `to_uint8` makes of one of them.
    """
    luma = np.zeros(pixels.shape[:2])
    for channel, weight in enumerate(_BT601):
        luma += weight * pixels[..., channel]
    grey = np.rint(luma, out=luma).astype(np.uint16)
    limits = robust_range(grey)
    colour = np.dstack([to_uint8(pixels[..., channel], limits) for channel in range(3)])
    return colour, to_uint8(grey, limits)


def _refused(what: str) -> Exception:
    return scan_error(
        Reason.UNSUPPORTED_FORMAT, "16-bit colour as RGB, its channels together", f"one with {what}"
    )
