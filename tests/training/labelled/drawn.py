"""A picture that the tests of labels draw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def picture(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((80, 80), np.uint8)
    pixels[10:70, 10:70] = np.random.default_rng(seed).integers(60, 250, (60, 60))
    Image.fromarray(pixels).save(path)
