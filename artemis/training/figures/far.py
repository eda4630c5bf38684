"""Drawn pictures that are no brain MRI, scores to tell them by, and how well these do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from artemis.preprocess import model_input

_SIDE: Final = 256
_LETTERS: Final = "abcdefghijklmnoprstuvwyz     ABDEHMNRST,."
_TILES: Final = 4

Picture = NDArray[np.uint8]


def far_pictures(
    per_kind: int, side: int, heads: NDArray[np.uint8], seed: int = 0
) -> Mapping[str, NDArray[np.uint8]]:
    """Return drawn pictures of each kind as model inputs.

    Parameters
    ----------
    per_kind : int
        Pictures of each kind.
    side : int
        Edge of the model input.
    heads : ndarray, (n, h, w), uint8
        Brain slices for the two kinds made of them: inverted, and cut into tiles and shuffled.
        Without any, these two are left out.
    seed : int
        Of the drawing.

    Returns
    -------
    mapping of str to ndarray, (per_kind, side, side), uint8
        By kind.
    """
    random = np.random.default_rng(seed)
    drawn = {
        kind: np.stack([model_input(draw(random), side) for _ in range(per_kind)])
        for kind, draw in _KINDS.items()
    }
    if not len(heads):
        return drawn
    for kind, change in (("inverted", _inverted), ("shuffled", _shuffled)):
        chosen = heads[random.integers(0, len(heads), per_kind)]
        drawn[kind] = np.stack([model_input(change(random, head), side) for head in chosen])
    return drawn


def auroc(near: NDArray[np.floating[Any]], far: NDArray[np.floating[Any]]) -> float:
    """Return the probability that a far slice scores higher than a near one; ties count half.

    The area under the ROC curve (Hanley and McNeil, Radiology 1982); 0.5 is chance, 1 perfect.

    Parameters
    ----------
    near, far : ndarray, (n,) and (m,), float
        Out-of-distribution scores; at least one of each.
    """
    ordered = np.sort(near)
    below = np.searchsorted(ordered, far, side="left")
    upto = np.searchsorted(ordered, far, side="right")
    return float((below + upto).sum() / (2 * len(near) * len(far)))


def energy(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return minus the log of the summed exponentials, ``(n,)`` (Liu et al., NeurIPS 2020).

    Parameters
    ----------
    logits : ndarray, (n, 12), float32
        Before any temperature.
    """
    wide = logits.astype(np.float64)
    top = wide.max(axis=1)
    scores: NDArray[np.float64] = -(top + np.log(np.exp(wide - top[:, None]).sum(axis=1)))
    return scores


def nearest(
    features: NDArray[np.float32], known: NDArray[np.float32], k: int = 1
) -> NDArray[np.float64]:
    """Return the distance to the k-th nearest of the normalised features (Sun et al., ICML 2022).

    Parameters
    ----------
    features : ndarray, (n, f), float32
        Pooled features.
    known : ndarray, (m, f), float32
        Of training slices.
    k : int
        Neighbour, from 1.

    Returns
    -------
    ndarray, (n,), float64
        0 to 2.
    """
    one, other = (a / np.linalg.norm(a, axis=1, keepdims=True) for a in (features, known))
    squares = np.partition(2 - 2 * (one @ other.T), k - 1, axis=1)[:, k - 1]
    distances: NDArray[np.float64] = np.sqrt(squares.clip(min=0)).astype(np.float64)
    return distances


def _grey(values: NDArray[np.float64]) -> Picture:
    """Stretch values to 0 to 255; a constant becomes mid-grey."""
    low, high = float(values.min()), float(values.max())
    scaled = (values - low) / (high - low) * 255 if high > low else np.full(values.shape, 127.0)
    return np.rint(scaled).astype(np.uint8)


def _clipped(values: NDArray[np.float64]) -> Picture:
    picture: Picture = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    return picture


