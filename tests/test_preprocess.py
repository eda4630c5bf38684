from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from artemis.preprocess import (
    SquareBox,
    foreground_threshold,
    grey_counts,
    model_input,
    robust_range,
    square_box,
    to_uint8,
)


def head(height: int, width: int, top: int, left: int, size: int) -> np.ndarray:
    picture = np.zeros((height, width), dtype=np.uint8)
    picture[top : top + size, left : left + size] = 150
    return picture


def test_eight_bit_pictures_are_left_as_they_are() -> None:
    picture = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert to_uint8(picture) is not None
    np.testing.assert_array_equal(to_uint8(picture), picture)


def test_a_range_maps_its_ends_to_black_and_white() -> None:
    scaled = to_uint8(np.array([[-100.0, 0.0, 50.0, 100.0, 300.0]]), (0.0, 100.0))
    assert scaled.tolist() == [[0, 0, 127, 255, 255]]


def test_hot_pixels_do_not_darken_the_rest() -> None:
    pixels = np.tile(np.linspace(0, 1000, 1000), (10, 1))
    pixels[0, 0] = 1e6
    scaled = to_uint8(pixels)
    assert scaled[5, -1] == 255
    assert 120 <= scaled[5, 500] <= 135


def test_small_bright_object_on_empty_ground_is_not_lost() -> None:
    pixels = np.zeros((200, 200), dtype=np.uint16)
    pixels[100, 100] = 900
    assert to_uint8(pixels).max() == 255


def test_not_a_number_becomes_black_and_constants_become_black() -> None:
    assert to_uint8(np.array([[np.nan, 0.0, 1.0]]), (0, 1)).tolist() == [[0, 0, 255]]
    assert to_uint8(np.full((4, 4), 7.5)).max() == 0
    assert to_uint8(np.full((4, 4), np.nan)).max() == 0


def in_doubles(pixels: np.ndarray, value_range: tuple[float, float] | None) -> np.ndarray:
    """The definition, with no thought of memory."""
    values = pixels.astype(np.float64)
    low, high = robust_range(values) if value_range is None else value_range
    if not high > low:
        return np.zeros(values.shape, np.uint8)
    return np.rint(np.clip((values - low) * (255.0 / (high - low)), 0, 255)).astype(np.uint8)


@pytest.mark.parametrize("dtype", ["u1", "i1", "<u2", ">u2", "<i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("value_range", [None, (-7.25, 1000.5), (5.0, 5.0)])
def test_every_way_of_scaling_gives_the_same(dtype: str, value_range) -> None:
    rng = np.random.default_rng(1)
    for height, width, spread in ((1, 1, 9), (3, 7, 2), (37, 53, 300), (64, 99, 65_536)):
        numbers = rng.integers(-spread // 2, spread // 2, (height, width)) * (rng.random() + 0.5)
        pixels = numbers.astype(np.int64).astype(dtype)
        before = pixels.copy()
        if pixels.dtype == np.uint8 and value_range is None:
            continue
        np.testing.assert_array_equal(
            to_uint8(pixels, value_range), in_doubles(pixels, value_range)
        )
        np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize("dtype", ["<u2", "<i2"])
def test_a_slice_that_is_looked_up_by_parts_is_scaled_as_one(dtype: str) -> None:
    pixels = np.random.default_rng(4).integers(0, 60_000, (701, 900)).astype("<u2").astype(dtype)
    np.testing.assert_array_equal(to_uint8(pixels), in_doubles(pixels, None))


def test_a_large_16_bit_slice_needs_little_memory() -> None:
    pixels = np.random.default_rng(3).integers(0, 4000, (2048, 2048)).astype(np.uint16)
    tracemalloc.start()
    try:
        to_uint8(pixels)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * pixels.size  # not even one copy in double precision


def test_turned_slices_are_looked_up_too() -> None:
    pixels = np.random.default_rng(2).integers(-900, 900, (40, 30)).astype(np.int16)
    np.testing.assert_array_equal(to_uint8(pixels.T[::-1]), to_uint8(pixels).T[::-1])


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40)))
def test_foreground_threshold_is_of_the_99th_percentile(picture: np.ndarray) -> None:
    assert foreground_threshold(picture) == max(12.0, 0.08 * float(np.percentile(picture, 99)))
    assert grey_counts(picture).tolist() == np.bincount(picture.ravel(), minlength=256).tolist()


def test_box_is_the_head_without_the_air() -> None:
    assert square_box(head(200, 300, 40, 90, 100)) == SquareBox(left=90, top=40, side=100)


def test_grey_at_the_threshold_is_air() -> None:
    picture = head(200, 300, 40, 90, 100)
    picture[20:180, 20:280] = np.maximum(picture[20:180, 20:280], 12)
    assert foreground_threshold(picture) == 12
    assert square_box(picture) == SquareBox(left=90, top=40, side=100)
    brighter = np.where(picture == 12, 13, picture).astype(np.uint8)
    assert square_box(brighter) == SquareBox(left=20, top=-30, side=260)


def test_box_of_a_wide_head_reaches_beyond_the_picture() -> None:
    picture = np.full((100, 300), 150, dtype=np.uint8)
    box = square_box(picture)
    assert box == SquareBox(left=0, top=-100, side=300)
    shown = model_input(picture, 30, box)
    assert shown[:9].max() == 0
    assert shown[15].min() == 150


def test_empty_picture_is_taken_whole() -> None:
    assert square_box(np.zeros((80, 80), np.uint8)) == SquareBox(left=0, top=0, side=80)


def test_head_is_not_stretched() -> None:
    picture = np.zeros((200, 200), np.uint8)
    picture[50:150, 80:120] = 200
    shown = model_input(picture, 100)
    rows, columns = np.flatnonzero(shown[:, 50] > 100), np.flatnonzero(shown[50] > 100)
    assert len(rows) / len(columns) == pytest.approx(2.5, rel=0.06)


def test_field_of_view_does_not_change_the_model_input() -> None:
    near, far = head(110, 110, 5, 5, 100), head(400, 400, 150, 150, 100)
    near[40:60, 40:60] = far[185:205, 185:205] = 90
    np.testing.assert_array_equal(model_input(near, 64), model_input(far, 64))


@given(
    hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=90)),
    st.sampled_from([32, 150, 192]),
)
def test_any_picture_becomes_a_model_input(picture: np.ndarray, side: int) -> None:
    shown = model_input(picture, side)
    assert shown.shape == (side, side)
    assert shown.dtype == np.uint8


@given(
    hnp.arrays(
        st.sampled_from([np.int16, np.uint16, np.float32, np.int32]),
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=20),
    )
)
def test_any_numbers_become_eight_bits_in_the_same_order(pixels: np.ndarray) -> None:
    scaled = to_uint8(pixels)
    assert scaled.dtype == np.uint8
    assert scaled.shape == pixels.shape
    finite = np.isfinite(pixels)
    order = np.argsort(pixels[finite], kind="stable")
    assert (np.diff(scaled[finite][order].astype(int)) >= 0).all()


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((64, 64, 3), np.uint8),
        np.zeros((64, 64), np.uint16),
        np.zeros((64, 64)),
        np.zeros((0, 64), np.uint8),
    ],
)
def test_what_is_no_grey_picture_of_8_bits_is_refused_and_not_cut_off(
    picture: np.ndarray,
) -> None:
    with pytest.raises(ValueError, match=r"expected one grey uint8 picture .* Received") as raised:
        model_input(picture, 192)
    assert f"Received {picture.dtype} {picture.shape}. Make colours grey" in str(raised.value)


def test_complex_values_are_refused_and_not_halved() -> None:
    with pytest.raises(ValueError, match="expected real values"):
        to_uint8(np.eye(64) * 1j)
