from __future__ import annotations

import random
import threading
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from artemis.models.architectures import build_baseline, build_mobilenet, join

pytestmark = pytest.mark.slow(seconds=10)


def test_original_baseline_has_the_parameters_of_2022() -> None:
    model = build_baseline(original=True)
    assert model.count_params() == 82_104
    kinds = [layer.__class__.__name__ for layer in model.layers]
    assert kinds.count("Conv2D") == 5
    assert "BatchNormalization" not in kinds


def test_baseline_keeps_the_shape_of_the_original() -> None:
    convolutions = [
        (layer.filters, layer.kernel_size)
        for layer in build_baseline().layers
        if layer.__class__.__name__ == "Conv2D"
    ]
    assert convolutions == [(32, (2, 2)), (64, (3, 3)), (32, (3, 3)), (32, (3, 3)), (64, (2, 2))]


@pytest.mark.shared
def test_one_channel_is_imagenets_three_equal_ones(imagenet_weights: Path) -> None:
    import keras

    colour = keras.applications.MobileNetV2(
        weights=None, include_top=False, input_shape=(96, 96, 3)
    )
    colour.load_weights(str(imagenet_weights))
    pictures = np.random.default_rng(1).uniform(0, 255, (2, 96, 96, 1)).astype(np.float32)
    scaled = np.repeat(pictures / 127.5 - 1, 3, axis=-1)
    expected = colour(scaled, training=False).numpy().mean(axis=(1, 2))
    network = join(*build_mobilenet(96, imagenet=imagenet_weights))
    features = network(pictures, training=False)["features"].numpy()
    assert features == pytest.approx(expected, abs=1e-3)


def test_evidence_and_pooled_features_add_up_to_the_logits() -> None:
    _, trunk = build_mobilenet(64, imagenet=None)
    outputs = trunk(
        np.random.default_rng(2).normal(size=(3, *trunk.input_shape[1:])), training=False
    )
    maps, attention = outputs["maps"].numpy(), outputs["attention"].numpy()
    assert maps.shape == (3, 4, 4, 4)
    assert attention.sum(axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    dense = next(layer for layer in trunk.layers if layer.__class__.__name__ == "Dense")
    whole = dense(outputs["features"]).numpy()
    local = np.repeat(maps.sum(axis=(1, 2)), 3, axis=1)
    assert outputs["logits"].numpy() == pytest.approx(whole + local, abs=1e-4)


def test_initial_weights_do_not_depend_on_other_threads_draws() -> None:
    stop = threading.Event()

    def draw() -> None:
        while not stop.wait(1e-4):  # many times a network, and the rest of the time is left to it
            random.random()  # noqa: S311  # nothing secret

    thread = threading.Thread(target=draw)
    thread.start()
    try:
        pairs = [(build_baseline(80, seed=3), build_baseline(80, seed=3))]
        pairs.append(tuple(build_mobilenet(64, imagenet=None, seed=3)[1] for _ in range(2)))
    finally:
        stop.set()
        thread.join()
    for one, other in pairs[:1]:
        for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
            assert np.array_equal(a, b)
    heads = [[layer for layer in t.layers if layer.__class__.__name__ == "Dense"] for t in pairs[1]]
    assert np.array_equal(heads[0][0].get_weights()[0], heads[1][0].get_weights()[0])
