"""Planned frames -> rows of ``slices`` and 8-bit grey pixels; one row a frame, always."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from artemis.errors import ScanError
from artemis.ingest.border import (
    BoundedReader,
    buffered,
    image_border,
    message_name,
    open_regular,
)
from artemis.ingest.discover import located
from artemis.ingest.identity import IdentityKey
from artemis.ingest.once import FileState, Once
from artemis.ingest.plan import PlanEntry
from artemis.ingest.quality import measure, refuse_unusable
from artemis.ingest.reasons import Reason, scan_error
from artemis.ingest.scan import Scan, open_scan
from artemis.schemas import SLICES_SCHEMA
from artemis.settings import IngestSettings

OPENING: Final = -1
"""Stands for a frame where a file is opened, hashed, and its header read."""

_BLOCK: Final = 1 << 20
_DIGESTS: Final[Once[FileState, str]] = Once(64)
_NEVER_OPENED: Final = frozenset(
    {
        Reason.NOT_A_REGULAR_FILE,
        Reason.SYMLINKED_FOLDER,
        Reason.UNREADABLE_FOLDER,
        Reason.BROKEN_LINK,
        Reason.UNSUPPORTED_FORMAT,
        Reason.ARCHIVE,
    }
)
_EMPTY_ROW: Final = {name: None for name in SLICES_SCHEMA.names if name != "run_id"}


@dataclass(slots=True)
class IngestedSlice:
    """One frame, read or not.

    Attributes
    ----------
    row : dict
        All columns of ``slices`` except ``run_id``.
    pixels : ndarray, (height, width), uint8, or None
        Grey picture; None unless the row's status is ``ok``.
    burnt_in : bool
        Whether the file says that text, which may name the patient, is burnt into it.
    withheld : bool
        Whether no picture of it may be kept or shown, by that and the settings.
    """

    row: dict[str, Any]
    pixels: NDArray[np.uint8] | None = None
    burnt_in: bool = False
    withheld: bool = False


def read_chunk(
    root: str | Path,
    entries: Sequence[PlanEntry],
    settings: IngestSettings,
    identity: IdentityKey,
    spoilt: Callable[[int, int], Reason | None] = lambda entry, frame: None,
) -> Iterator[IngestedSlice]:
    """Read the frames of a chunk.

    Parameters
    ----------
    root : str or Path
        The batch folder.
    entries : sequence of PlanEntry
        Part of what `artemis.ingest.plan.plan_batch` returned.
    settings : IngestSettings
        Limits and thresholds.
    identity : IdentityKey
        Turns identifiers into keys.
    spoilt : callable
        Is asked with an entry's place and a frame, or `OPENING`, before anything of it is read:
        `Reason.DECODER_CRASHED` or `Reason.DECODER_TOO_SLOW`, if that is known of it.

    Yields
    ------
    IngestedSlice
        One for each planned frame, in the planned order, also where the file has
        changed or vanished or a decoder fails. Nothing that a file holds makes it raise.
        ``file_sha256`` is None where the plan refuses the file: it may be of any size,
        and is not read to its end.
    """
    folder = Path(root)
    for place, entry in enumerate(entries):
        yield from _read_entry(folder, entry, settings, identity, partial(spoilt, place))


def _read_entry(
    root: Path,
    entry: PlanEntry,
    settings: IngestSettings,
    identity: IdentityKey,
    spoilt: Callable[[int], Reason | None],
) -> Iterator[IngestedSlice]:
    common = {**_EMPTY_ROW, "path": entry.display_path, "format": entry.format}
    with ExitStack() as stack:
        scan: Scan | None = None
        stream: BinaryIO
        still: Callable[[], None] = _in_memory
        problem = _planned_problem(entry)
        if problem is None or problem.reason_code not in _NEVER_OPENED:
            sha256: str | None = None
            try:
                if reason := spoilt(OPENING):
                    raise _given_up(reason, settings)
                with image_border():
                    stream, size = open_regular(located(root, entry.path))
                    stack.callback(stream.close)
                    if problem is None:
                        stream, sha256, still = _hashed(stream, size)
                        common["file_sha256"] = sha256
                    if entry.format is not None:  # if refused, its header is still worth a row
                        start, planned = entry.series_start, entry.format
                        scan = open_scan(stream, size, settings, identity, start, sha256, planned)
            except ScanError as error:
                problem = problem or error
        for frame in range(entry.first_frame, entry.first_frame + entry.n_frames):
            row = {**common, "frame": frame}
            if scan is None:
                yield _without_pixels(row, entry, problem)
            elif reason := spoilt(frame):
                yield _without_pixels(row, entry, _given_up(reason, settings))
            else:
                yield _read_frame(row, scan, entry, problem, settings, still)


def _planned_problem(entry: PlanEntry) -> ScanError | None:
    if entry.reason_code is None:
        return None
    return ScanError(entry.reason_code, entry.reason or "")


def _given_up(reason: Reason, settings: IngestSettings) -> ScanError:
    """Return what is said of a file or frame that cost a reader."""
    if reason is Reason.DECODER_TOO_SLOW:
        seconds = settings.max_read_seconds
        return scan_error(
            reason,
            f"a file or frame that is read within {seconds} second{'s'[: seconds != 1]} of a core",
            "one that was not, and was given up",
        )
    return scan_error(
        reason,
        "a file that its decoder reads or refuses",
        "one that ended the process of the decoder, twice",
    )


def _hashed(stream: BoundedReader, size: int) -> tuple[BinaryIO, str, Callable[[], None]]:
    """Return a stream of the file, at its start, its SHA-256, and what raises once that is over.

    A large file is spread over chunks, and hashed for the first of them alone as long as its state
    shows that it is the same.
    """
    whole = buffered(stream, size)
    if whole is not stream:
        return whole, _sha256(whole), _in_memory
    state = FileState.of(stream.fileno())

    def refuse_changed() -> None:
        now = FileState.of(stream.fileno())
        # Not its other time, which a new name or permission sets too.
        if (now.size, now.modified_ns) != (state.size, state.modified_ns):
            was, became = "a file that stays as it is", "one written to while it was read"
            raise scan_error(Reason.FILE_CHANGED, was, became)

    sha256 = _DIGESTS.get(state, lambda: _sha256(stream)) if state.is_settled() else _sha256(stream)
    return stream, sha256, refuse_changed


def _in_memory() -> None:
    """Do nothing: pixels and hash are of the same bytes."""


def _sha256(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := stream.read(_BLOCK):
        digest.update(block)
    stream.seek(0)
    return digest.hexdigest()


def _read_frame(
    row: dict[str, Any],
    scan: Scan,
    entry: PlanEntry,
    problem: ScanError | None,
    settings: IngestSettings,
    still: Callable[[], None],
) -> IngestedSlice:
    frame: int = row["frame"]
    try:
        with image_border():
            row.update(scan.describe(frame))
            if problem is not None:
                raise problem
            stored = scan.decode(frame)
            row["slice_id"] = slice_id(stored, frame)
            row["height"], row["width"] = stored.shape[:2]
            picture = scan.render(stored, frame)
            still()
            quality = measure(picture)
            row.update(quality.columns())
            refuse_unusable(quality, settings)
    except ScanError as error:
        return _without_pixels(row, entry, problem or error)
    withheld = scan.burnt_in and not settings.show_burnt_in
    return IngestedSlice({**row, "status": "ok"}, picture, scan.burnt_in, withheld)


def _without_pixels(
    row: dict[str, Any], entry: PlanEntry, problem: ScanError | None
) -> IngestedSlice:
    code = Reason.UNREADABLE_FILE if problem is None else Reason(problem.reason_code)
    words = f"{message_name(entry.path)}: {problem}"
    return IngestedSlice({**row, "status": code.status, "reason_code": code.value, "reason": words})


def slice_id(stored: NDArray[Any], frame: int) -> str:
    """Return the SHA-256 of decoded pixels and frame number, 64 hexadecimal digits.

    Over the dtype in little-endian order, the shape, the frame number, and the values in
    C order and little-endian; so it does not depend on how a file stores them.

    Parameters
    ----------
    stored : ndarray, (h, w) or (h, w, c)
        Decoded pixels before any scaling.
    frame : int
        Frame in its file, from 0.
    """
    dtype = stored.dtype.newbyteorder("<")
    values = np.ascontiguousarray(stored, dtype=dtype)
    digest = hashlib.sha256(f"{dtype.str} {stored.shape} {frame}\n".encode())
    digest.update(values.data)
    return digest.hexdigest()
