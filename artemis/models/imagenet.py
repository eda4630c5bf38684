"""Weights that MobileNetV2 starts from. Imports TensorFlow."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from functools import lru_cache
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from artemis.errors import ModelError


@lru_cache(maxsize=1)
def imagenet_weights(imagenet: Path | str, side: int) -> list[NDArray[np.float32]]:
    """Return MobileNetV2's weights without top, for three channels.

    Parameters
    ----------
    imagenet : Path or 'imagenet'
        A local file, or Keras's own download.
    side : int
        Edge of the pictures in pixels; Keras has weights for several.

    Returns
    -------
    list of ndarray
        Of each array of the network, in its order.

    Raises
    ------
    ModelError
        If the file is not there or holds others, or Keras cannot download its own.
    """
    download = imagenet == "imagenet"
    try:
        with redirect_stdout(sys.stderr):  # where Keras tells of its download
            colour = keras.applications.MobileNetV2(
                input_shape=(side, side, 3),
                include_top=False,
                weights="imagenet" if download else None,
            )
            if not download:
                colour.load_weights(str(imagenet))
    except Exception as error:  # Keras raises no narrower one for a download
        where = "its download by Keras" if download else f"ARTEMIS_IMAGENET_WEIGHTS, {imagenet}"
        said = (str(error).splitlines() or [type(error).__name__])[0]  # after it comes a page
        raise ModelError(
            f"First weights: expected those of MobileNetV2 (alpha 1.0, ImageNet, without top) from "
            f"{where}. Received: {said.rstrip('.:')}. Set ARTEMIS_IMAGENET_WEIGHTS to a file of "
            "them, as Keras saves them (.weights.h5 or .h5)."
        ) from error
    weights: list[NDArray[np.float32]] = colour.get_weights()
    return weights
