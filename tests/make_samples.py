"""Make data/samples from the MNI152 template: slices, simulated lesions, and files to refuse.

`python tests/make_samples.py data/samples`

The brain is the ICBM 2009a nonlinear symmetric T1 template as nilearn ships it (no download).
Skull, scalp and face are drawn around it, because the template is skull-stripped and scans as
displayed in hospital are not; so are the lesions. No part of it comes from a patient. The same
libraries give the same bytes. README.md and LICENSE.md of the folder are written by hand.
"""

from __future__ import annotations

import gzip
import io
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import nibabel as nib
import numpy as np
import pydicom
from nilearn.datasets import load_mni152_template
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    MRImageStorage,
    RLELossless,
    generate_uid,
)
from scipy import ndimage

Volume = NDArray[np.float32]
Grid = tuple[Volume, Volume, Volume]

# Grid of the simulated head: 1 mm, x to the right, y to the front, z to the head. Wider than
# the template's in front (face) and below (neck).
ORIGIN: Final = (-98, -134, -112)
SHAPE: Final = (197, 254, 229)
TEMPLATE_Z: Final = -72
COARSE: Final = 2
SEED: Final = 152
# Grey values of T1 after contrast medium, 0 to 255.
AIR, BONE, FLUID, MUSCLE, FAT = 2.0, 16.0, 26.0, 62.0, 165.0
BRAIN_GAIN: Final = 0.52
STORED_PER_GREY: Final = 8
SIMULATED: Final = "SIMULATED"


# --- The head ------------------------------------------------------------------------------


def grid(step: int = 1) -> Grid:
    """Return the coordinates x, y, z in mm, to be broadcast against each other."""
    x, y, z = (
        np.arange(start, start + length, step, dtype=np.float32)
        for start, length in zip(ORIGIN, SHAPE, strict=True)
    )
    return x[:, None, None], y[None, :, None], z[None, None, :]


@cache
def brain() -> Volume:
    """Return the template on the grid, 0 to 255, 0 outside the brain."""
    image = load_mni152_template(resolution=1)
    values = np.asarray(image.dataobj, dtype=np.float32)
    values *= 255.0 / values.max()
    below = TEMPLATE_Z - ORIGIN[2]
    front = SHAPE[1] - values.shape[1]
    return np.pad(values, ((0, 0), (0, front), (below, 0)))


def ellipsoid(at: Grid, centre: Sequence[float], axes: Sequence[float]) -> Volume:
    """Return about the distance to an ellipsoid in mm, negative inside."""
    scaled = sum(((c - m) / a) ** 2 for c, m, a in zip(at, centre, axes, strict=True))
    return np.asarray((np.sqrt(scaled) - 1.0) * min(axes), dtype=np.float32)


def smooth_union(parts: Iterable[Volume], width: float) -> Volume:
    """Return the distance to the union of shapes, their seams rounded over `width` mm."""
    total = sum(np.exp(-np.clip(part, -150, 150) / width) for part in parts)
    return np.asarray(-width * np.log(total), dtype=np.float32)


def inside(distance: Volume, edge: float = 0.8) -> Volume:
    """Return 1 inside a shape and 0 outside, with an edge of `edge` mm."""
    return np.asarray(1.0 / (1.0 + np.exp(np.clip(distance / edge, -40, 40))), dtype=np.float32)


def mottle(shape: Sequence[int], scale: float, seed: int) -> Volume:
    """Return smooth noise of mean 0 and standard deviation 1, blobs of `scale` voxels."""
    noise = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    noise = ndimage.gaussian_filter(noise, scale)
    return np.asarray((noise - noise.mean()) / noise.std(), dtype=np.float32)


def closed(mask: NDArray[np.bool_], reach: float) -> NDArray[np.bool_]:
    """Return a mask of the coarse grid with gaps of up to twice `reach` mm filled."""
    wide = ndimage.distance_transform_edt(~mask) * COARSE <= reach
    return np.asarray(ndimage.distance_transform_edt(wide) * COARSE > reach - 1)


def distance_to(mask: NDArray[np.bool_]) -> Volume:
    """Return the distance in mm to a mask of the coarse grid, negative inside."""
    outer = ndimage.distance_transform_edt(~mask)
    inner = ndimage.distance_transform_edt(mask)
    return np.asarray(ndimage.gaussian_filter((outer - inner) * COARSE, 1.2), dtype=np.float32)


