"""Random changes to training pictures that leave anatomy and category as they are.

What is drawn depends on the seed that the caller gives, and on nothing that was drawn before.
"""

from __future__ import annotations

import math
from typing import Any, Final

import tensorflow as tf

from artemis.training.network.augmentation import Augmentation

_AIR: Final = 0.04
"""Share of the grey range below which a pixel is taken for air or its noise."""


class _Chance:
    """Random numbers by a seed alone: each use takes the next of the seeds that follow from it."""

    def __init__(self, seed: Any) -> None:
        self._seed, self._uses = seed, 0

    def uniform(self, shape: Any, low: float = 0.0, high: float = 1.0) -> Any:
        return tf.random.stateless_uniform(shape, self._next(), low, high)

    def normal(self, shape: Any) -> Any:
        return tf.random.stateless_normal(shape, self._next())

    def around(self, count: Any, amount: float) -> Any:
        return self.uniform((count,), -amount, amount)

    def _next(self) -> Any:
        self._uses += 1
        return tf.random.fold_in(self._seed, self._uses)


def seed_of(*numbers: Any) -> Any:
    """Return a seed that depends on every one of some numbers, and on their order.

    Parameters
    ----------
    *numbers : int or scalar tf.Tensor
        Two or more, such as a recipe's seed, an epoch and a step.

    Returns
    -------
    tf.Tensor, (2,), int64
        For `augment_batch` and `augment_with_boxes`.
    """
    first, second, *others = (tf.cast(number, tf.int64) for number in numbers)
    seed = tf.stack([first, second])
    for number in others:
        seed = tf.random.fold_in(seed, number)
    return seed


def augment_batch(pictures: Any, how: Augmentation, seed: Any) -> Any:
    """Return changed pictures, each by its own draw.

    Parameters
    ----------
    pictures : tf.Tensor, (n, side, side, 1), float32 in [0, 255]
        A batch.
    how : Augmentation
        Amounts.
    seed : tf.Tensor, (2,), int64
        Of everything that is drawn; see `seed_of`.

    Returns
    -------
    tf.Tensor, (n, side, side, 1), float32 in [0, 255]
        What moves in from outside is black, as air is.
    """
    chance = _Chance(seed)
    moved = _move(pictures, how, chance)
    return _change_intensity(_erase(moved, how, chance), how, chance)


def augment_with_boxes(pictures: Any, boxes: Any, how: Augmentation, seed: Any) -> tuple[Any, Any]:
    """Return changed pictures and, moved with each, the area of its tumour box.

    Parameters
    ----------
    pictures : tf.Tensor, (n, side, side, 1), float32 in [0, 255]
        A batch.
    boxes : tf.Tensor, (n, side, side, 1), float32, 0 or 1
        Area of the tumour box.
    how : Augmentation
        Amounts.
    seed : tf.Tensor, (2,), int64
        Of everything that is drawn; see `seed_of`.

    Returns
    -------
    tf.Tensor, (n, side, side, 1), float32 in [0, 255]
        Pictures.
    tf.Tensor, (n, side, side, 1), float32 in [0, 1]
        Areas. A box that is blanked in the picture keeps its area.
    """
    chance = _Chance(seed)
    moved = _move(tf.concat([pictures, boxes], axis=-1), how, chance)
    erased = _erase(moved[..., :1], how, chance)
    return _change_intensity(erased, how, chance), moved[..., 1:]


def _move(pictures: Any, how: Augmentation, chance: _Chance) -> Any:
    count, side = tf.shape(pictures)[0], pictures.shape[1]
    angle = chance.around(count, how.rotation) * (math.pi / 180)
    scale, stretch = 1 + chance.around(count, how.zoom), 1 + chance.around(count, how.stretch)
    mirrored = chance.uniform((count,)) < how.flip
    scale_x = tf.where(mirrored, -1.0, 1.0) * scale * stretch
    scale_y = scale / stretch
    cos, sin = tf.cos(angle), tf.sin(angle)
    a, b = cos * scale_x, -sin * scale_y
    d, e = sin * scale_x, cos * scale_y
    centre = (side - 1) / 2
    c = centre - a * centre - b * centre + chance.around(count, how.shift) * side
    f = centre - d * centre - e * centre + chance.around(count, how.shift) * side
    zero = tf.zeros_like(a)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pictures,
        transforms=tf.stack([a, b, c, d, e, f, zero, zero], axis=1),
        output_shape=tf.constant([side, side]),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )


def _erase(pictures: Any, how: Augmentation, chance: _Chance) -> Any:
    count, side = tf.shape(pictures)[0], pictures.shape[1]
    line = tf.range(side, dtype=tf.float32)[None, :] / side
    keep = []
    for _ in range(2):
        start = chance.uniform((count, 1), -0.1, 0.9)
        length = chance.uniform((count, 1), 0.08, 0.33)
        keep.append(tf.logical_or(line < start, line > start + length))
    outside = tf.logical_or(keep[0][:, :, None], keep[1][:, None, :])
    spared = chance.uniform((count, 1, 1)) >= how.erase
    return pictures * tf.cast(tf.logical_or(outside, spared), tf.float32)[..., None]


def _change_intensity(pictures: Any, how: Augmentation, chance: _Chance) -> Any:
    count = tf.shape(pictures)[0]

    def each(values: Any) -> Any:
        return values[:, None, None, None]

    x = tf.clip_by_value(pictures / 255.0, 0.0, 1.0)
    if how.remap:
        x = _remap(x, how, chance)
    if how.blur:
        x = _blur(x, how, chance)
    x = tf.pow(x + 1e-6, each(tf.exp(chance.around(count, how.gamma))))
    x = x * each(1 + chance.around(count, how.contrast)) + each(
        chance.around(count, how.brightness)
    )
    x += chance.normal(tf.shape(x)) * each(chance.uniform((count,), 0, how.noise))
    return tf.clip_by_value(x, 0.0, 1.0) * 255.0


def _remap(x: Any, how: Augmentation, chance: _Chance) -> Any:
    """Send grey values in [0, 1] through random cubic Bézier curves from black.

    As Models Genesis (Zhou et al., MICCAI 2019), but with the end left free, so that a curve
    may fall; over each picture's own range, for most heads are in the lower half of all; and
    with control points spread from 0 to 0.4 up to 1, or many pictures would lose their contrast.
    """
    count = tf.shape(x)[0]
    sample = tf.sort(tf.reshape(x[:, ::4, ::4], (count, -1)))  # a sixteenth will do
    white = tf.maximum(sample[:, tf.shape(sample)[1] * 99 // 100], _AIR)[:, None, None, None]
    points = chance.uniform((count, 3))
    lowest = tf.reduce_min(points, axis=1, keepdims=True)
    spread = tf.reduce_max(points, axis=1, keepdims=True) - lowest
    darkest = chance.uniform((count, 1), 0.0, 0.4)
    points = darkest + (1 - darkest) * tf.math.divide_no_nan(points - lowest, spread)
    first, second, last = (points[:, k, None, None, None] for k in range(3))
    t = tf.pow(tf.minimum(x / white, 1), chance.uniform((count, 1, 1, 1), 0.5, 1.0))
    curve = 3 * t * (1 - t) ** 2 * first + 3 * t**2 * (1 - t) * second + t**3 * last
    air = tf.minimum(x / _AIR, 1)  # stays dark, as steep as the curve may be
    return tf.where(chance.uniform((count, 1, 1, 1)) < how.remap, air * curve * white, x)


def _blur(x: Any, how: Augmentation, chance: _Chance) -> Any:
    """Blur pictures by Gaussians, as weighted sums of their rows and of their columns."""
    count, side = tf.shape(x)[0], x.shape[1]
    line = tf.range(side, dtype=tf.float32)
    sigma = chance.uniform((count, 1, 1), side / 384, side / 64)
    weights = tf.exp(-(((line[:, None] - line) / sigma) ** 2) / 2)
    weights /= tf.reduce_sum(weights, axis=-1, keepdims=True)
    blurred = weights @ x[..., 0] @ tf.transpose(weights, (0, 2, 1))
    return tf.where(chance.uniform((count, 1, 1, 1)) < how.blur, blurred[..., None], x)
