"""Export a trained network to the form that serving runs. Imports TensorFlow."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from artemis.files import atomic_path


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

    def serve(picture: Any) -> Any:
        return model(tf.cast(picture, tf.float32), training=False)

    # Keras's own archive freezes the variables; a plain tf.Module leaves reads of variables
    # that LiteRT answers with NaN.
    archive = keras.export.ExportArchive()
    archive.track(model)
    signature = [tf.TensorSpec((None, side, side, 1), tf.uint8, name="picture")]
    archive.add_endpoint("serving_default", serve, input_signature=signature)
    with tempfile.TemporaryDirectory() as folder:
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if half:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        flatbuffer = converter.convert()
    with atomic_path(path) as temporary:
        temporary.write_bytes(flatbuffer)
    return {name: list(output.shape[1:]) for name, output in model.output.items()}
