from __future__ import annotations

import numpy as np
import pytest

from artemis.ingest.geometry import plane_of_normal, square_pixels
from artemis.ingest.quality import measure
from artemis.ingest.read import slice_id


def test_measures_of_a_known_picture() -> None:
    picture = np.zeros((10, 20), np.uint8)
    picture[:, 10:] = 200
    quality = measure(picture)
    assert (quality.width, quality.height) == (20, 10)
    assert quality.mean_intensity == 100.0
    assert quality.contrast == 200.0
    assert quality.foreground_fraction == 0.5
    assert quality.entropy == pytest.approx(1.0)
    assert quality.grey_levels == 2
    # Inner columns 9 and 10 of 18 have a Laplacian of -200 and 200, the others 0.
    assert quality.sharpness == pytest.approx(2 * 200**2 / 18)


def test_a_constant_picture_has_no_contrast_entropy_or_sharpness() -> None:
    quality = measure(np.full((5, 5), 7, np.uint8))
    assert (quality.contrast, quality.entropy, quality.sharpness) == (0.0, 0.0, 0.0)
    assert quality.grey_levels == 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 2)])
def test_very_small_pictures_can_be_measured(shape: tuple[int, int]) -> None:
    assert measure(np.ones(shape, np.uint8)).sharpness == 0.0


@pytest.mark.parametrize(
    ("normal", "plane"),
    [
        ((0, 0, -1), "transverse"),
        ((0, 0.59, 0.81), "transverse"),
        ((0, 0.62, 0.78), "oblique"),
        ((5, 0, 0), "sagittal"),
        ((0, 0, 0), None),
        ((np.nan, 0, 1), None),
    ],
)
def test_the_plane_of_a_normal(normal, plane) -> None:
    assert plane_of_normal(np.array(normal, float)) == plane


@pytest.mark.parametrize(
    ("spacing", "shape"),
    [
        ((1, 1), (40, 60)),
        ((2, 1), (80, 60)),
        ((1, 2), (40, 120)),
        ((1.005, 1), (40, 60)),
        ((1e-9, 1), (40, 60)),
        ((-1, 1), (40, 60)),
        ((9, 1), (40, 60)),  # would have more pixels than allowed
        ((1, 4), (40, 60)),  # would have a longer side than allowed
        (None, (40, 60)),
    ],
)
def test_pixels_are_made_square_within_reason(spacing, shape) -> None:
    assert square_pixels(np.zeros((40, 60), np.uint8), spacing, 10_000, 200).shape == shape


def test_slice_ids_do_not_depend_on_byte_order_but_on_all_else() -> None:
    pixels = np.arange(12, dtype="<u2").reshape(3, 4)
    same = slice_id(pixels, 0)
    assert slice_id(pixels.astype(">u2"), 0) == same
    assert slice_id(np.asfortranarray(pixels), 0) == same
    others = [
        slice_id(pixels, 1),
        slice_id(pixels.astype("<i2"), 0),
        slice_id(pixels.reshape(4, 3), 0),
        slice_id(pixels + 1, 0),
    ]
    assert len({same, *others}) == 5
