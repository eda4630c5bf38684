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


def test_tumour_box_moves_with_its_picture() -> None:
    boxes = np.tile(np.array([[0.25, 0.5, 0.5, 0.75]], dtype=np.float32), (20, 1))
    areas = draw_areas(boxes, 64)[..., None]
    how = replace(STILL, rotation=20, shift=0.1)
    moved, area = augment_with_boxes(areas * 255, areas, how, seed_of(1, 2))
    assert not np.allclose(area.numpy()[0], areas[0])
    assert moved.numpy() / 255 == pytest.approx(area.numpy(), abs=0.01)
