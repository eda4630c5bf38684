"""The two networks, in Keras. Imported by training only: TensorFlow loads with it.

Each network takes grey pictures ``(n, side, side, 1)`` with values 0 to 255 and scales
them itself, so that no caller can scale them wrongly, and returns a dictionary:

``logits``    ``(n, 12)`` float32, before the softmax;
``features``  ``(n, f)`` float32, the input of the last layer;
``maps``      ``(n, h, w, 4)`` float32, evidence for each tumour type at each place
              (mobilenet_v2 only); their sum over the picture is the local part of the logit;
``attention`` ``(n, h * w)`` float32, where the network looks, summing to 1 (mobilenet_v2,
              in training only);
``places``    ``(n, h * w, 4)`` float32, logits of the tumour type at each place by itself
              (mobilenet_v2, in training only).

Initial weights and dropout come from seeds of their own and not from Python's global
generator: another thread that draws from it must not change what is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import keras
from keras import layers

from artemis.labels import CATEGORIES, PLANES, TUMORS
from artemis.models.imagenet import imagenet_weights
from artemis.models.normalisation import BatchNormalization, normalised_in_one

REVISIONS: Final = {"mobilenet_v2": 4, "baseline": 4}
"""Of each network: to be raised whenever it changes, so that what an older one said is not
taken for its successor's."""

BASELINE_SIDE: Final = 150
STEM_END: Final = "block_6_project_BN"
"""Last layer of MobileNetV2's stem: a sixteenth of the input's edge, 64 channels."""

SERVED: Final = ("logits", "features", "maps")
"""What MobileNetV2 returns when it serves."""

MAP_STRIDE: Final = 16
"""Pixels of the input that one place of the evidence maps stands for."""

_MAP_TAP: Final = "block_13_expand_relu"
_MAP_CHANNELS: Final = 160
_BASELINE_CONVOLUTIONS: Final = ((32, 2), (64, 3), (32, 3), (32, 3), (64, 2))
_BASELINE_DENSE: Final = (44, 32)
_BATCH_NORM_MOMENTUM: Final = 0.9  # 0.999, Keras's value, never settles in 70 steps an epoch


def build_baseline(
    side: int = BASELINE_SIDE, *, original: bool = False, seed: int = 0
) -> keras.Model:
    """Build the five-convolution network of the project's first version.

    Five convolutions, 32 (2x2), 64 (3x3), 32 (3x3), 32 (3x3) and 64 (2x2), each with
    sigmoid and 2x2 max pooling, then dense layers of 44, 32 (sigmoid) and 12.

    Parameters
    ----------
    side : int
        Edge of the input in pixels, 77 or more: what is left of less is smaller than a kernel.
    original : bool
        True gives the network as it was in 2022: three equal channels, unscaled pixels,
        no normalisation, 82,104 parameters. False takes one channel scaled to [-1, 1] and
        normalises what each convolution's pooling leaves over the batch (Ioffe and Szegedy,
        ICML 2015) before its sigmoid. Measured without it: 25 epochs of the original stayed at
        the accuracy of chance, 0.11, on the same folds.
    seed : int
        Of the initial weights.

    Returns
    -------
    keras.Model
        ``(n, side, side, 1)`` to ``logits`` ``(n, 12)`` and ``features`` ``(n, 32)``.
    """
    seeds = iter(range(seed, seed + 100))
    inputs = keras.Input((side, side, 1), name="picture")
    x = layers.Concatenate()([inputs] * 3) if original else _scale(inputs)
    for filters, kernel in _BASELINE_CONVOLUTIONS:
        x = layers.Conv2D(
            filters, kernel, use_bias=original, kernel_initializer=_initial(next(seeds))
        )(x)
        # The largest of four sigmoids is the sigmoid of the largest: pooled first, it is cheaper,
        # and normalising the quarter that is left halves the time of a training.
        x = layers.MaxPooling2D(2)(x)
        if not original:
            x = _normalise(x)
        x = layers.Activation("sigmoid")(x)
    x = layers.Flatten()(x)
    for units in _BASELINE_DENSE:
        last = units == _BASELINE_DENSE[-1]
        x = layers.Dense(
            units, use_bias=original or last, kernel_initializer=_initial(next(seeds))
        )(x)
        if not original and not last:
            x = _normalise(x)
        x = layers.Activation("sigmoid")(x)
    logits = layers.Dense(len(CATEGORIES), name="logits", kernel_initializer=_initial(next(seeds)))(
        x
    )
    return keras.Model(inputs, {"logits": logits, "features": x}, name="baseline")


