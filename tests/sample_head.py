"""A head for data/samples: the MNI152 template, with skull, scalp, face and lesions drawn.

The brain is the ICBM 2009a nonlinear symmetric T1 template as nilearn ships it. It is
skull-stripped, and scans as displayed in hospital are not, so the rest of the head is drawn
around it. Nothing here comes from a patient. Values are grey, 0 to 255, as of a T1-weighted
scan after contrast medium.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Volume = NDArray[np.float32]
Grid = tuple[Volume, Volume, Volume]

# 1 mm grid: x to the right, y to the front, z to the head. It reaches further to the front
# (face) and down (neck) than the template's, which has the same left, back and upper ends.
ORIGIN: Final = (-98, -134, -124)
SHAPE: Final = (197, 254, 241)
TEMPLATE: Final = "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
TEMPLATE_LOWEST: Final = -72
COARSE: Final = 2
AIR, BONE, FLUID, MUSCLE, FAT = 2.0, 16.0, 26.0, 62.0, 165.0
BRAIN_GAIN: Final = 0.52


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
    package = find_spec("nilearn")  # importing it takes seconds
    if package is None or package.origin is None:
        raise ModuleNotFoundError(
            "Expected nilearn, which ships the template. Run `make dev-setup`."
        )
    values = np.asarray(nib.load(Path(package.origin).parent / TEMPLATE).dataobj, dtype=np.float32)
    below = TEMPLATE_LOWEST - ORIGIN[2]
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


def inside(distance: NDArray[np.floating], edge: float = 0.8) -> Volume:
    """Return 1 inside a shape and 0 outside, with an edge of `edge` mm."""
    return np.asarray(1.0 / (1.0 + np.exp(np.clip(distance / edge, -40, 40))), dtype=np.float32)


def mottle(shape: Sequence[int], scale: float, seed: int) -> Volume:
    """Return smooth noise of mean 0 and standard deviation 1, blobs of `scale` voxels."""
    noise = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    noise = ndimage.gaussian_filter(noise, scale)
    return np.asarray((noise - noise.mean()) / noise.std(), dtype=np.float32)


def closed(mask: NDArray[np.bool_], reach: float) -> NDArray[np.bool_]:
    """Return a mask of the coarse grid with gaps of up to twice `reach` mm filled."""
    margin = round(reach / COARSE) + 1  # or the border would count as filled
    wide = np.pad(mask, margin)
    wide = ndimage.distance_transform_edt(~wide) * COARSE <= reach
    wide = ndimage.distance_transform_edt(wide) * COARSE > reach - 1
    return np.asarray(wide[(slice(margin, -margin),) * 3])


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
    nose = ellipsoid(at, (0, 84, -52), (11, 18, 20))
    return smooth_union((scalp, neck, face, nose), 6.0)


def soft_tissue(at: Grid) -> Volume:
    """Return grey values of face and neck on the coarse grid, without an outline."""
    size = np.broadcast_shapes(*(axis.shape for axis in at))
    grey = MUSCLE + 8 * mottle(size, 0.8, 6) + 10 * mottle(size, 1.6, 1) + 15 * mottle(size, 4.0, 2)
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
    grey = over(grey, FLUID, inside(ellipsoid(at, (0, -42, -118), (13, 12, 56))))
    return over(grey, 80.0, inside(ellipsoid(at, (0, -42, -118), (7, 6, 58))))


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


@dataclass(frozen=True, slots=True)
class Box:
    """Part of the grid around a lesion: its slices and coordinates."""

    part: tuple[slice, slice, slice]
    at: Grid

    @classmethod
    def around(cls, centre: Sequence[float], reach: int = 44) -> Box:
        """Return the box of `reach` mm to each side of a point."""
        starts = [max(0, round(c) - o - reach) for c, o in zip(centre, ORIGIN, strict=True)]
        stops = [round(c) - o + reach for c, o in zip(centre, ORIGIN, strict=True)]
        x, y, z = (slice(*ends) for ends in zip(starts, stops, strict=True))
        ax, ay, az = grid()
        return cls((x, y, z), (ax[x], ay[:, y], az[:, :, z]))

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along each axis."""
        return np.broadcast_shapes(*(axis.shape for axis in self.at))