def over(picture: Volume, value: float | Volume, share: Volume) -> Volume:
    """Return `picture` with `value` painted over it where `share` is 1."""
    return np.asarray(picture + (value - picture) * share, dtype=np.float32)


def skin_distance(at: Grid, cavity: NDArray[np.bool_]) -> Volume:
    """Return the distance to the skin on the coarse grid, negative inside."""
    scalp = distance_to(closed(cavity, 36.0)) - 11.0
    neck = ellipsoid(at, (0, -34, -130), (62, 66, 110))
    face = ellipsoid(at, (0, 30, -62), (66, 62, 76))
    nose = ellipsoid(at, (0, 90, -52), (11, 20, 20))
    return smooth_union((scalp, neck, face, nose), 6.0)


def soft_tissue(at: Grid) -> Volume:
    """Return grey values of face and neck on the coarse grid, without an outline."""
    size = np.broadcast_shapes(*(axis.shape for axis in at))
    grey = MUSCLE + 12 * mottle(size, 1.6, 1) + 17 * mottle(size, 4.0, 2)
    grey = over(grey, FAT, inside(1.1 - mottle(size, 2.6, 3), 0.25) * 0.55)
    for side in (-1, 1):
        grey = over(grey, FAT * 0.85, inside(ellipsoid(at, (side * 31, 50, -35), (17, 27, 16)), 2))
        grey = over(grey, MUSCLE, inside(ellipsoid(at, (side * 29, 45, -35), (3, 22, 3)), 2))
        grey = over(grey, 34.0, inside(ellipsoid(at, (side * 32, 66, -35), (12, 12, 12))))
        grey = over(grey, AIR, inside(ellipsoid(at, (side * 29, 42, -66), (12, 16, 14))))
        grey = over(grey, AIR, inside(ellipsoid(at, (side * 7, 50, -58), (4, 26, 17))))
        grey = over(grey, BONE, inside(ellipsoid(at, (side * 50, -30, -48), (15, 15, 14)), 2))
    grey = over(grey, AIR, inside(ellipsoid(at, (0, 30, -46), (13, 12, 9))))
    grey = over(grey, AIR, inside(ellipsoid(at, (0, 8, -92), (10, 8, 26))))
    grey = over(grey, FLUID, inside(ellipsoid(at, (0, -42, -112), (13, 12, 50))))
    return over(grey, 80.0, inside(ellipsoid(at, (0, -42, -112), (7, 6, 52))))


@cache
def surroundings() -> tuple[Volume, Volume]:
    """Return grey values of the head without brain, and the distance to the cavity, fine grid."""
    at = grid(COARSE)
    filled = closed(brain()[::COARSE, ::COARSE, ::COARSE] > 20, 12.0)
    cavity, skin = distance_to(filled), skin_distance(at, filled)
    grey = soft_tissue(at)
    skull = inside(np.abs(cavity - 5.0) - 3.2)
    grey = over(grey, BONE, skull)
    grey = over(grey, 62.0, inside(np.abs(cavity - 5.2) - 0.9) * 0.7)  # marrow
    grey = over(grey, FLUID, inside(cavity - 1.5))
    grey = over(grey, FAT + 9 * mottle(grey.shape, 2.0, 5), inside(np.abs(skin + 3.0) - 2.4))
    grey = over(grey, AIR, inside(-skin))
    return refined(grey), refined(cavity)


def refined(coarse: Volume) -> Volume:
    """Return a volume of the coarse grid on the fine one."""
    fine = ndimage.zoom(coarse, COARSE, order=1, grid_mode=False)
    padding = [(0, max(0, want - got)) for want, got in zip(SHAPE, fine.shape, strict=True)]
    fine = np.pad(fine, padding, mode="edge")
    return np.asarray(fine[tuple(slice(0, length) for length in SHAPE)], dtype=np.float32)


@cache
def head() -> Volume:
    """Return the simulated head without lesion, grey 0 to 255."""
    outside, _ = surroundings()
    values = brain()
    share = np.clip(ndimage.gaussian_filter((values > 20).astype(np.float32), 0.7), 0, 1)
    return over(outside, values * BRAIN_GAIN, share)
