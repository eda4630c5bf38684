"""Evidence against that of shuffled weights, on networks of one layer."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

import keras
from keras import layers

from artemis.training.network.fitted import Fitted
from artemis.training.network.randomised import CHECKED, check_randomisation
from tests.training.small import eagerly, small

KERNEL = np.random.default_rng(3).normal(size=(5, 5, 1, 4)).astype(np.float32)


def network(*, learnt: bool) -> Fitted:
    """A network of glioma's evidence: what a filter finds, or the picture whatever the weights."""
    inputs = keras.Input((16, 16, 1))
    found = layers.Conv2D(4, 5, padding="same", use_bias=False, name="filter")(inputs)
    maps = found if learnt else layers.Concatenate()([inputs, *[layers.Rescaling(0.0)(inputs)] * 3])
    by_tumor = layers.Reshape((4, 1))(layers.GlobalAveragePooling2D()(maps))
    logits = layers.Reshape((12,))(layers.Concatenate(axis=2)([by_tumor] * 3))
    model = keras.Model(inputs, {"logits": logits, "maps": maps, "filter": found})
    model.get_layer("filter").set_weights([KERNEL])
    return Fitted(small(), model, None)


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (count, 16, 16), dtype=np.uint8)


def check(fitted: Fitted, count: int = 12, boxes: np.ndarray | None = None):
    unknown = np.full((count, 4), np.nan, dtype=np.float32)
    with eagerly():
        return check_randomisation(
            fitted, pictures(count), np.zeros(count, np.int64), unknown if boxes is None else boxes
        )


def test_evidence_that_was_learnt_is_lost_with_the_order_of_the_weights() -> None:
    fitted = network(learnt=True)
    found = check(fitted)
    assert found is not None
    assert found.images == 12
    assert found.pointing_game is None  # no box is known
    assert set(found.shuffled) == {"heads", "all"}
    for one in found.shuffled.values():
        assert one.absolute is not None
        assert one.absolute < 0.5
    assert fitted.trained.get_layer("filter").get_weights()[0].tolist() == KERNEL.tolist()


def test_evidence_that_is_the_picture_fails_the_check() -> None:
    whole = np.tile(np.array([0, 0, 1, 1], dtype=np.float32), (12, 1))
    found = check(network(learnt=False), boxes=whole)
    assert found is not None
    assert found.pointing_game == 1
    assert set(found.shuffled) == {"heads", "all"}
    for one in found.shuffled.values():
        assert one.correlation == pytest.approx(1)
        assert (one.slices, one.pointing_game) == (12, 1)


def test_no_more_slices_are_checked_than_need_be() -> None:
    found = check(network(learnt=False), count=CHECKED + 5)
    assert found is not None
    assert found.images == CHECKED


def test_network_without_maps_is_not_checked() -> None:
    inputs = keras.Input((16, 16, 1))
    model = keras.Model(inputs, {"logits": layers.Dense(12)(layers.Flatten()(inputs))})
    assert check(Fitted(small(), model, None)) is None