def _noise(random: np.random.Generator) -> Picture:
    grain = int(random.choice([1, 2, 4, 8]))
    coarse = random.integers(0, 256, (_SIDE // grain, _SIDE // grain), dtype=np.uint8)
    return np.kron(coarse, np.ones((grain, grain), dtype=np.uint8))


def _blank(random: np.random.Generator) -> Picture:
    level, spread = random.uniform(20, 235), random.uniform(0, 3)
    flat = random.normal(level, spread, (_SIDE, _SIDE))
    return _clipped(flat)


def _gradient(random: np.random.Generator) -> Picture:
    y, x = np.mgrid[-1 : 1 : _SIDE * 1j, -1 : 1 : _SIDE * 1j]
    angle = random.uniform(0, 2 * np.pi)
    ramp = x * np.cos(angle) + y * np.sin(angle)
    return _grey(ramp if random.random() < 0.5 else np.hypot(x - ramp[0, 0] / 2, y))


def _grid(random: np.random.Generator) -> Picture:
    y, x = np.indices((_SIDE, _SIDE)) // int(random.integers(4, 48))
    pattern = [(x + y) % 2, x % 2, y % 2][int(random.integers(3))]
    return _grey(pattern.astype(np.float64))


def _texture(random: np.random.Generator) -> Picture:
    """Draw noise with the falling spectrum of natural pictures (Field, J. Opt. Soc. Am. A 1987)."""
    y, x = np.fft.fftfreq(_SIDE)[:, None], np.fft.fftfreq(_SIDE)[None]
    fall = np.maximum(np.hypot(x, y), 1 / _SIDE) ** -random.uniform(0.8, 1.4)
    return _grey(np.fft.ifft2(np.fft.fft2(random.normal(size=(_SIDE, _SIDE))) * fall).real)


def _photograph(random: np.random.Generator) -> Picture:
    """Draw dead leaves: things in front of things, as in photographs (Lee et al., IJCV 2001)."""
    image = Image.new("L", (_SIDE, _SIDE), int(random.integers(256)))
    pen = ImageDraw.Draw(image)
    for radius in np.sort(_SIDE / 3 * random.uniform(0.1, 1, 150) ** 2)[::-1]:
        x, y = random.uniform(0, _SIDE, 2)
        box = (x - radius, y - radius * 0.8, x + radius, y + radius * 0.8)
        shape = pen.ellipse if random.random() < 0.6 else pen.rectangle
        shape(box, fill=int(random.integers(256)))
    grain = _texture(random).astype(np.float64) - 127
    return _clipped(np.asarray(image) + 0.2 * grain)


def _text(random: np.random.Generator) -> Picture:
    paper, ink = (245, 10) if random.random() < 0.7 else (5, 240)
    image = Image.new("L", (_SIDE, _SIDE), paper)
    pen, size = ImageDraw.Draw(image), int(random.integers(9, 22))
    font = ImageFont.load_default(size)
    for y in range(8, _SIDE - size, int(size * 1.4)):
        line = "".join(random.choice(list(_LETTERS), 60))
        pen.text((8, y), line, fill=ink, font=font)
    return np.asarray(image, dtype=np.uint8)


def _chest(random: np.random.Generator) -> Picture:
    """Draw a chest film in outline: bright body, two dark lungs, ribs across."""
    y, x = np.mgrid[-1 : 1 : _SIDE * 1j, -1 : 1 : _SIDE * 1j]
    body = np.full((_SIDE, _SIDE), 190.0)
    for centre in (-0.42, 0.42):
        lung = ((x - centre) / random.uniform(0.26, 0.36)) ** 2 + ((y + 0.05) / 0.72) ** 2 < 1
        body[lung] = random.uniform(30, 70)
    ribs = np.sin((y - 0.25 * np.abs(x)) * random.uniform(22, 32)) > 0.6
    return _clipped(body + 35 * ribs + random.normal(0, 6, body.shape))


def _limb(random: np.random.Generator) -> Picture:
    """Draw two bones end to end in soft tissue, as of a knee."""
    y, x = np.mgrid[-1 : 1 : _SIDE * 1j, -1 : 1 : _SIDE * 1j]
    width = random.uniform(0.45, 0.65)
    soft = np.abs(x + 0.05 * np.sin(3 * y)) < width
    bone = np.abs(x) < width * (0.42 + 0.3 * np.exp(-((np.abs(y) - 0.12) ** 2) / 0.05))
    gap = np.abs(y + 0.03 * np.cos(6 * x)) < random.uniform(0.03, 0.06)
    values = 70.0 * soft + random.uniform(60, 150) * (bone & ~gap)
    return _clipped(values + random.normal(0, 8, x.shape))


def _inverted(_: np.random.Generator, head: Picture) -> Picture:
    return 255 - head


def _shuffled(random: np.random.Generator, head: Picture) -> Picture:
    size = min(head.shape) // _TILES
    tiles = [
        head[r * size : (r + 1) * size, c * size : (c + 1) * size]
        for r in range(_TILES)
        for c in range(_TILES)
    ]
    order = random.permutation(len(tiles))
    rows = [[tiles[k] for k in order[r : r + _TILES]] for r in range(0, len(tiles), _TILES)]
    return np.block(rows)


_KINDS: Final[Mapping[str, Callable[[np.random.Generator], Picture]]] = {
    "noise": _noise,
    "blank": _blank,
    "gradient": _gradient,
    "grid": _grid,
    "texture": _texture,
    "photograph": _photograph,
    "text": _text,
    "chest": _chest,
    "limb": _limb,
}
