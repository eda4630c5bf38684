"""What an audit looks at: each picture read once, its fingerprint, and what a model says of it."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from artemis.datasets.copies import Fingerprints, fingerprint
from artemis.datasets.frames import frame_problem, picture_name
from artemis.errors import TrainingDataError
from artemis.ingest.border import message_name
from artemis.ingest.identity import IdentityKey
from artemis.ingest.plan import PlanEntry
from artemis.ingest.probe import probe
from artemis.ingest.read import IngestedSlice, read_chunk
from artemis.ingest.reasons import Reason
from artemis.models.runtime import ClassificationModel
from artemis.preprocess import model_input, square_box
from artemis.progress import report_progress
from artemis.settings import IngestSettings
from artemis.system.ending import check_goes_on

Place = tuple[str, int | None]
"""A file, and a frame of it, from 0; None where it is to hold one picture."""

STAGE: Final = "reading pictures"
"""Stage of the progress reports."""

_PRINT_SIDE: Final = 160
_PART: Final = 256
_THUMBNAIL_SIDE: Final = 128
_THUMBNAIL_QUALITY: Final = 80
_NO_IDENTITY: Final = IdentityKey(bytes(32))  # an audit keeps no identities


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of n pictures, m of which could be read.

    Attributes
    ----------
    rows : list of dict
        n rows of the table `slices`: ``status``, ``reason_code``, ``reason``, ``slice_id`` ...
    readable : ndarray, (m,), int64
        Positions of those that could be read; everything below is of them.
    prints : Fingerprints
        For the search of copies.
    features : ndarray, (m, f), float32
        The model's pooled features.
    probabilities : ndarray, (m, 12), float32
        The model's calibrated probabilities.
    ood_scores : ndarray, (m,), float32
        Distance of the features from the model's training features.
    thumbnails : list of bytes or None
        JPEG, 128 px; None where it is withheld, see `artemis.ingest.read.IngestedSlice`.
    """

    rows: list[dict[str, Any]]
    readable: NDArray[np.int64]
    prints: Fingerprints
    features: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    ood_scores: NDArray[np.float32]
    thumbnails: list[bytes | None]


def read_evidence(
    root: Path, places: Sequence[Place], model: ClassificationModel, settings: IngestSettings
) -> Evidence:
    """Read pictures and ask a model of them, 256 at a time: of those read while others are read.

    About 15 kB a picture are kept: 1,024 numbers of the fingerprint, the features and a
    thumbnail. Progress is reported as `artemis.progress` has it.

    Parameters
    ----------
    root : Path
        Folder that the paths are relative to.
    places : sequence of (str, int or None)
        Files, forward slashes, and their frames from 0, or None where a file is to hold one
        picture. One that is missing, refused or unreadable, that holds several frames of which
        none is named, or not the one that is, becomes a row that says so.
    model : ClassificationModel
        Needs no TensorFlow.
    settings : IngestSettings
        Limits of reading.

    Raises
    ------
    TrainingDataError
        If a path leads out of `root`.
    MissingExtraError
        If imagehash is not installed.
    """
    for path, _ in places:
        _check_inside(root, path)
    fingerprint(np.empty((0, _PRINT_SIDE, _PRINT_SIDE), dtype=np.uint8))  # before a long reading
    rows: list[dict[str, Any]] = []
    readable: list[int] = []
    thumbnails: list[bytes | None] = []
    asked: list[Future[_Part]] = []
    with ThreadPoolExecutor(1) as asking:
        for start in range(0, len(places) or 1, _PART):
            check_goes_on()
            report_progress(STAGE, start, len(places))
            pictures = []
            for found in _read(root, places[start : start + _PART], settings):
                if found.pixels is not None:
                    readable.append(len(rows))
                    pictures.append(found.pixels)
                    thumbnails.append(None if found.withheld else _thumbnail(found.pixels))
                rows.append(found.row)
            if asked:
                asked[-1].result()  # no more than two parts of pictures are held
            asked.append(asking.submit(_ask, pictures, model))
        parts = [part.result() for part in asked]
    report_progress(STAGE, len(places), len(places))
    return Evidence(
        rows=rows,
        readable=np.array(readable, dtype=np.int64),
        prints=Fingerprints(
            np.concatenate([part.prints.phash for part in parts]),
            np.concatenate([part.prints.thumbs for part in parts]),
        ),
        features=np.concatenate([part.features for part in parts]),
        probabilities=np.concatenate([part.probabilities for part in parts]),
        ood_scores=np.concatenate([part.ood_scores for part in parts]),
        thumbnails=thumbnails,
    )


@dataclass(frozen=True, slots=True)
class _Part:
    prints: Fingerprints
    features: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    ood_scores: NDArray[np.float32]


def _ask(pictures: list[NDArray[np.uint8]], model: ClassificationModel) -> _Part:
    side = model.manifest.input.side
    boxes = [square_box(picture) for picture in pictures]
    heads = _stack(pictures, boxes, _PRINT_SIDE)
    inputs = _stack(pictures, boxes, side)
    output = model.predict(inputs)
    return _Part(
        prints=fingerprint(heads),
        features=output.features,
        probabilities=model.probabilities(output.logits),
        ood_scores=model.reference.score(output.features, inputs),
    )


def _stack(pictures: list[NDArray[np.uint8]], boxes: list[Any], side: int) -> NDArray[np.uint8]:
    stacked = np.empty((len(pictures), side, side), dtype=np.uint8)
    for index, (picture, box) in enumerate(zip(pictures, boxes, strict=True)):
        stacked[index] = model_input(picture, side, box)
    return stacked


def _read(root: Path, places: Sequence[Place], settings: IngestSettings) -> Iterator[IngestedSlice]:
    for path, frame in places:
        seen = probe(root / path, settings)
        code = seen.problem.reason_code if seen.problem else None
        reason = str(seen.problem) if seen.problem else None
        wrong = frame_problem(frame, seen.frames)
        if code is None and wrong is not None:
            code = Reason.TOO_MANY_FRAMES if frame is None else Reason.UNREADABLE_FILE
            reason = wrong
        entry = PlanEntry(
            os.fsencode(path), seen.format, frame or 0, reason_code=code, reason=reason
        )
        for found in read_chunk(root, [entry], settings, _NO_IDENTITY):
            if found.pixels is None:  # its reason names the file alone
                file = message_name(entry.path)
                words = found.row["reason"].removeprefix(file)
                found.row["reason"] = picture_name(file, frame) + words
            yield found


def _check_inside(root: Path, path: str) -> None:
    inside = PurePosixPath(path)
    if inside.is_absolute() or ".." in inside.parts:
        raise TrainingDataError(
            f"{root}: expected paths of pictures below this folder. Received {path!r}. "
            "Give paths relative to it."
        )


def _thumbnail(pixels: NDArray[np.uint8]) -> bytes:
    image = Image.fromarray(pixels)
    image.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE), Image.Resampling.BILINEAR)
    stream = io.BytesIO()
    image.save(stream, format="JPEG", quality=_THUMBNAIL_QUALITY, optimize=True)
    return stream.getvalue()
