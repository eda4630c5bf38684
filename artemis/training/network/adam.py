"""AdamW whose step is one operator a variable. Imported by training only."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


class AdamW(keras.optimizers.AdamW):  # type: ignore[misc]  # Keras ships no types
    """Keras' optimiser (Loshchilov and Hutter, ICLR 2019), whose step is one operator a variable.

    Keras takes some 25 for each: small ones that cost more than what they work out, in every step
    and once more while a step is traced. Weights and moments are those of Keras, up to the
    rounding of float32.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Change a variable by its gradient, and the moments that are kept of it."""
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )
