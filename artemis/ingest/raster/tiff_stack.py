"""Stacks that ImageJ writes behind one directory of a TIFF, whose planes the directory leaves out.

ImageJ does so above 4 GB, and tifffile at any size: the directory is that of the first plane, the
others follow it without a gap, and only the ImageDescription says how many there are.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from PIL import Image

from artemis.ingest.reasons import Reason, scan_error

_DESCRIPTION: Final = 270  # TIFF 6.0 section 8
_ORIENTATION: Final = 274
_BITS_PER_SAMPLE: Final = 258
_IMAGES: Final = re.compile(r"^images=([0-9]{1,9})\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PlaneStack:
    """Planes of one size, one after the other.

    Attributes
    ----------
    stated : int
        How many the ImageDescription names.
    held : int
        For how many the file is long enough, at most `stated`.
    plane_bytes : int
        Size of one in bytes.
    """

    stated: int
    held: int
    plane_bytes: int

    @property
    def frames(self) -> int:
        """Planes that are there, and one more, which fails, where that is not all of them."""
        return min(self.stated, self.held + 1)

    def show(self, image: Any, index: int) -> None:
        """Let an image that is opened, and not loaded, be that of another plane.

        Raises
        ------
        ScanReadError
            With reason ``truncated``.
        """
        if index >= self.held:
            raise scan_error(
                Reason.TRUNCATED,
                f"{self.stated:,} planes, as the ImageDescription says",
                f"{self.held:,}",
            )
        shift = index * self.plane_bytes
        image.tile = [tile._replace(offset=tile.offset + shift) for tile in image.tile]


def plane_stack(image: Image.Image, stream: BinaryIO) -> PlaneStack | None:
    """Return the stack behind a TIFF's only directory; None where there is no such stack.

    As ImageJ's own reader has it: its description, no compression, and no Orientation, by which
    it knows a page that another program took out of a stack and left with its description.

    Parameters
    ----------
    image : Image
        The TIFF, opened and not loaded.
    stream : BinaryIO
        Its file.
    """
    tags: Any = getattr(image, "tag_v2", {})
    tiles: list[Any] = getattr(image, "tile", [])
    raw = {tile.codec_name for tile in tiles} == {"raw"}
    stated = _stated_planes(tags.get(_DESCRIPTION))
    if stated < 2 or not raw or tags.next or _ORIENTATION in tags:
        return None
    row_bytes = -(-image.width * sum(tags.get(_BITS_PER_SAMPLE, (1,))) // 8)
    plane_bytes = row_bytes * image.height
    first, last = (end(tile.offset for tile in tiles) for end in (min, max))
    if last - first >= plane_bytes:  # strips that lie apart
        return None
    room = stream.seek(0, io.SEEK_END) - first
    return PlaneStack(stated, min(stated, max(0, room // plane_bytes)), plane_bytes)


def _stated_planes(description: Any) -> int:
    if not isinstance(description, str) or not description.startswith("ImageJ="):
        return 0
    images = _IMAGES.search(description)
    return int(images[1]) if images else 0
