"""Random changes to training pictures that leave anatomy and category as they are."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from artemis.training.network.augmentation import Augmentation


def augment_batch(pictures: Any, how: Augmentation) -> Any:
    """Return changed pictures, each by its own draw.

    Parameters
    ----------
    pictures : tf.Tensor, (n, side, side, 1), float32 in [0, 255]
        A batch.
    how : Augmentation
        Amounts.

    Returns
    -------
    tf.Tensor, (n, side, side, 1), float32 in [0, 255]
        What moves in from outside is black, as air is.
    """
    return _change_intensity(_erase(_move(pictures, how), how), how)


def augment_with_boxes(pictures: Any, boxes: Any, how: Augmentation) -> tuple[Any, Any]:
    """Return changed pictures and, moved with each, the area of its tumour box.

    Parameters
    ----------
    pictures : tf.Tensor, (n, side, side, 1), float32 in [0, 255]
        A batch.
    boxes : tf.Tensor, (n, side, side, 1), float32, 0 or 1
        Area of the tumour box.
    how : Augmentation
        Amounts.

    Returns
    -------
    tf.Tensor, (n, side, side, 1), float32 in [0, 255]
        Pictures.
    tf.Tensor, (n, side, side, 1), float32 in [0, 1]
        Areas. A box that is blanked in the picture keeps its area.
    """
    moved = _move(tf.concat([pictures, boxes], axis=-1), how)
    return _change_intensity(_erase(moved[..., :1], how), how), moved[..., 1:]


def _draw(count: Any, amount: float) -> Any:
    return tf.random.uniform((count,), -amount, amount)


def _move(pictures: Any, how: Augmentation) -> Any:
    count, side = tf.shape(pictures)[0], pictures.shape[1]
    angle = _draw(count, how.rotation) * (math.pi / 180)
    scale, stretch = 1 + _draw(count, how.zoom), 1 + _draw(count, how.stretch)
    mirrored = tf.random.uniform((count,)) < how.flip
    scale_x = tf.where(mirrored, -1.0, 1.0) * scale * stretch
    scale_y = scale / stretch
    cos, sin = tf.cos(angle), tf.sin(angle)
    a, b = cos * scale_x, -sin * scale_y
    d, e = sin * scale_x, cos * scale_y
    centre = (side - 1) / 2
    c = centre - a * centre - b * centre + _draw(count, how.shift) * side
    f = centre - d * centre - e * centre + _draw(count, how.shift) * side
    zero = tf.zeros_like(a)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pictures,
        transforms=tf.stack([a, b, c, d, e, f, zero, zero], axis=1),
        output_shape=tf.constant([side, side]),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )


def _erase(pictures: Any, how: Augmentation) -> Any:
    count, side = tf.shape(pictures)[0], pictures.shape[1]
    line = tf.range(side, dtype=tf.float32)[None, :] / side
    keep = []
    for _ in range(2):
        start = tf.random.uniform((count, 1), -0.1, 0.9)
        length = tf.random.uniform((count, 1), 0.08, 0.33)
        keep.append(tf.logical_or(line < start, line > start + length))
    outside = tf.logical_or(keep[0][:, :, None], keep[1][:, None, :])
    spared = tf.random.uniform((count, 1, 1)) >= how.erase
    return pictures * tf.cast(tf.logical_or(outside, spared), tf.float32)[..., None]


def _change_intensity(pictures: Any, how: Augmentation) -> Any:
    count = tf.shape(pictures)[0]

    def each(values: Any) -> Any:
        return values[:, None, None, None]

    x = tf.clip_by_value(pictures / 255.0, 0.0, 1.0)
    x = tf.pow(x + 1e-6, each(tf.exp(_draw(count, how.gamma))))
    x = x * each(1 + _draw(count, how.contrast)) + each(_draw(count, how.brightness))
    x += tf.random.normal(tf.shape(x)) * each(tf.random.uniform((count,), 0, how.noise))
    return tf.clip_by_value(x, 0.0, 1.0) * 255.0
