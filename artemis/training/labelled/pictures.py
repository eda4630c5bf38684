"""Files to model inputs, geometry and fingerprints, each file decoded once and never again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from artemis.datasets.copies import THUMB_SIDE, Fingerprints, fingerprint
from artemis.datasets.frames import frame_problem, picture_name
from artemis.errors import TrainingDataError
from artemis.ingest.identity import IdentityKey
from artemis.ingest.plan import PlanEntry
from artemis.ingest.probe import probe
from artemis.ingest.read import IngestedSlice, read_chunk
from artemis.preprocess import PREPROCESSING_ID, model_input, square_box
from artemis.settings import IngestSettings
from artemis.system.files import sha256_file
from artemis.training.labelled.arrays import ArrayStore

PRINT_SIDE: Final = 160
"""Edge of the model inputs that fingerprints are made of, whatever the models take."""

_PRINT_ID: Final = "print-1"  # changes with `artemis.datasets.copies.fingerprint`
_PART: Final = 256
_NAMED: Final = 20
_NO_IDENTITY: Final = IdentityKey(bytes(32))  # training keeps no identities
_ABOUT: Final = np.dtype(
    [
        ("slice_id", "S64"),
        ("left", "i4"),
        ("top", "i4"),
        ("side", "i4"),
        ("width", "i4"),
        ("height", "i4"),
        ("withheld", "?"),
        ("phash", "u8"),
        ("thumb", "f4", (THUMB_SIDE * THUMB_SIDE,)),
    ]
)


@dataclass(frozen=True, slots=True)
class Source:
    """One frame of a file.

    Attributes
    ----------
    root : Path
        Folder that `path` is relative to.
    path : str
        Relative, forward slashes.
    frame : int or None
        Frame from 0; None where the file must hold a single one.
    """

    root: Path
    path: str
    frame: int | None = None


@dataclass(frozen=True, slots=True)
class Pictures:
    """What is known of n pictures.

    Attributes
    ----------
    slice_ids : list of str
        SHA-256 of the decoded pixels and frame.
    files : list of str
        SHA-256 of the file of each.
    inputs : dict of int to ndarray, (n, side, side), uint8
        Model inputs by edge.
    squares : ndarray, (n, 5), int64
        Left, top and edge of the square that the model input shows, and width and height
        of the picture, in pixels of the picture.
    prints : Fingerprints
        For the search of copies.
    withheld : ndarray, (n,), bool
        Which no page may show, see `artemis.ingest.read.IngestedSlice`.
    """

    slice_ids: list[str]
    files: list[str]
    inputs: dict[int, NDArray[np.uint8]]
    squares: NDArray[np.int64]
    prints: Fingerprints
    withheld: NDArray[np.bool_]


def load_pictures(
    sources: Sequence[Source],
    sides: Sequence[int],
    cache: Path,
    settings: IngestSettings,
    on_read: Callable[[int, int], None] | None = None,
) -> Pictures:
    """Return model inputs and what belongs to them, decoding only what the cache lacks.

    The cache is keyed by the SHA-256 of each file, its frame, the preprocessing and the
    limits of reading; it holds pixels and hashes, no names. Memory at the peak is that of
    the result and 256 pictures.

    Parameters
    ----------
    sources : sequence of Source
        Frames, also of several folders.
    sides : sequence of int
        Edges of the model inputs.
    cache : Path
        Folder of the decoded pictures.
    settings : IngestSettings
        Limits of reading.
    on_read : callable, optional
        Called with the number of pictures decoded so far and their total.

    Raises
    ------
    TrainingDataError
        If files are missing, refused, cannot be read, hold several frames of which none is named,
        or not the one that is. Of those that are there, all are known when it is raised, and the
        first are named.
    """
    limits = hashlib.sha256(settings.model_dump_json().encode()).hexdigest()[:8]
    folder = cache / f"{PREPROCESSING_ID}-{_PRINT_ID}-{limits}"
    about = ArrayStore(folder / "about", _ABOUT)
    stores = {side: ArrayStore(folder / f"side-{side}", "u1", (side, side)) for side in sides}
    keys = content_keys(sources)
    lacking = {
        key: source
        for key, source in zip(keys, sources, strict=True)
        if key not in about or any(key not in store for store in stores.values())
    }
    waiting = list(lacking.items())
    unusable: list[TrainingDataError] = []
    for start in range(0, len(waiting), _PART):
        unusable += _decode(waiting[start : start + _PART], about, stores, settings)
        if on_read:
            on_read(min(start + _PART, len(waiting)), len(waiting))
    if unusable:
        raise _together(unusable)
    known = about.gather(keys)
    return Pictures(
        slice_ids=[name.decode() for name in known["slice_id"].tolist()],
        files=[key.partition("-")[0] for key in keys],
        inputs={side: store.gather(keys) for side, store in stores.items()},
        squares=np.stack(
            [known[name] for name in ("left", "top", "side", "width", "height")], axis=1
        ).astype(np.int64),
        prints=Fingerprints(
            phash=known["phash"].copy(), thumbs=np.ascontiguousarray(known["thumb"])
        ),
        withheld=known["withheld"].copy(),
    )


def content_keys(sources: Sequence[Source]) -> list[str]:
    """Return what frames are cached by: their file's SHA-256, and their number or only.

    Each file is read once, however many of its frames there are.

    Raises
    ------
    TrainingDataError
        If a file is missing or cannot be read.
    """
    paths = [source.root / source.path for source in sources]
    files = {path: _sha256(path) for path in dict.fromkeys(paths)}
    return [
        f"{files[path]}-{'only' if source.frame is None else source.frame}"
        for path, source in zip(paths, sources, strict=True)
    ]


def _sha256(path: Path) -> str:
    try:
        if not path.is_file():
            raise TrainingDataError(
                f"{path}: expected a picture to train on. Received no file of that name. "
                "Remove it from the labels, or bring it back."
            )
        return sha256_file(path)
    except OSError as error:
        raise TrainingDataError(
            f"{path}: expected a picture that can be read. Received: {error.strerror}. "
            "Check its permissions."
        ) from error


def _together(unusable: list[TrainingDataError]) -> TrainingDataError:
    """Return the error of all pictures that cannot be trained on: none is met only next time."""
    if len(unusable) == 1:
        return unusable[0]
    named = "\n".join(str(error) for error in unusable[:_NAMED])
    more = f"\nand {len(unusable) - _NAMED} more" if len(unusable) > _NAMED else ""
    return TrainingDataError(
        f"Labelled pictures: expected each to be trained on. Received {len(unusable)} that cannot "
        f"be; `artemis-cli data audit` lists them.\n{named}{more}"
    )


def _decode(
    waiting: Sequence[tuple[str, Source]],
    about: ArrayStore,
    stores: dict[int, ArrayStore],
    settings: IngestSettings,
) -> list[TrainingDataError]:
    """Decode pictures into the cache; return what is wrong with those that are not in it now."""
    known = np.empty(len(waiting), _ABOUT)
    heads = np.empty((len(waiting), PRINT_SIDE, PRINT_SIDE), np.uint8)
    inputs = {side: np.empty((len(waiting), side, side), np.uint8) for side in stores}
    read: list[tuple[str, Source]] = []
    unusable: list[TrainingDataError] = []
    for key, source in waiting:
        try:
            found, picture = _read(source, settings)
        except TrainingDataError as error:
            unusable.append(error)
            continue
        if found.row["file_sha256"] != key.partition("-")[0]:
            raise TrainingDataError(
                f"{source.root / source.path}: expected a file that stays as it is. "
                "Received another content a moment later. Start again when it is copied."
            )
        box, row = square_box(picture), len(read)
        for side, pictures in inputs.items():
            pictures[row] = model_input(picture, side, box)
        heads[row] = model_input(picture, PRINT_SIDE, box)
        height, width = picture.shape
        slice_id = found.row["slice_id"].encode()
        known[row] = (slice_id, box.left, box.top, box.side, width, height, found.withheld, 0, 0)
        read.append((key, source))
    if read:
        count = len(read)
        prints = fingerprint(heads[:count])
        known["phash"][:count], known["thumb"][:count] = prints.phash, prints.thumbs
        _add(about, read, known[:count])
        for side, store in stores.items():
            _add(store, read, inputs[side][:count])
    return unusable


def _add(store: ArrayStore, waiting: Sequence[tuple[str, Source]], values: NDArray[Any]) -> None:
    new = [row for row, (key, _) in enumerate(waiting) if key not in store]
    store.append([waiting[row][0] for row in new], values[new])


def _read(source: Source, settings: IngestSettings) -> tuple[IngestedSlice, NDArray[np.uint8]]:
    path = source.root / source.path
    seen = probe(path, settings)
    wrong = frame_problem(source.frame, seen.frames)
    if wrong is not None and seen.problem is None:
        raise TrainingDataError(f"{path}: {wrong}")
    entry = PlanEntry(
        path=os.fsencode(source.path),
        format=seen.format,
        first_frame=source.frame or 0,
        reason_code=seen.problem.reason_code if seen.problem else None,
        reason=str(seen.problem) if seen.problem else None,
    )
    (found,) = read_chunk(source.root, [entry], settings, _NO_IDENTITY)
    if found.pixels is None:
        raise TrainingDataError(
            f"{picture_name(str(path), source.frame)}: expected a picture to train on. "
            f"Received: {found.row['reason']} Remove it, or its row of the manifest."
        )
    return found, found.pixels
