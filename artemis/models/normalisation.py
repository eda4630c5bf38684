"""Normalising over the batch in one operator. Imported by training only."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import layers


class BatchNormalization(layers.BatchNormalization):  # type: ignore[misc]  # Keras ships no types
    """Keras' layer (Ioffe and Szegedy, ICML 2015), whose training step is one operator.

    Keras takes moments, scale and shift one by one, each a pass over all that the layer holds,
    and again for the gradients of each: a fifth of a training's time. Outputs and moving
    averages are those of Keras, up to the order of floating-point sums. It takes pictures,
    ``(n, h, w, c)``, and features, ``(n, c)``.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return the inputs normalised over the batch, or by the moving averages."""
        if not training or not self.trainable:
            return super().call(inputs, training=training, mask=mask)
        pictures = inputs if len(inputs.shape) == 4 else inputs[:, None, None, :]
        # Without moving averages to go on from, the operator returns the batch's own moments.
        normalised, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=pictures,
            scale=self.gamma,
            offset=self.beta,
            mean=tf.zeros(0),
            variance=tf.zeros(0),
            epsilon=self.epsilon,
            is_training=True,
        )
        values = tf.cast(tf.reduce_prod(tf.shape(pictures)[:3]), tf.float32)
        variance *= (values - 1) / values  # from a sample's to that of the values, as Keras has it
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + batch * (1 - self.momentum))
        return normalised if pictures is inputs else normalised[:, 0, 0, :]


def normalised_in_one(model: keras.Model) -> keras.Model:
    """Return a model of the same layers and weights, but of this module's normalisation."""

    def replaced(layer: keras.Layer) -> keras.Layer:
        if not isinstance(layer, layers.BatchNormalization):
            return layer
        new = BatchNormalization.from_config(layer.get_config())
        new.build(layer.input.shape)
        new.set_weights(layer.get_weights())
        return new

    return keras.models.clone_model(model, clone_function=replaced)
