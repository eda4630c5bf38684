"""The two networks, in Keras. Imported by training only: TensorFlow loads with it.

Each network takes grey pictures ``(n, side, side, 1)`` with values 0 to 255 and scales
them itself, so that no caller can scale them wrongly, and returns a dictionary:

``logits``    ``(n, 12)`` float32, before the softmax;
``features``  ``(n, f)`` float32, the input of the last layer;
``maps``      ``(n, h, w, 12)`` float32, class-activation maps (mobilenet_v2 only). With a
global-average-pooling head the map of a category is the last feature map weighted by the
head's weights (Zhou et al., CVPR 2016), equal to Grad-CAM up to a constant (Selvaraju et
al., ICCV 2017); its mean over the picture is the logit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import keras
from keras import layers

from artemis.labels import CATEGORIES

BASELINE_SIDE: Final = 150
_BASELINE_CONVOLUTIONS: Final = ((32, 2), (64, 3), (32, 3), (32, 3), (64, 2))
_BASELINE_DENSE: Final = (44, 32)
_BATCH_NORM_MOMENTUM: Final = 0.9  # 0.999, Keras's value, never settles in 70 steps an epoch


def build_baseline(*, original: bool = False) -> keras.Model:
    """Build the five-convolution network of the project's first version.

    Five convolutions, 32 (2x2), 64 (3x3), 32 (3x3), 32 (3x3) and 64 (2x2), each with
    sigmoid and 2x2 max pooling, then dense layers of 44, 32 (sigmoid) and 12.

    Parameters
    ----------
    original : bool
        True gives the network as it was in 2022: three equal channels, unscaled pixels,
        no normalisation, 82,104 parameters. False takes one channel scaled to [-1, 1] and
        normalises each convolution's output over the batch (Ioffe and Szegedy, ICML 2015)
        before its sigmoid. Measured without it: 25 epochs of the original stayed at the
        accuracy of chance, 0.11, on the same folds; with it, 0.83 after 45.

    Returns
    -------
    keras.Model
        ``(n, 150, 150, 1)`` to ``logits`` ``(n, 12)`` and ``features`` ``(n, 32)``.
    """
    inputs = keras.Input((BASELINE_SIDE, BASELINE_SIDE, 1), name="picture")
    x = layers.Concatenate()([inputs] * 3) if original else _scale(inputs)
    for filters, kernel in _BASELINE_CONVOLUTIONS:
        x = layers.Conv2D(filters, kernel, use_bias=original)(x)
        if not original:
            x = layers.BatchNormalization(momentum=_BATCH_NORM_MOMENTUM)(x)
        x = layers.Activation("sigmoid")(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    for units in _BASELINE_DENSE:
        x = layers.Dense(units, use_bias=original or units == _BASELINE_DENSE[-1])(x)
        if not original and units != _BASELINE_DENSE[-1]:
            x = layers.BatchNormalization(momentum=_BATCH_NORM_MOMENTUM)(x)
        x = layers.Activation("sigmoid")(x)
    logits = layers.Dense(len(CATEGORIES), name="logits")(x)
    return keras.Model(inputs, {"logits": logits, "features": x}, name="baseline")


def build_mobilenet_v2(
    side: int, *, imagenet: Path | str | None = "imagenet", dropout: float = 0.3
) -> keras.Model:
    """Build MobileNetV2 (alpha 1.0) with a global-average-pooling head over the categories.

    Parameters
    ----------
    side : int
        Edge of the input in pixels, a multiple of 32.
    imagenet : Path, 'imagenet' or None
        Weights without top: a local file, Keras's own download, or random.
    dropout : float
        Share of pooled features dropped in training.

    Returns
    -------
    keras.Model
        ``(n, side, side, 1)`` to ``logits`` ``(n, 12)``, ``features`` ``(n, 1280)`` and
        ``maps`` ``(n, side / 32, side / 32, 12)``.
    """
    inputs = keras.Input((side, side, 1), name="picture")
    backbone = _grey_backbone(side, imagenet)
    feature_map = backbone(_scale(inputs))
    features = layers.GlobalAveragePooling2D(name="features")(feature_map)
    # Dropping a channel of the map drops the pooled feature; averaging the weighted map
    # is weighting the pooled features: the same head, with its maps at no cost.
    kept = layers.SpatialDropout2D(dropout)(feature_map)
    maps = layers.Conv2D(len(CATEGORIES), 1, name="maps")(kept)
    logits = layers.GlobalAveragePooling2D(name="logits")(maps)
    outputs = {"logits": logits, "features": features, "maps": maps}
    return keras.Model(inputs, outputs, name="mobilenet_v2")


def _scale(inputs: Any) -> Any:
    return layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(inputs)


def _grey_backbone(side: int, imagenet: Path | str | None) -> keras.Model:
    """Return MobileNetV2 for one channel.

    Three equal channels through ImageNet's first convolution are the same as one channel
    through the sum of its kernels over the channels, at a third of the cost.
    """
    backbone = keras.applications.MobileNetV2(
        input_shape=(side, side, 1), include_top=False, weights=None, name="backbone"
    )
    if imagenet is not None:
        colour = keras.applications.MobileNetV2(
            input_shape=(side, side, 3),
            include_top=False,
            weights="imagenet" if imagenet == "imagenet" else None,
        )
        if imagenet != "imagenet":
            colour.load_weights(str(imagenet))
        first, *others = colour.get_weights()
        backbone.set_weights([first.sum(axis=2, keepdims=True), *others])
    for layer in backbone.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = _BATCH_NORM_MOMENTUM
    return backbone
