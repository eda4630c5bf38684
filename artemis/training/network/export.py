"""Export a trained network to the form that serving runs. Imports TensorFlow."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from artemis.system.files import atomic_path


def export_litert(model: keras.Model, path: Path, *, half: bool = True) -> dict[str, list[int]]:
    """Write a network as a LiteRT flatbuffer, atomically.

    The exported signature ``serving_default`` takes ``picture``, ``(n, side, side, 1)``
    uint8, and returns the network's outputs by name in float32.

    Parameters
    ----------
    model : keras.Model
        See `artemis.models.architectures`.
    path : Path
        The file to write.
    half : bool
        Store weights as float16, in half the space; they are computed with as float32.

    Returns
    -------
    dict of str to list of int
        Shape of each output without the batch axis.
    """
    side = model.input_shape[1]
    # The weights go in as constants. As variables they are saved, loaded twice and only then
    # frozen to the same network: MobileNetV2 takes six times as long (25 s of a core at 192 px).
    learnt = [variable.numpy() for variable in model.trainable_variables]
    others = [variable.numpy() for variable in model.non_trainable_variables]

    def serve(picture: Any) -> Any:
        outputs, _ = model.stateless_call(
            learnt, others, tf.cast(picture, tf.float32), training=False
        )
        return outputs

    signature = [tf.TensorSpec((None, side, side, 1), tf.uint8, name="picture")]
    traced = tf.function(serve, input_signature=signature).get_concrete_function()
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(tf.Module(), folder, signatures={"serving_default": traced})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if half:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        flatbuffer = converter.convert()
    with atomic_path(path) as temporary:
        temporary.write_bytes(flatbuffer)
    return {name: list(output.shape[1:]) for name, output in model.output.items()}
