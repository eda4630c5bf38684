"""What the stem makes of every picture, in several random variants, computed once.

MobileNetV2's first blocks stay as they were, so their outputs can be kept: all folds,
protocols and repetitions on the same pictures then train on the same file, and an epoch costs
a third of one that starts from pixels. Of a recipe that trains those blocks too, the variants
of the pictures themselves are kept.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from artemis.errors import BusyError, WorkspaceError
from artemis.models.architectures import MAP_STRIDE, STEM_END
from artemis.models.network import open_network
from artemis.system.ending import check_goes_on
from artemis.system.locks import exclusive
from artemis.system.numpy_files import read_array
from artemis.training.network.augment import augment_with_boxes, seed_of
from artemis.training.network.export import export_litert
from artemis.training.network.recipes import Recipe

_BATCH: Final = 64
_LOOK_AGAIN: Final = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Draws:
    """Stem outputs of pictures as they are (draw 0) and randomly changed (draws 1 to k).

    Attributes
    ----------
    features : ndarray, (n, k + 1, h, w, c), float16 or uint8
        Outputs of the stem, or the pictures themselves; mapped from a file.
    areas : ndarray, (n, k + 1, h / 2, w / 2), float16 in [0, 1]
        Share of each place of the evidence map that the tumour box covers; all 0 where
        no box is known.
    """

    features: NDArray[np.float16] | NDArray[np.uint8]
    areas: NDArray[np.float16]

    @property
    def count(self) -> int:
        """Number of changed variants of each picture."""
        return int(self.features.shape[1]) - 1


def make_draws(
    recipe: Recipe,
    pictures: NDArray[np.uint8],
    boxes: NDArray[np.float32],
    cache: Path,
    stem: keras.Model | None,
    on_draw: Callable[[int, int], None] | None = None,
) -> Draws:
    """Return the stem's outputs, or changed pictures, from the cache if they were made before.

    Parameters
    ----------
    recipe : Recipe
        Its augmentation, number of draws, epochs and seed. No more are made than there are
        epochs, since each takes one of every picture.
    pictures : ndarray, (n, side, side), uint8
        Model inputs.
    boxes : ndarray, (n, 4), float32
        Tumour boxes, left, top, right, bottom, in fractions of the edge; NaN where unknown.
    cache : Path
        Folder of the file. One of more draws than are needed serves as well; older ones of
        other pictures or recipes, or of fewer draws, are removed.
    stem : keras.Model or None
        The one that stays as it is, see `artemis.models.architectures.build_stem`; None where
        the pictures themselves are kept.
    on_draw : callable, optional
        Called with the number of finished draws and their total.

    Raises
    ------
    WorkspaceError
        If the disk has too little space for them.
    """
    count, key = _count(recipe), _key(recipe, pictures, boxes, stem)
    while (folder := _kept(cache, key, count)) is None:
        try:
            with exclusive(cache / "stem.lock", "make what the stem makes of the pictures"):
                if _kept(cache, key, count) is None:
                    _make(recipe, pictures, boxes, cache / f"stem-{key}-{count}", stem, on_draw)
        except BusyError:  # another process makes them, these perhaps: one is enough
            check_goes_on()
            time.sleep(_LOOK_AGAIN)
    return Draws(
        read_array(folder / "features.npy", mapped=True)[:, : count + 1],
        read_array(folder / "areas.npy")[:, : count + 1],
    )


def _count(recipe: Recipe) -> int:
    return min(recipe.draws, recipe.epochs)


def _kept(cache: Path, key: str, count: int) -> Path | None:
    """Return the folder of as many draws or more; the first of many are those of few."""
    numbers = {int(one.name.rpartition("-")[2]): one for one in cache.glob(f"stem-{key}-*")}
    return next((numbers[number] for number in sorted(numbers) if number >= count), None)


def _make(
    recipe: Recipe,
    pictures: NDArray[np.uint8],
    boxes: NDArray[np.float32],
    folder: Path,
    stem: keras.Model | None,
    on_draw: Callable[[int, int], None] | None,
) -> None:
    cache = folder.parent
    for left in cache.glob(".stem-*"):  # of a process that was killed: this one has the lock
        shutil.rmtree(left, ignore_errors=True)
    building = Path(tempfile.mkdtemp(prefix=".stem-", dir=cache))
    try:
        _write(recipe, pictures, boxes, building, _maker(stem, building), on_draw)
        for older in cache.glob("stem-*"):
            shutil.rmtree(older, ignore_errors=True)
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _maker(stem: keras.Model | None, folder: Path) -> Callable[[NDArray[np.uint8]], NDArray[Any]]:
    """Return what turns pictures into what is kept of them: the stem's outputs, or themselves."""
    if stem is None:
        return lambda pictures: pictures[..., None]
    export_litert(stem, folder / "stem.tflite", half=False)
    network = open_network(folder / "stem.tflite")
    return lambda pictures: network.run(pictures)["stem"].astype(np.float16)


