from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from artemis.answers.overlay import blend, colours, evidence_layer, overlay_jpeg
from artemis.models.evidence_map import normalised, on_picture
from artemis.preprocess import SquareBox

# Ten evenly spaced entries of the published table.
TABLE = "440154 482878 3e4989 31688e 26828e 1f9e89 35b779 6ece58 b5de2b fde725"


def test_colours_are_those_of_the_published_table() -> None:
    expected = np.array([[int(c[k : k + 2], 16) for k in (0, 2, 4)] for c in TABLE.split(" ")])
    drawn = colours(np.linspace(0, 1, 10, dtype=np.float32)).astype(int)
    assert np.abs(drawn - expected).max() <= 6


def test_lightness_rises_all_the_way() -> None:
    luma = colours(np.linspace(0, 1, 64, dtype=np.float32)) @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(luma) > 0).all()


def test_values_beyond_the_scale_take_the_colour_of_its_end() -> None:
    ends = colours(np.array([-1, 0, 1, 2], dtype=np.float32))
    assert (ends[0] == ends[1]).all()
    assert (ends[2] == ends[3]).all()


def test_where_there_is_no_evidence_the_picture_stays_grey() -> None:
    picture = np.arange(256, dtype=np.uint8).reshape(16, 16)
    heat = np.zeros((16, 16), dtype=np.float32)
    heat[0, 0] = 1
    drawn = blend(picture, heat)
    assert (drawn[1:] == picture[1:, :, None]).all()
    assert drawn[0, 0].tolist() == pytest.approx([151, 139, 20], abs=4)  # 60 % yellow on black


def test_overlay_has_the_size_of_the_picture_and_its_heat_in_the_square() -> None:
    picture = Image.fromarray(np.full((50, 80), 90, dtype=np.uint8))
    evidence = np.zeros((4, 4), dtype=np.float32)
    evidence[:, 3] = 5  # the right edge of the square, which is the right half of the slice
    file = overlay_jpeg(picture, 0.5, SquareBox(left=80, top=0, side=80), evidence)
    drawn = np.asarray(Image.open(io.BytesIO(file))).astype(int)
    assert drawn.shape == (50, 80, 3)
    saturation = drawn.max(axis=2) - drawn.min(axis=2)
    assert saturation[:, :40].max() < 12
    assert saturation[5:35, 74:].min() > 40


def test_the_layer_laid_over_a_picture_looks_as_the_overlay_does() -> None:
    evidence = np.zeros((12, 12), dtype=np.float32)
    evidence[3:6, 4:9] = np.linspace(1, 5, 15, dtype=np.float32).reshape(3, 5)
    grey = np.full((192, 192), 80, dtype=np.uint8)
    layer = Image.open(io.BytesIO(evidence_layer(evidence)))
    assert (layer.size, layer.format) == ((48, 48), "PNG")
    stretched = layer.convert("RGBA").resize((192, 192), Image.Resampling.BILINEAR)
    laid = Image.alpha_composite(Image.fromarray(grey).convert("RGBA"), stretched)
    drawn = blend(grey, on_picture(normalised(evidence), grey.shape, SquareBox(0, 0, 192)))
    difference = np.abs(np.asarray(laid)[..., :3].astype(int) - drawn)
    assert difference.mean() < 1.5
    assert np.percentile(difference, 99) <= 16
    assert (np.asarray(laid)[:40, :, :3] == 80).all()  # clear where there is none
