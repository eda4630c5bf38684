"""Normalisation in one operator, against Keras' own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

import keras
import tensorflow as tf

from artemis.models.architectures import build_baseline, build_mobilenet
from artemis.models.normalisation import BatchNormalization, normalised_in_one


def trained(layer: Any, batches: list[np.ndarray]) -> list[np.ndarray]:
    """Return outputs, gradients and weights after some steps of training."""
    told = []
    for batch in batches:
        values = tf.constant(batch)
        with tf.GradientTape() as tape:
            tape.watch(values)
            outputs = layer(values, training=True)
            loss = tf.reduce_sum(tf.sin(outputs))
        gradients = tape.gradient(loss, [values, *layer.trainable_variables])
        told += [outputs.numpy(), *(one.numpy() for one in gradients)]
    return told + layer.get_weights()


@pytest.mark.parametrize("shape", [(6, 5, 4, 3), (7, 3), (1, 2, 1, 3)])
def test_outputs_gradients_and_moving_averages_are_those_of_keras(shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(3)
    batches = [random.normal(5, 3, shape).astype(np.float32) for _ in range(3)]
    layers = [of(momentum=0.9) for of in (BatchNormalization, keras.layers.BatchNormalization)]
    for layer in layers:
        layer.build(shape)
        layer.set_weights(
            [np.array(w, np.float32) for w in ([1, 2, 3], [3, 1, 0], [0, 4, 5], [1, 2, 9])]
        )
    for ours, theirs in zip(*(trained(layer, batches) for layer in layers), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-3, abs=1e-4)
    answered = [layer(tf.constant(batches[0]), training=False).numpy() for layer in layers]
    assert answered[0] == pytest.approx(answered[1], rel=1e-4, abs=1e-4)


def test_layer_that_is_fixed_is_not_moved() -> None:
    layer = BatchNormalization(trainable=False)
    values = np.random.default_rng(0).normal(9, 2, (4, 3, 3, 2)).astype(np.float32)
    assert layer(values, training=True).numpy() == pytest.approx(values, rel=1e-2)
    assert layer.get_weights()[2].tolist() == [0, 0]


def test_model_normalised_in_one_keeps_layers_weights_and_answers() -> None:
    inputs = keras.Input((4, 4, 2))
    x = keras.layers.BatchNormalization(name="first")(keras.layers.Conv2D(3, 1, name="sum")(inputs))
    model = keras.Model(inputs, keras.layers.Add()([x, keras.layers.ReLU()(x)]))
    model.get_layer("first").set_weights([np.full(3, v, np.float32) for v in (2, 1, 0.5, 4)])
    new = normalised_in_one(model)
    assert isinstance(new.get_layer("first"), BatchNormalization)
    assert new.get_layer("sum") is model.get_layer("sum")
    assert [w.shape for w in new.get_weights()] == [w.shape for w in model.get_weights()]
    values = np.random.default_rng(0).normal(size=(2, 4, 4, 2)).astype(np.float32)
    assert new(values).numpy() == pytest.approx(model(values).numpy(), abs=1e-5)


def test_everything_that_is_trained_is_normalised_in_one() -> None:
    for model in (build_baseline(80), *build_mobilenet(64, imagenet=None, all_layers=True)):
        normalising = [
            layer
            for layer in model._flatten_layers()
            if isinstance(layer, keras.layers.BatchNormalization)
        ]
        assert normalising
        assert {type(layer) for layer in normalising} == {BatchNormalization}