def with_glioma(centre: Sequence[float], radius: float, seed: int) -> Volume:
    """Return the head with an irregular mass inside the brain: bright rim, dark core, oedema."""
    box, picture = Box.around(centre), head().copy()
    lobes = 0.26 * radius * mottle(box.shape, radius * 0.42, seed)
    edge = ellipsoid(box.at, centre, (radius, radius * 1.2, radius)) + lobes
    tissue = inside(surroundings()[1][box.part] + 2.0) * (brain()[box.part] > 20)
    grey = picture[box.part]
    grey = over(grey, 48.0, inside(edge - radius * 0.45, 3.0) * 0.55 * tissue)
    core = 34 + 7 * mottle(box.shape, 1.5, seed + 1)
    grey = over(grey, core, inside(edge, 1.0) * tissue)
    rim = 178 + 22 * mottle(box.shape, 1.8, seed + 2)
    thickness = 2.6 + 1.1 * mottle(box.shape, 4.0, seed + 3)
    grey = over(grey, rim, inside(np.abs(edge + 2.0) - thickness, 0.8) * tissue)
    picture[box.part] = grey
    return picture


def with_meningioma(centre: Sequence[float], radius: float, seed: int) -> Volume:
    """Return the head with a bright, even mass that sits on the dura with a broad base."""
    box, picture = Box.around(centre), head().copy()
    dura = surroundings()[1][box.part]
    lobes = 0.09 * radius * mottle(box.shape, radius * 0.3, seed)
    mass = np.maximum(
        ellipsoid(box.at, centre, (radius, radius * 1.15, radius)) + lobes, dura - 2.0
    )
    near = ellipsoid(box.at, centre, (radius * 1.35,) * 3)
    tail = np.maximum(np.abs(dura - 0.8) - 1.1, near)  # the thickened dura beside the base
    grey = picture[box.part]
    grey = over(grey, 30.0, inside(np.maximum(mass - 2.2, dura - 2.0), 0.8) * 0.75)
    bright = 176 + 9 * mottle(box.shape, 2.0, seed + 1)
    picture[box.part] = over(grey, bright, np.maximum(inside(mass), 0.7 * inside(tail, 1.0)))
    return picture


def with_pituitary_tumor(seed: int) -> Volume:
    """Return the head with a bright mass that rises from the sella to below the chiasm."""
    centre = (0.0, 4.0, -27.0)
    box, picture = Box.around(centre), head().copy()
    sella = ellipsoid(box.at, (0, 5, -36), (10.5, 9.5, 8.5))
    above = ellipsoid(box.at, (0.5, 3.5, -23), (11.5, 10.0, 9.5))
    mass = smooth_union((sella, above), 1.6) + 0.6 * mottle(box.shape, 3.0, seed)
    grey = over(picture[box.part], 28.0, inside(mass - 2.0) * 0.7)
    bright = 188 + 11 * mottle(box.shape, 2.0, seed + 1)
    picture[box.part] = over(grey, bright, inside(mass))
    return picture


@cache
def glioma() -> Volume:
    """Return the head with the glioma-like mass of all samples, in the left hemisphere."""
    return with_glioma((-31, -16, 27), 19, 21)


@cache
def meningioma() -> Volume:
    """Return the head with the meningioma-like mass of all samples, on the right convexity."""
    return with_meningioma((49, 8, 47), 19, 31)


@cache
def parasagittal_meningioma() -> Volume:
    """Return the head with a meningioma-like mass at the vertex, for a sagittal slice."""
    return with_meningioma((12, -22, 71), 18, 36)


@cache
def pituitary() -> Volume:
    """Return the head with the pituitary-like mass of all samples."""
    return with_pituitary_tumor(41)
