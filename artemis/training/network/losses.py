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


def named_places(shares: Any, places: Any) -> Any:
    """Return the cross-entropy of the tumour type at each place, summed over the places.

    A box says more than a label: inside it is this tumour, and what is outside shows none,
    in the same picture and so from the same source. A network that is told both cannot take
    the look of a source for a tumour.

    Parameters
    ----------
    shares : tensor, (n, places, 4), float32 in [0, 1]
        Weight of each tumour type at each place; a picture's sum to 1, or to 0 where it is
        not known which places show the tumour.
    places : tensor, (n, places, 4), float32
        Logits.

    Returns
    -------
    tensor, (n,), float32
        In nats.
    """
    return -keras.ops.sum(shares * keras.ops.log_softmax(places, axis=-1), axis=(1, 2))
