from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

import keras
import tensorflow as tf

from artemis.training.network.adam import AdamW


@pytest.mark.parametrize("traced", [False, True], ids=["eager", "traced"])
def test_weights_and_moments_are_those_of_keras(traced: bool) -> None:
    random = np.random.default_rng(0)
    shapes = [(3, 3, 1, 4), (4,)]
    first = [random.normal(size=shape).astype(np.float32) for shape in shapes]
    steps = [[random.normal(size=s).astype(np.float32) * k for s in shapes] for k in (1, 9, 0.1)]
    rates, ends = (0.1, 0.03, 0.001), []
    for made in (AdamW, keras.optimizers.AdamW):
        optimizer = made(9.0, weight_decay=0.1)
        weights = [keras.Variable(value) for value in first]
        optimizer.build(weights)
        apply = tf.function(optimizer.apply) if traced else optimizer.apply
        for rate, gradients in zip(rates, steps, strict=True):
            optimizer.learning_rate = rate
            apply([tf.constant(one) for one in gradients])
        ends.append([variable.numpy() for variable in (*weights, *optimizer.variables)])
    assert len(ends[0]) == 2 + 2 + 2 * 2  # with the moments of each, steps and rate
    for ours, theirs in zip(*ends, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)  # 1 - 0.999 in float32
    assert not np.allclose(ends[0][0], first[0], atol=0.05)
