"""Exact and near copies among pictures: perceptual hash, then correlation of small pictures.

Two pictures are copies if they show the same slice of the same head, however it was
resized, re-encoded, brightened, framed or mirrored. Neighbouring slices of one patient
are alike but are no copies: they are held together by the patient, not by this module.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from artemis.errors import MissingExtraError

NEAR_CORRELATION: Final = 0.96
"""Correlation of two heads at 32x32, plain or mirrored, from which they are near copies.

Measured on the 2,705 public images (docs/data-audit.md): among 1,871,155 pairs of slices of
different known patients none reaches 0.96 (the highest is 0.952, plain, and 0.931, mirrored);
among 472 pairs of known near copies 88 % do.
"""

ALIKE_CORRELATION: Final = 0.90
"""Correlation from which two heads whose perceptual hashes nearly agree are near copies.

With `ALIKE_HAMMING` it finds 35 of the 55 known near copies below `NEAR_CORRELATION`, and joins
11 of the 1,871,155 pairs of different known patients, 7 of them of two that show one tumour.
Without the hash, 0.90 would join 112 of these and 218 pairs of different groups.
"""

ALIKE_HAMMING: Final = 8
"""Bits, of 64, by which the hashes of such a pair may differ.

93 % of the known near copies differ by 8 or fewer; of pairs of different patients 0.06 %.
"""

THUMB_SIDE: Final = 32
"""Edge of the small heads that are correlated, in pixels."""

_BLOCK: Final = 1024
# Foreground is brighter than a fifth of the bright parts, and a line belongs to the head if a
# tenth of it is foreground. Of eight choices (0.08 to 0.3; 0.1 to 0.2) this one joins most known
# near copies, 0.966 against 0.883 to 0.956, and 24 pairs of different groups against 13 to 23.
_FOREGROUND_OF_BRIGHT: Final = 0.2
_FOREGROUND_LINE_SHARE: Final = 0.10
_GAP: Final = 1 / 80
_MIN_RUN: Final = 0.1
_DTYPES: Final = {
    "first": "int64",
    "second": "int64",
    "kind": "object",
    "hamming": "int64",
    "correlation": "float64",
    "mirrored": "bool",
}


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """What is compared instead of whole pictures.

    Attributes
    ----------
    phash : ndarray, (n,), uint64
        64-bit perceptual hash: signs of the 8x8 lowest frequencies of the cosine
        transform about their median (`imagehash.phash`).
    thumbs : ndarray, (n, 1024), float32
        Heads at 32x32, row by row, mean 0 and length 1 each; all 0 for a blank picture.
    """

    phash: NDArray[np.uint64]
    thumbs: NDArray[np.float32]


def fingerprint(inputs: NDArray[np.uint8]) -> Fingerprints:
    """Return the fingerprints of model inputs.

    Parameters
    ----------
    inputs : ndarray, (n, side, side), uint8
        Heads as `artemis.preprocess.model_input` cuts them; 160 px is enough.

    Raises
    ------
    MissingExtraError
        If imagehash is not installed.
    """
    if importlib.util.find_spec("imagehash") is None:
        raise MissingExtraError(
            "Search for copies: expected imagehash. Received an installation without it. "
            "Run `pip install 'artemis-mri[train]'`, or `make train-setup` in a clone."
        )
    import imagehash

    hashes = np.zeros(len(inputs), dtype=np.uint64)
    thumbs = np.zeros((len(inputs), THUMB_SIDE * THUMB_SIDE), dtype=np.float32)
    for index, picture in enumerate(inputs):
        head = Image.fromarray(_head(picture))
        bits = np.packbits(imagehash.phash(head).hash.ravel())
        hashes[index] = int.from_bytes(bits.tobytes(), "big")
        small = head.resize((THUMB_SIDE, THUMB_SIDE), Image.Resampling.BOX)
        thumbs[index] = _unit(np.asarray(small, dtype=np.float32).ravel())
    return Fingerprints(phash=hashes, thumbs=thumbs)


def find_copies(prints: Fingerprints, content: Sequence[str]) -> pd.DataFrame:
    """Return every pair of exact or near copies.

    All pairs are compared, in blocks of 1024 rows. Time grows with the square of the number
    of pictures and memory with the number itself: 0.6 s for 2,705 on two cores, some 30 s and
    0.5 GB at 20,000, some 10 minutes and 2 GB at 100,000.

    Parameters
    ----------
    prints : Fingerprints
        Of n pictures.
    content : sequence of str
        Slice identifier or SHA-256 of each picture; equal ones are exact copies.

    Returns
    -------
    pandas.DataFrame
        ``first`` < ``second`` (int64 positions), ``kind`` (``exact`` or ``near``),
        ``hamming`` (int64, 0 to 64), ``correlation`` (float64, -1 to 1; of the better of
        the plain and the mirrored comparison) and ``mirrored``, sorted by position.
    """
    count = len(content)
    codes = pd.factorize(np.asarray(content, dtype=object))[0]
    squares = prints.thumbs.reshape(count, THUMB_SIDE, THUMB_SIDE)
    mirror = squares[:, :, ::-1].reshape(prints.thumbs.shape)
    found = [pd.DataFrame(columns=list(_DTYPES)).astype(_DTYPES)]
    for start in range(0, count, _BLOCK):
        stop = min(start + _BLOCK, count)
        plain = prints.thumbs[start:stop] @ prints.thumbs[start:].T
        flipped = prints.thumbs[start:stop] @ mirror[start:].T
        distance = np.bitwise_count(prints.phash[start:stop, None] ^ prints.phash[None, start:])
        best = np.maximum(plain, flipped)
        exact = codes[start:stop, None] == codes[None, start:]
        alike = (plain >= ALIKE_CORRELATION) & (distance <= ALIKE_HAMMING)
        first, second = np.nonzero(np.triu(exact | alike | (best >= NEAR_CORRELATION), 1))
        columns = {
            "first": first + start,
            "second": second + start,
            "kind": np.where(exact[first, second], "exact", "near"),
            "hamming": distance[first, second],
            "correlation": np.clip(best[first, second], -1.0, 1.0),
            "mirrored": (flipped > plain)[first, second] & ~exact[first, second],
        }
        found.append(pd.DataFrame(columns).astype(_DTYPES))
    return pd.concat(found, ignore_index=True)


def join_copies(count: int, pairs: pd.DataFrame) -> NDArray[np.int64]:
    """Return which pictures belong together: copies, copies of copies, and so on.

    Parameters
    ----------
    count : int
        Number of pictures.
    pairs : pandas.DataFrame
        Columns ``first`` and ``second``: positions of two pictures that belong together.

    Returns
    -------
    ndarray, (count,), int64
        Label of each picture, numbered from 0 in order of first appearance.
    """
    parent = list(range(count))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for first, second in zip(pairs["first"].tolist(), pairs["second"].tolist(), strict=True):
        low, high = sorted((root(int(first)), root(int(second))))
        parent[high] = low
    roots = [root(node) for node in range(count)]
    return pd.factorize(np.asarray(roots, dtype=np.int64))[0].astype(np.int64)


def _head(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the square of a model input that its head fills, without frames and captions.

    `artemis.preprocess.square_box` keeps a frame drawn round a picture, which moves and
    shrinks the head; a copy without the frame would then look like another picture.
    """
    foreground = picture > _FOREGROUND_OF_BRIGHT * np.percentile(picture, 99)
    rows = _longest_run(foreground.mean(axis=1) > _FOREGROUND_LINE_SHARE)
    columns = _longest_run(foreground.mean(axis=0) > _FOREGROUND_LINE_SHARE)
    height, width = rows[1] - rows[0], columns[1] - columns[0]
    if min(height, width) < _MIN_RUN * len(picture):
        return picture
    side = max(height, width)
    square = np.zeros((side, side), dtype=np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = picture[slice(*rows), slice(*columns)]
    return square


def _longest_run(lines: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the ends of the longest run of true values; narrow gaps do not end a run."""
    positions = np.flatnonzero(lines)
    if not len(positions):
        return 0, 0
    breaks = np.flatnonzero(np.diff(positions) > 1 + round(_GAP * len(lines)))
    starts = positions[np.concatenate(([0], breaks + 1))]
    ends = positions[np.concatenate((breaks, [len(positions) - 1]))] + 1
    longest = int(np.argmax(ends - starts))
    return int(starts[longest]), int(ends[longest])


def _unit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    centred = values - values.mean()
    length = float(np.linalg.norm(centred))
    # A blank picture has no pattern; it is like nothing, not like every other blank one.
    return centred / length if length > 1.0 else np.zeros_like(centred)
