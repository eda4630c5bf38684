"""DICOM MR images: classic, enhanced and legacy converted enhanced."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from artemis.ingest.dicom.file import READ_KEYWORDS, DicomFile, open_dicom, text
from artemis.ingest.dicom.frames import (
    greyscale_of,
    group,
    has_own_place,
    normal_of,
    own_groups,
    position_of,
    refuse_frame_type,
    spacing_of,
    turn_of,
)
from artemis.ingest.dicom.pixels import PixelLayout, layout_of, stored_values
from artemis.ingest.dicom.rules import other_body_part, refuse_other_objects
from artemis.ingest.geometry import plane_of_normal, square_pixels
from artemis.ingest.identity import IdentityKey
from artemis.ingest.once import Once
from artemis.ingest.reasons import Reason, scan_error
from artemis.settings import IngestSettings

_RANKS: Final[Once[str, Sequence[int]]] = Once(4)


class DicomScan:
    """An open DICOM file.

    Parameters
    ----------
    stream : BinaryIO
        The open file.
    size : int
        Its size in bytes.
    settings : IngestSettings
        Limits.
    identity : IdentityKey
        Turns identifiers into keys.
    series_start : int or None
        Rank in its series of the file's first frame, from the plan.
    sha256 : str, optional
        Hash of the file: its frames are ranked once for all who open it.
    """

    def __init__(
        self,
        stream: BinaryIO,
        size: int,
        settings: IngestSettings,
        identity: IdentityKey,
        series_start: int | None,
        sha256: str | None = None,
    ) -> None:
        self._settings = settings
        self._file: DicomFile = open_dicom(stream, size, READ_KEYWORDS, settings.max_volume_bytes)
        self._keys = identity_keys(self._file.header, identity)
        self._series_start = series_start
        self._layout: PixelLayout | None = None
        self._sha256 = sha256
        self._ranks: Sequence[int] | None = None

    @property
    def burnt_in(self) -> bool:
        """Whether Burned In Annotation says that text is in the pixels (PS3.3 C.7.6.1)."""
        return text(self._file.header, "BurnedInAnnotation").startswith("Y")

    def describe(self, index: int) -> dict[str, Any]:
        """Return keys, plane and position of a frame, also where it will be refused."""
        header = self._file.header
        described: dict[str, Any] = {
            **self._keys,
            "header_plane": plane_of_normal(normal_of(header, index)),
            "slice_position": position_of(header, index),
        }
        if self._series_start is not None:
            described["series_index"] = self._series_start + self._rank(index)
        return described

    def decode(self, index: int) -> NDArray[Any]:
        """Return the stored values of a frame, (rows, columns), integers.

        Raises
        ------
        ScanError
            If the object or the frame is refused, or cannot be decoded.
        """
        header = self._file.header
        refuse_other_objects(header)
        refuse_frame_type(header, index)
        part = other_body_part(group(header, index, "FrameAnatomySequence"))
        if part:
            raise scan_error(Reason.OTHER_BODY_PART, "a brain or head", part)
        return stored_values(self._file, self._checked_layout(), index)

    def render(self, pixels: NDArray[Any], index: int) -> NDArray[np.uint8]:
        """Return stored values as 8-bit grey, with square pixels, shown the radiological way."""
        layout = self._checked_layout()
        greyscale = greyscale_of(self._file, index, layout.signed, layout.bits_allocated)
        picture = greyscale.render(pixels, self._settings.min_grey_levels)
        header, limits = self._file.header, self._settings
        spacing = spacing_of(header, index)
        square = square_pixels(picture, spacing, limits.max_pixels, limits.max_side)
        return turn_of(header, index).picture(square)

    def _checked_layout(self) -> PixelLayout:
        if self._layout is None:
            self._layout = layout_of(self._file, self._settings)
        return self._layout

    def _rank(self, index: int) -> int:
        """Return the rank of a frame among those of its file, by position then number."""
        if self._ranks is None:
            self._ranks = (
                self._find_ranks()
                if self._sha256 is None
                else _RANKS.get(self._sha256, self._find_ranks)
            )
        return self._ranks[index]

    def _find_ranks(self) -> Sequence[int]:
        return array("q", frame_ranks(self._file.header, self._checked_layout().frames))


def identity_keys(header: Dataset, identity: IdentityKey) -> dict[str, str | None]:
    """Return the keyed hashes that stand for patient, study and series."""
    return {
        column: identity.key(identifier(header, keyword), column)
        for column, keyword in (
            ("patient_key", "PatientID"),
            ("study_key", "StudyInstanceUID"),
            ("series_key", "SeriesInstanceUID"),
        )
    }


def identifier(header: Dataset, keyword: str) -> str | None:
    """Return an identifier of a header; None for an empty one. Never to be shown or stored."""
    value = header.get(keyword)
    return None if value is None else str(value).strip(" \0") or None


def frame_ranks(header: Dataset, frames: int) -> list[int]:
    """Return the rank of each frame among those of its file, see `frame_order`.

    Only frames with a place of their own cost anything.
    """
    (stack, position, _) = frame_order(header, frames)  # of a frame without groups of its own
    keys = [
        frame_order(header, frame) if has_own_place(header, frame) else (stack, position, frame)
        for frame in range(own_groups(header, frames))
    ]
    keys.extend((stack, position, frame) for frame in range(len(keys), frames))
    ranks = [0] * frames
    for rank, (_, _, frame) in enumerate(sorted(keys)):
        ranks[frame] = rank
    return ranks


def frame_order(header: Dataset, index: int) -> tuple[tuple[float, ...], float, int]:
    """Return the sorting key of a frame: stack of equal normals, position, number."""
    normal, position = normal_of(header, index), position_of(header, index)
    if normal is None or position is None:
        return (9.0,), 0.0, index
    return tuple(np.round(normal, 2).tolist()), round(position, 3), index
