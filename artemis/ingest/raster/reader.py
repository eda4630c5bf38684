"""PNG, JPEG, BMP and TIFF, through Pillow."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from artemis.ingest.quality import refuse_oversized
from artemis.ingest.raster.colour import (
    joined,
    low_byte_mode,
    raw_mode,
    scaled_colour,
    set_raw_mode,
    with_transparency,
)
from artemis.ingest.raster.png_text import without_text
from artemis.ingest.raster.tiff_directory import unread_tiff
from artemis.ingest.raster.tiff_stack import PlaneStack, plane_stack
from artemis.ingest.reasons import Reason, scan_error
from artemis.preprocess import to_uint8
from artemis.settings import IngestSettings

_PART_PIXELS: Final = 1 << 17
"""Pixels whose colours are compared at a time: as many as stay in a core's cache."""

_PILLOW_NAMES: Final = {"png": "PNG", "jpeg": "JPEG", "bmp": "BMP", "tiff": "TIFF"}
_PHOTOMETRIC: Final = 262  # TIFF 6.0 section 8; 0 is WhiteIsZero
_BITS_PER_SAMPLE: Final = 258
_SAMPLE_FORMAT: Final = 339  # TIFF 6.0 section 19; 1 is unsigned, 2 two's complement, 3 IEEE
_ORIENTATION: Final = 0x0112  # Exif 2.3 section 4.6.4
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class RasterScan:
    """An open PNG, JPEG, BMP or TIFF. A TIFF's pages or planes are frames; of the others the first.

    Parameters
    ----------
    stream : BinaryIO
        The open file.
    format_name : {'png', 'jpeg', 'bmp', 'tiff'}
        The only decoder that is tried.
    settings : IngestSettings
        Limits.

    Raises
    ------
    ScanError
        If the file is too large, or a TIFF of a kind that Pillow does not know; other errors of
        Pillow pass through.
    """

    burnt_in: Final = False  # no tag of these formats says it

    def __init__(self, stream: BinaryIO, format_name: str, settings: IngestSettings) -> None:
        self._settings = settings
        self._multipage = format_name == "tiff"
        self._format = _PILLOW_NAMES[format_name]
        self._stream = stream
        self._may_drop_text = format_name == "png"
        try:
            self._image = self._open()
        except ValueError:
            if not self._may_drop_text:
                raise
            self._drop_text()
        self._stack: PlaneStack | None = None
        if self._multipage:
            self._stack = plane_stack(self._image, stream)

    def _drop_text(self) -> None:
        # Pillow bears 1 MB of text in a chunk and reads all there is. The chunks are
        # dropped only where it has failed, since one of them may say the orientation.
        self._may_drop_text = False
        self._stream = without_text(self._stream)
        self._image = self._open()

    def _open(self) -> Image.Image:
        try:
            return Image.open(self._stream, formats=[self._format])
        except Image.DecompressionBombError as error:
            limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)  # of Pillow, which no setting raises
            most = f"at most {min(self._settings.max_pixels, limit):,} pixels"
            raise scan_error(Reason.TOO_LARGE, most, "more") from error
        except UnidentifiedImageError as error:
            problem = unread_tiff(self._stream) if self._multipage else None
            if problem is None:
                raise
            raise problem from error

    def count_frames(self) -> int:
        """Return the number of pages, at most one more than the settings allow.

        A page whose directory is broken ends the chain; it is counted, so that its
        row says so. One of a kind that cannot be read is counted too, and the chain goes on.
        """
        if not self._multipage:
            return 1
        if self._stack is not None:
            return min(self._stack.frames, self._settings.max_frames + 1)
        count = 1
        while count <= self._settings.max_frames:
            try:
                self._image.seek(count)
            except EOFError:
                break
            except (OSError, SyntaxError, ValueError, KeyError, TypeError, struct.error):
                if self._image.tell() != count:  # it never came to that page
                    return count + 1
            count += 1
        return count

    def describe(self, index: int) -> dict[str, Any]:
        """Return no columns: metadata of pictures may hold identifiers and is not read."""
        return {}

    def decode(self, index: int) -> NDArray[Any]:
        """Return the decoded pixels of a frame, turned as Exif says.

        Returns
        -------
        ndarray, (h, w) or (h, w, c)
            (h, w) of 8 to 32 bits, integers or float32; two channels are grey and alpha,
            three RGB, four RGB and alpha, all uint8 or uint16.

        Raises
        ------
        ScanRefusedError
            ``too_large``, or ``unsupported_format`` for 16-bit colour of a rare kind.
        """
        try:
            return self._decode(index)
        except ValueError:
            if not self._may_drop_text:
                raise
            self._drop_text()
            return self._decode(index)

    def _decode(self, index: int) -> NDArray[Any]:
        # Of a stack, an image that was shown is another plane's.
        image = self._image if self._stack is None else self._open()
        self._turn_to(image, index)
        refuse_oversized(image.width, image.height, self._settings)
        inverted = self._multipage and _is_white_zero(image)
        kind = _misread_kind(image) if self._multipage else None
        raw, low_bytes = raw_mode(image), low_byte_mode(image)
        image.load()
        if low_bytes is not None:
            high = np.asarray(_turned(image))
            pixels = joined(high, self._decode_as(low_bytes, index), raw)
            return with_transparency(pixels, image.info.get("transparency"))
        pixels = np.asarray(_turned(_plain(image)))
        if image.mode.startswith("I;16"):
            pixels = with_transparency(pixels, image.info.get("transparency"))
        if kind is not None:
            pixels = pixels.view(kind)
        if self._format == "BMP" and pixels.ndim == 3 and not pixels[..., 3:].any():
            pixels = pixels[..., :3]  # Windows leaves the fourth byte 0 and shows the picture
        if not inverted:
            return pixels
        return -pixels if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max - pixels

    def _turn_to(self, image: Image.Image, index: int) -> None:
        if self._stack is not None:
            self._stack.show(image, index)
        elif self._multipage or index:
            image.seek(index)

    def _decode_as(self, mode: str, index: int) -> NDArray[np.uint8]:
        again = self._open()
        self._turn_to(again, index)
        set_raw_mode(again, mode)
        again.load()
        return np.asarray(_turned(again))

    def render(self, pixels: NDArray[Any], index: int) -> NDArray[np.uint8]:
        """Return decoded pixels as 8-bit grey; transparent pixels become black.

        Raises
        ------
        ScanRefusedError
            With reason ``colour_picture``.
        """
        if pixels.ndim == 2:
            return to_uint8(pixels)
        channels = pixels.shape[2]
        colour = pixels[..., : channels - 1] if channels in (2, 4) else pixels
        if channels in (2, 4):
            opaque = np.iinfo(pixels.dtype).max
            alpha = pixels[..., -1:].astype(np.uint32)
            colour = ((colour * alpha + opaque // 2) // opaque).astype(pixels.dtype)
        if colour.shape[2] == 1:
            return np.ascontiguousarray(to_uint8(colour[..., 0]))
        if colour.dtype == np.uint16:
            colour, luma = scaled_colour(colour)
            self._refuse_coloured(_spread(colour))
            return luma
        spread = _spread(colour)
        if not spread.any():  # grey saved as RGB, as most JPEGs are
            return np.ascontiguousarray(colour[..., 0])
        self._refuse_coloured(spread)
        # Equal channels stay exactly as they are: the weights of ITU-R BT.601 add up to one.
        return np.asarray(Image.fromarray(np.ascontiguousarray(colour)).convert("L"))

    def _refuse_coloured(self, spread: NDArray[np.uint8]) -> None:
        coloured = np.count_nonzero(spread > self._settings.colour_spread)
        share = coloured / spread.size
        if share > self._settings.max_coloured_fraction:
            raise scan_error(
                Reason.COLOUR_PICTURE,
                f"a grey picture (at most {self._settings.max_coloured_fraction:.0%} coloured)",
                f"one with {share:.0%} coloured pixels",
            )


def _spread(colour: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the difference of the highest and the lowest channel of each pixel, ``(h, w)``."""
    spread = np.empty(colour.shape[:2], dtype=np.uint8)
    rows = max(1, _PART_PIXELS // colour.shape[1])
    for start in range(0, len(colour), rows):
        part = spread[start : start + rows]
        # One channel after the other is compared in half of the time, the copy included.
        planes = np.ascontiguousarray(np.moveaxis(colour[start : start + rows], 2, 0))
        np.max(planes, axis=0, out=part)
        part -= np.min(planes, axis=0)
    return spread


def _is_white_zero(image: Image.Image) -> bool:
    # Pillow inverts WhiteIsZero of 1 to 8 bits itself, of 16 bits and of floats not.
    tags = getattr(image, "tag_v2", {})
    return (image.mode.startswith("I;16") or image.mode == "F") and tags.get(_PHOTOMETRIC) == 0


def _misread_kind(image: Image.Image) -> type[np.integer[Any]] | None:
    """Return the type of a TIFF's integers where Pillow's mode takes them for another one."""
    tags = getattr(image, "tag_v2", {})
    signed = 2 in tags.get(_SAMPLE_FORMAT, (1,))
    if image.mode == "L" and signed:
        return np.int8
    if image.mode == "I" and not signed and tags.get(_BITS_PER_SAMPLE) == (32,):
        return np.uint32
    return None


def _plain(image: Image.Image) -> Image.Image:
    """Return an image of one of the modes L, LA, RGB, RGBA, I;16, I, F."""
    mode = image.mode
    if mode in ("L", "RGB") and "transparency" in image.info:
        return image.convert("LA" if mode == "L" else "RGBA")
    if mode in ("L", "LA", "RGB", "RGBA", "I", "F") or mode.startswith("I;16"):
        return image
    if mode == "1":
        return image.convert("L")
    if mode in ("PA", "La", "RGBa") or "transparency" in image.info:
        return image.convert("LA" if mode == "La" else "RGBA")
    return image.convert("RGB")


def _turned(image: Image.Image) -> Image.Image:
    """Return an image as its Exif orientation says (Pillow has turned a TIFF already)."""
    try:
        orientation = image.getexif().get(_ORIENTATION)
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, struct.error):
        return image  # broken Exif does not make the picture unreadable
    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)