def build_stem(side: int, imagenet: Path | str | None = "imagenet") -> keras.Model:
    """Build MobileNetV2's first blocks alone, as ImageNet left them.

    Parameters
    ----------
    side : int
        Edge of the input in pixels, a multiple of 32.
    imagenet : Path, 'imagenet' or None
        Weights without top: a local file, Keras's own download, or random.

    Returns
    -------
    keras.Model
        ``(n, side, side, 1)`` to ``stem`` ``(n, side / 16, side / 16, 64)``. It is not trained:
        its outputs can be computed once and be trained on many times.

    Raises
    ------
    ModelError
        If those weights cannot be had.
    """
    return _stem(_grey_backbone(side, imagenet), trained=False)


def build_mobilenet(
    side: int,
    *,
    imagenet: Path | str | None = "imagenet",
    all_layers: bool = False,
    dropout: float = 0.4,
    seed: int = 0,
) -> tuple[keras.Model, keras.Model]:
    """Build MobileNetV2 (alpha 1.0) in two parts: its first blocks, and what is always trained.

    The logit of a category is the sum of two parts: a dense layer over the pooled
    features, and the evidence for its tumour type, weighted by where the network looks
    (attention-based pooling, Ilse et al., ICML 2018). The evidence is read from features of
    stride 16 to which those of stride 32 are added (feature pyramid, Lin et al., CVPR 2017).

    Parameters
    ----------
    side, imagenet
        See `build_stem`.
    all_layers : bool
        Whether the stem is to be trained with the rest; most recipes leave it.
    dropout : float
        Share of pooled features dropped in training.
    seed : int
        Of initial weights and dropout.

    Returns
    -------
    stem : keras.Model
        See `build_stem`.
    trunk : keras.Model
        ``(n, side / 16, side / 16, 64)`` to ``logits``, ``features`` ``(n, 1280)``, ``maps``
        ``(n, side / 16, side / 16, 4)``, ``attention`` ``(n, (side / 16) ** 2)`` and ``places``
        ``(n, (side / 16) ** 2, 4)``.

    Raises
    ------
    ModelError
        If those weights cannot be had.
    """
    backbone = _grey_backbone(side, imagenet)  # of both: it is half the time that they take
    return _stem(backbone, trained=all_layers), _trunk(backbone, dropout, seed)


def _stem(backbone: keras.Model, *, trained: bool) -> keras.Model:
    blocks = keras.Model(backbone.input, backbone.get_layer(STEM_END).output, name="first_blocks")
    if trained:
        blocks = normalised_in_one(blocks)
    inputs = keras.Input(backbone.input_shape[1:], name="picture")
    stem = keras.Model(inputs, {"stem": blocks(_scale(inputs))}, name="stem")
    stem.trainable = trained
    return stem


def _trunk(backbone: keras.Model, dropout: float, seed: int) -> keras.Model:
    start = backbone.get_layer(STEM_END).output
    blocks = normalised_in_one(
        keras.Model(start, [backbone.get_layer(_MAP_TAP).output, backbone.output], name="blocks")
    )
    inputs = keras.Input(start.shape[1:], name="stem")
    fine, coarse = blocks(inputs)
    features = layers.GlobalAveragePooling2D(name="features")(coarse)
    kept = layers.Dropout(dropout, seed=seed)(features)
    whole = layers.Dense(len(CATEGORIES), kernel_initializer=_initial(seed + 1))(kept)
    attention, places, maps = _evidence(fine, coarse, dropout / 2, seed + 2)
    local = layers.GlobalAveragePooling2D()(maps)
    local = layers.Rescaling(float(maps.shape[1] * maps.shape[2]))(local)
    # The categories are ordered tumour by tumour: each tumour's evidence serves its planes.
    spread = layers.Reshape((len(TUMORS), 1))(local)
    spread = layers.Concatenate(axis=2)([spread] * len(PLANES))
    spread = layers.Reshape((len(CATEGORIES),))(spread)
    outputs = {
        "logits": layers.Add(name="logits")([whole, spread]),
        "features": features,
        "maps": maps,
        "attention": layers.Flatten(name="attention")(attention),
        "places": layers.Reshape((-1, len(TUMORS)), name="places")(places),
    }
    return keras.Model(inputs, outputs, name="trunk")


