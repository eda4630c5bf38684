from __future__ import annotations

import numpy as np
import pytest

from artemis.training.figures.control_patch import control_boxes


def head(left: int = 8, right: int = 56) -> np.ndarray:
    """A head, bright from 8 to 56 of 64 px unless told otherwise."""
    picture = np.zeros((64, 64), dtype=np.uint8)
    picture[8:56, left:right] = 120
    return picture


def control(picture: np.ndarray, *box: float) -> np.ndarray:
    return control_boxes(picture[None], np.array([box], dtype=np.float32))[0]


def test_tumour_on_one_side_is_controlled_by_the_other_side() -> None:
    found = control(head(), 0.2, 0.3, 0.35, 0.45)
    assert found == pytest.approx([0.65, 0.3, 0.8, 0.45], abs=1e-6)


def test_tumour_in_the_middle_is_controlled_close_to_it_and_not_in_it() -> None:
    box = (0.4, 0.4, 0.6, 0.6)
    x0, y0, x1, y1 = control(head(), *box)
    assert (x1 - x0, y1 - y0) == pytest.approx((0.2, 0.2), abs=1e-6)
    apart = x0 >= 0.6 or x1 <= 0.4 or y0 >= 0.6 or y1 <= 0.4
    assert apart
    assert np.hypot(x0 - 0.4, y0 - 0.4) < 0.2 + 2 / 32


def test_control_lies_in_the_head_where_its_mirror_image_does_not() -> None:
    x0, _, x1, _ = control(head(right=40), 0.15, 0.3, 0.3, 0.45)
    assert x0 >= 0.3
    assert x1 <= 40 / 64 + 0.1 * 0.15 + 1 / 64


def test_tumour_that_leaves_no_room_has_no_control() -> None:
    assert np.isnan(control(head(), 0.1, 0.1, 0.9, 0.9)).all()


def test_picture_without_a_head_has_no_control() -> None:
    black = np.zeros((64, 64), dtype=np.uint8)
    assert np.isnan(control(black, 0.2, 0.3, 0.35, 0.45)).all()
