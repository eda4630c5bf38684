from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from artemis.errors import ScanError, ScanRefusedError
from artemis.ingest.geometry import plane_of_normal, square_pixels
from artemis.ingest.quality import measure, refuse_oversized, refuse_unusable
from artemis.ingest.read import slice_id
from artemis.settings import IngestSettings


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
        ((0, 0.6, 0.8), "transverse"),  # at the limit
        ((0, -3, 0), "coronal"),
        ((0, 3.1, 3.9), "oblique"),
        ((0, 0, 0.5), "transverse"),
        ((5, 0, 0), "sagittal"),
        ((0, 0, 0), None),
        ((1e-7, 0, 0), None),
        ((np.nan, 0, 1), None),
        ((np.inf, 0, 1), None),
    ],
)
def test_the_plane_of_a_normal(normal, plane) -> None:
    assert plane_of_normal(np.array(normal, float)) == plane
    assert plane_of_normal(None) is None


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


@pytest.mark.parametrize(
    ("spacing", "limits", "shape"),
    [
        ((10, 1), (10_000, 200), (100, 12)),
        ((10.1, 1), (10_000, 200), (10, 12)),
        ((1.01, 1), (10_000, 200), (10, 12)),
        ((1.1, 1), (10_000, 200), (11, 12)),
        ((2, 1), (240, 200), (20, 12)),
        ((2, 1), (239, 200), (10, 12)),
        ((2, 1), (240, 20), (20, 12)),
        ((2, 1), (240, 19), (10, 12)),
        ((0, 1), (10_000, 200), (10, 12)),
        ((1, np.inf), (10_000, 200), (10, 12)),
    ],
)
def test_pixels_are_made_square_up_to_each_limit(spacing, limits, shape) -> None:
    assert square_pixels(np.zeros((10, 12), np.uint8), spacing, *limits).shape == shape


@pytest.mark.parametrize(("ratio", "height"), [(1.005, 200), (1.01, 200), (1.02, 204)])
def test_pixels_that_are_square_but_for_a_hundredth_are_left(ratio: float, height: int) -> None:
    assert square_pixels(np.zeros((200, 12), np.uint8), (ratio, 1), 9_999, 300).shape == (
        height,
        12,
    )


LIMITS = IngestSettings()
AT_LIMITS = replace(
    measure(np.zeros((2, 2), np.uint8)),
    width=LIMITS.min_side,
    height=LIMITS.min_side,
    contrast=LIMITS.min_contrast,
    foreground_fraction=LIMITS.min_foreground,
    grey_levels=LIMITS.min_grey_levels,
)


def test_picture_at_every_limit_is_used() -> None:
    refuse_unusable(AT_LIMITS, LIMITS)


@pytest.mark.parametrize(
    ("name", "less", "reason"),
    [
        ("width", 1, "too_small"),
        ("height", 1, "too_small"),
        ("contrast", 0.1, "blank"),
        ("foreground_fraction", 1e-6, "blank"),
        ("grey_levels", 1, "few_grey_levels"),
    ],
)
def test_picture_just_below_a_limit_is_refused(name: str, less: float, reason: str) -> None:
    with pytest.raises(ScanRefusedError) as caught:
        refuse_unusable(replace(AT_LIMITS, **{name: getattr(AT_LIMITS, name) - less}), LIMITS)
    assert caught.value.reason_code == reason


def test_size_in_a_header_is_refused_just_beyond_its_limits() -> None:
    limits = IngestSettings(max_side=100, max_pixels=5_000)
    refuse_oversized(100, 50, limits)
    refuse_oversized(1, 1, limits)
    for size, reason in (
        ((101, 1), "too_large"),
        ((1, 101), "too_large"),
        ((71, 71), "too_large"),
        ((0, 5), "bad_header"),
        ((5, 0), "bad_header"),
    ):
        with pytest.raises(ScanError) as caught:
            refuse_oversized(*size, limits)
        assert caught.value.reason_code == reason, size


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