def join(stem: keras.Model, trunk: keras.Model, names: Sequence[str] = SERVED) -> keras.Model:
    """Return stem and trunk as one network with some outputs: as a rule those that are served."""
    inputs = keras.Input(stem.input_shape[1:], name="picture")
    outputs = trunk(stem(inputs)["stem"])
    return keras.Model(inputs, {name: outputs[name] for name in names}, name="mobilenet_v2")


def join_mixing(stem: keras.Model, trunk: keras.Model, names: Sequence[str]) -> keras.Model:
    """Return stem and trunk as one network that mixes each picture with another of its batch.

    Parameters
    ----------
    stem, trunk : keras.Model
        See `build_mobilenet`.
    names : sequence of str
        Outputs.

    Returns
    -------
    keras.Model
        ``picture`` ``(n, side, side, 1)``, ``other`` ``(n,)`` int32, the row of the batch that
        each is mixed with, and ``share`` ``(n,)`` float32 in [0, 1], how much of its own stem's
        output each keeps (manifold mixup, Verma et al., ICML 2019), to the outputs.
    """
    inputs = {
        "picture": keras.Input(stem.input_shape[1:], name="picture"),
        "other": keras.Input((), dtype="int32", name="other"),
        "share": keras.Input((), name="share"),
    }
    mixed = Mixed(name="mixed")([stem(inputs["picture"])["stem"], inputs["other"], inputs["share"]])
    outputs = trunk(mixed)
    return keras.Model(inputs, {name: outputs[name] for name in names}, name="mixing")


class Mixed(layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Weighted sum of each of a batch's values and another's, see `join_mixing`."""

    def call(self, inputs: Any) -> Any:
        """Return ``share * values + (1 - share) * values[other]``."""
        values, other, share = inputs
        share = keras.ops.reshape(share, (-1, *(1 for _ in values.shape[1:])))
        return share * values + (1 - share) * keras.ops.take(values, other, axis=0)


def _evidence(fine: Any, coarse: Any, dropout: float, seed: int) -> tuple[Any, Any, Any]:
    """Return where to look, what is there, and their product, the evidence.

    ``(n, h, w, 1)``, summing to 1 over the picture, and twice ``(n, h, w, 4)``.
    """
    above = _normalise(_project(coarse, _MAP_CHANNELS, seed))
    above = layers.UpSampling2D(2, interpolation="bilinear")(above)
    x = layers.Add()([above, _normalise(_project(fine, _MAP_CHANNELS, seed + 1))])
    x = layers.ReLU(6.0)(x)
    x = layers.DepthwiseConv2D(
        3, padding="same", use_bias=False, depthwise_initializer=_initial(seed + 2)
    )(x)
    x = layers.ReLU(6.0)(_normalise(x))
    height, width = x.shape[1:3]
    where = layers.Conv2D(1, 1, kernel_initializer=_initial(seed + 3))(x)
    where = layers.Softmax()(layers.Reshape((height * width,))(where))
    where = layers.Reshape((height, width, 1))(where)
    kept = layers.SpatialDropout2D(dropout, seed=seed + 4)(x)
    what = layers.Conv2D(len(TUMORS), 1, kernel_initializer=_initial(seed + 5))(kept)
    return where, what, layers.Multiply(name="maps")([where, what])


def _project(x: Any, channels: int, seed: int) -> Any:
    return layers.Conv2D(channels, 1, use_bias=False, kernel_initializer=_initial(seed))(x)


def _normalise(x: Any) -> Any:
    return BatchNormalization(momentum=_BATCH_NORM_MOMENTUM)(x)


def _initial(seed: int) -> keras.Initializer:
    return keras.initializers.GlorotUniform(seed=seed)


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
        first, *others = imagenet_weights(imagenet, side)
        backbone.set_weights([first.sum(axis=2, keepdims=True), *others])
    for layer in backbone.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = _BATCH_NORM_MOMENTUM
    return backbone
