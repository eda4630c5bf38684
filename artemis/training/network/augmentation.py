"""How far training pictures are changed at random. Plain values: imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far pictures are changed, each drawn uniformly within plus or minus the value.

    Attributes
    ----------
    rotation : float
        Degrees.
    zoom, stretch, shift : float
        Share of the picture; `stretch` is of one axis against the other.
    flip : float
        Probability of a left-right mirror image.
    gamma : float
        Natural logarithm of the exponent of grey values.
    contrast, brightness : float
        Factor around 1, and share of the grey range.
    noise : float
        Largest standard deviation of Gaussian noise, share of the grey range.
    erase : float
        Probability that a rectangle of up to a third of each edge is blanked.
    remap : float
        Probability that grey values are sent through a random curve from black, which may
        fall, as the contrast of another sequence does.
    blur : float
        Probability of a Gaussian blur, its standard deviation 1/384 to 1/64 of the edge.
    """

    rotation: float = 15.0
    zoom: float = 0.15
    stretch: float = 0.08
    shift: float = 0.07
    flip: float = 0.5
    gamma: float = 0.35
    contrast: float = 0.2
    brightness: float = 0.08
    noise: float = 0.04
    erase: float = 0.25
    remap: float = 0.0
    blur: float = 0.0
