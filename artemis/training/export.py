"""Export a trained network to the form that serving runs. Imports TensorFlow."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from artemis.files import atomic_path


def export_litert(model: keras.Model, path: Path) -> dict[str, list[int]]:
    """Write a network as a LiteRT flatbuffer with float16 weights, atomically.

    The exported signature ``serving_default`` takes ``picture``, ``(n, side, side, 1)``
    uint8, and returns the network's outputs by name in float32.

    Parameters
    ----------
    model : keras.Model
        See `artemis.models.architectures`.
    path : Path
        The file to write.

    Returns
    -------
    dict of str to list of int
        Shape of each output without the batch axis.
    """
    side = model.input_shape[1]

    @tf.function(  # type: ignore[untyped-decorator]  # TensorFlow ships no types
        input_signature=[tf.TensorSpec((None, side, side, 1), tf.uint8, name="picture")]
    )
    def serve(picture: Any) -> dict[str, Any]:
        outputs = model(tf.cast(picture, tf.float32), training=False)
        return {name: tf.identity(values, name=name) for name, values in outputs.items()}

    module = tf.Module()
    module.model = model
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures={"serving_default": serve})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
        flatbuffer = converter.convert()
    with atomic_path(path) as temporary:
        temporary.write_bytes(flatbuffer)
    return {name: list(output.shape[1:]) for name, output in model.output.items()}
