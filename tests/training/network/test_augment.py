from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

import tensorflow as tf

from artemis.training.network.augment import augment_batch, augment_with_boxes, seed_of
from artemis.training.network.augmentation import Augmentation
from artemis.training.network.draws import draw_areas
from tests.training.small import STILL

pytestmark = pytest.mark.slow


def test_augmentation_keeps_shape_range_and_dtype() -> None:
    pictures = np.random.default_rng(4).uniform(0, 255, (6, 48, 48, 1)).astype(np.float32)
    changed = augment_batch(pictures, Augmentation(), seed_of(1, 2)).numpy()
    assert changed.shape == pictures.shape
    assert changed.dtype == np.float32
    assert 0 <= changed.min() <= changed.max() <= 255
    assert not np.allclose(changed[0], pictures[0])


def test_augmentation_of_nothing_changes_nothing() -> None:
    pictures = np.random.default_rng(5).uniform(0, 255, (3, 32, 32, 1)).astype(np.float32)
    assert augment_batch(pictures, STILL, seed_of(1, 2)).numpy() == pytest.approx(
        pictures, abs=0.05
    )


def test_changes_depend_on_their_seed_and_on_nothing_drawn_before() -> None:
    pictures = np.random.default_rng(6).uniform(0, 255, (4, 32, 32, 1)).astype(np.float32)
    first = augment_batch(pictures, Augmentation(), seed_of(3, 5, 7)).numpy()
    tf.random.uniform((9,))
    assert np.array_equal(augment_batch(pictures, Augmentation(), seed_of(3, 5, 7)), first)
    for other in (seed_of(4, 5, 7), seed_of(3, 6, 7), seed_of(3, 5, 8), seed_of(3, 7, 5)):
        assert not np.allclose(augment_batch(pictures, Augmentation(), other), first)


def ramps(count: int) -> np.ndarray:
    """Pictures that show every grey level from black, left, to white."""
    return np.tile(np.linspace(0, 255, 64, dtype=np.float32), (count, 64, 1))[..., None]


def test_curves_of_grey_values_start_black_and_some_of_them_fall() -> None:
    changed = augment_batch(ramps(60), replace(STILL, remap=1.0), seed_of(1, 2)).numpy()
    assert changed[:, :, 0] == pytest.approx(np.zeros((60, 64, 1)), abs=0.01)
    assert np.allclose(changed, changed[:, :1])  # of the grey value, not of the place
    ends, peaks = changed[:, 0, -1, 0], changed[:, 0, :, 0].max(axis=1)
    assert 10 < np.count_nonzero(ends < 0.7 * peaks) < 50
    assert peaks.min() > 255 / 3  # none is all but black


def test_curve_through_a_third_of_the_pictures_leaves_the_others_as_they_are() -> None:
    changed = augment_batch(ramps(300), replace(STILL, remap=1 / 3), seed_of(1, 2)).numpy()
    same = np.abs(changed - ramps(300)).max(axis=(1, 2, 3)) < 0.05
    assert 170 < np.count_nonzero(same) < 230


def test_blur_spreads_a_point_and_keeps_its_sum() -> None:
    points = np.zeros((200, 128, 128, 1), dtype=np.float32)
    points[:, 64, 64] = 255
    blurred = augment_batch(points, replace(STILL, blur=1.0), seed_of(1, 2)).numpy()[..., 0]
    blurred -= blurred[:, :1, :1]  # black is a little more than nothing, for the power
    assert blurred.sum(axis=(1, 2)) == pytest.approx(np.full(200, 255), rel=0.01)
    variance = (blurred * (np.arange(128) - 64) ** 2).sum(axis=(1, 2)) / 255
    assert np.sqrt(variance).max() == pytest.approx(2, abs=0.1)  # 1/64 of the edge
    assert np.sqrt(variance).min() < 0.5


def test_tumour_box_moves_with_its_picture() -> None:
    boxes = np.tile(np.array([[0.25, 0.5, 0.5, 0.75]], dtype=np.float32), (20, 1))
    areas = draw_areas(boxes, 64)[..., None]
    how = replace(STILL, rotation=20, shift=0.1)
    moved, area = augment_with_boxes(areas * 255, areas, how, seed_of(1, 2))
    assert not np.allclose(area.numpy()[0], areas[0])
    assert moved.numpy() / 255 == pytest.approx(area.numpy(), abs=0.01)
