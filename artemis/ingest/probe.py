"""What a file holds, from its header alone: format, frames, place in its series.

What reads DICOM and NIfTI is imported when the first such file is met: it takes a tenth of a
short run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from artemis.errors import ScanError
from artemis.ingest.border import image_border, open_regular
from artemis.ingest.raster.reader import RasterScan
from artemis.ingest.reasons import Reason, scan_error
from artemis.ingest.sniff import sniff
from artemis.settings import IngestSettings

_MOST_FRAMES_OF_A_PIECE: Final = 100
"""Frames of an enhanced object up to which its place in its series is looked for.

It may be a piece of a stack. Larger ones are volumes, whose functional groups are dear to read.
"""

SeriesOrder = tuple[tuple[float, ...], float, float]
"""Sorting key in a series: stack of equal normals, position in mm, instance number."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What planning needs to know of a file.

    Attributes
    ----------
    format : str or None
        None where it was not recognised.
    frames : int
        Slices in it; 1 also for a file that will be refused or failed as a whole.
    series : str or None
        The series' own identifier, for sorting; never stored.
    study : str or None
        The identifier of what must stay in one shard: the study's, else the series'; never stored.
    order : tuple
        Place in that series.
    problem : ScanError or None
        Why the whole file is refused or failed; it then counts as one frame.
    """

    format: str | None
    frames: int = 1
    series: str | None = None
    study: str | None = None
    order: SeriesOrder = ((), 0.0, 0.0)
    problem: ScanError | None = None


def probe(path: Path, settings: IngestSettings) -> Probe:
    """Look at a file's header.

    Parameters
    ----------
    path : Path
        A regular file.
    settings : IngestSettings
        Limits.

    Returns
    -------
    Probe
        Never raises on what is in the file: a header that cannot be read makes one
        frame, whose reason is found when it is read.
    """
    known: str | None = None
    try:
        with image_border():
            stream, size = open_regular(path)
            with stream:
                kind = sniff(stream, size)
                known = kind.format
                if known == "dicom":
                    return _probe_dicom(stream, size, settings)
                if known == "nifti":
                    from artemis.ingest.nifti.reader import NiftiScan

                    layout = NiftiScan(stream, size, kind.gzipped, settings).layout
                    return Probe(known, layout.frames)
                return Probe(known, _count_pages(stream, known, settings))
    except ScanError as error:
        return Probe(known, problem=error)


def _count_pages(stream: BinaryIO, known: str, settings: IngestSettings) -> int:
    if known != "tiff":
        return 1
    pages = RasterScan(stream, known, settings).count_frames()
    if pages > settings.max_frames:
        raise scan_error(
            Reason.TOO_MANY_FRAMES, f"at most {settings.max_frames:,} pages", "more than that"
        )
    return pages


def _probe_dicom(stream: BinaryIO, size: int, settings: IngestSettings) -> Probe:
    from artemis.ingest.dicom.file import PLACE_KEYWORDS, PLAN_KEYWORDS, number, open_dicom, text
    from artemis.ingest.dicom.pixels import layout_of
    from artemis.ingest.dicom.reader import frame_order
    from artemis.ingest.dicom.rules import refuse_other_objects

    file = open_dicom(stream, size, PLAN_KEYWORDS, settings.max_volume_bytes)
    study = text(file.header, "StudyInstanceUID") or text(file.header, "SeriesInstanceUID") or None
    try:
        refuse_other_objects(file.header)
        frames = layout_of(file, settings).frames
    except ScanError as error:  # refused, and yet a slice of its study
        return Probe("dicom", study=study, problem=error)
    header = file.header
    if "ImageOrientationPatient" not in header and frames <= _MOST_FRAMES_OF_A_PIECE:
        stream.seek(0)  # an enhanced object says where it lies in its functional groups
        header = open_dicom(stream, size, PLACE_KEYWORDS, settings.max_volume_bytes).header
    stack, position, _ = frame_order(header, 0)
    instance = number(file.header, "InstanceNumber")
    return Probe(
        "dicom",
        frames,
        series=str(file.header.get("SeriesInstanceUID") or ""),
        study=study,
        order=(stack, position, instance or 0.0),
    )
