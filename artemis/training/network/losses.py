"""Losses of the networks' outputs, in Keras."""

from __future__ import annotations

from typing import Any, Final

import keras

_FLOOR: Final = 1e-4  # attention wholly outside the box costs 9.2 nats, not infinity


def inside_box(areas: Any, attention: Any) -> Any:
    """Return minus the logarithm of the attention's share inside the tumour box.

    Parameters
    ----------
    areas : tensor, (n, places), float32 in [0, 1]
        Share of each place that the box covers; a place half covered counts whole.
    attention : tensor, (n, places), float32
        Sums to 1 over the places.

    Returns
    -------
    tensor, (n,), float32
        In nats; 0 if all attention is inside.
    """
    covered = keras.ops.minimum(2.0 * areas, 1.0)
    return -keras.ops.log(keras.ops.sum(covered * attention, axis=1) + _FLOOR)