def draw_areas(boxes: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Return ``(n, side, side)`` pictures of the boxes, 1 inside and 0 outside."""
    centres = (np.arange(side, dtype=np.float32) + 0.5) / side
    left, top, right, bottom = (np.nan_to_num(boxes, nan=2.0)[:, k, None] for k in range(4))
    across = (centres >= left) & (centres <= right)
    down = (centres >= top) & (centres <= bottom)
    return (down[:, :, None] & across[:, None, :]).astype(np.float32)


def _key(
    recipe: Recipe,
    pictures: NDArray[np.uint8],
    boxes: NDArray[np.float32],
    stem: keras.Model | None,
) -> str:
    settings = {
        "stem": None if stem is None else STEM_END,
        "chance": "by seed, draw and batch",  # not, as before, by what was drawn until then
        "seed": recipe.seed,
        "augmentation": asdict(recipe.augmentation) if recipe.augmentation else None,
    }
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for array in (pictures, boxes, *([] if stem is None else stem.get_weights())):
        key.update(np.ascontiguousarray(array).data)
    return key.hexdigest()[:32]


def _write(
    recipe: Recipe,
    pictures: NDArray[np.uint8],
    boxes: NDArray[np.float32],
    folder: Path,
    make: Callable[[NDArray[np.uint8]], NDArray[Any]],
    on_draw: Callable[[int, int], None] | None,
) -> None:
    first, total = make(pictures[:1]), (len(pictures), _count(recipe) + 1)
    shape, places = (*total, *first.shape[1:]), recipe.side // MAP_STRIDE
    areas = np.zeros((*total, places, places), dtype=np.float16)
    _check_space(folder, math.prod(shape) * first.itemsize + areas.nbytes, total)
    features = np.lib.format.open_memmap(folder / "features.npy", "w+", first.dtype, shape)
    for draw in range(total[1]):
        for start in range(0, len(pictures), _BATCH):
            check_goes_on()
            of = slice(start, start + _BATCH)
            seed = seed_of(recipe.seed, draw, start) if draw else None
            changed, area = _change(pictures[of], boxes[of], recipe, seed)
            features[of, draw] = make(changed)
            areas[of, draw] = area
        if on_draw:
            on_draw(draw + 1, total[1])
    features.flush()
    np.save(folder / "areas.npy", areas, allow_pickle=False)


def _check_space(folder: Path, needed: int, total: tuple[int, int]) -> None:
    """Raise if the disk cannot take the draws: a full one ends whoever writes to a mapped file."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise WorkspaceError(
            f"{folder.parent}: expected {needed / (1 << 30):.3g} GiB free, for {total[1]} variants "
            f"of {total[0]:,} pictures. Received {free / (1 << 30):.3g}. Free some space, or "
            "choose another disk with --workspace."
        )


def _change(
    pictures: NDArray[np.uint8], boxes: NDArray[np.float32], recipe: Recipe, seed: Any
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return changed pictures and their boxes' areas; as they are, without a seed."""
    area = tf.constant(draw_areas(boxes, recipe.side)[..., None])
    if seed is not None and recipe.augmentation is not None:
        values = tf.constant(pictures[..., None], dtype=tf.float32)
        changed, area = augment_with_boxes(values, area, recipe.augmentation, seed)
        pictures = np.rint(changed.numpy()[..., 0]).astype(np.uint8)
    return pictures, tf.nn.avg_pool2d(area, MAP_STRIDE, MAP_STRIDE, "VALID").numpy()[..., 0]
