"""One interface to the readers of all formats."""

from __future__ import annotations

from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from artemis.ingest.identity import IdentityKey
from artemis.ingest.raster.reader import RasterScan
from artemis.ingest.reasons import Reason, scan_error
from artemis.ingest.sniff import sniff
from artemis.settings import IngestSettings


class Scan(Protocol):
    """An open file whose frames can be read in any order, best from first to last."""

    @property
    def burnt_in(self) -> bool:
        """Whether the file says that text is burnt into its pictures."""

    def describe(self, index: int) -> dict[str, Any]:
        """Return what the header says of a frame, as columns of ``slices``."""

    def decode(self, index: int) -> NDArray[Any]:
        """Return the stored pixels of a frame, (h, w) or (h, w, channels)."""

    def render(self, pixels: NDArray[Any], index: int) -> NDArray[np.uint8]:
        """Return stored pixels as 8-bit grey, (h, w)."""


def open_scan(
    stream: BinaryIO,
    size: int,
    settings: IngestSettings,
    identity: IdentityKey,
    series_start: int | None,
    sha256: str | None = None,
    planned: str | None = None,
) -> Scan:
    """Open a file by its content.

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
        Rank in its series of a DICOM file's first frame.
    sha256 : str, optional
        Hash of the file, where it is known: what readers find out of all of it is kept.
    planned : str, optional
        Its format when it was found.

    Raises
    ------
    ScanError
        If it is refused or not readable, or of another format than it was; decoders may raise
        anything else.
    """
    kind = sniff(stream, size)
    if planned not in (None, kind.format):
        raise scan_error(Reason.FILE_CHANGED, f"the {planned} that was found", f"a {kind.format}")
    # Imported when met, as in `artemis.ingest.probe`.
    if kind.format == "dicom":
        from artemis.ingest.dicom.reader import DicomScan

        return DicomScan(stream, size, settings, identity, series_start, sha256)
    if kind.format == "nifti":
        from artemis.ingest.nifti.reader import NiftiScan

        return NiftiScan(stream, size, kind.gzipped, settings, sha256)
    return RasterScan(stream, kind.format, settings)
