from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from artemis.training.network.losses import inside_box, named_places


def test_attention_inside_the_box_costs_nothing_and_outside_nine_nats() -> None:
    areas = np.array([[1, 0.5, 0.0]] * 2, dtype=np.float32)
    attention = np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]], dtype=np.float32)
    losses = np.asarray(inside_box(areas, attention))
    assert losses == pytest.approx([0, 9.21], abs=0.01)


def test_named_places_are_judged_by_the_weight_of_each_place() -> None:
    shares = np.zeros((2, 3, 4), dtype=np.float32)
    shares[0, 0, 1] = 0.75
    shares[0, 2, 3] = 0.25
    places = np.zeros((2, 3, 4), dtype=np.float32)
    places[0, 0, 1] = 50.0
    losses = np.asarray(named_places(shares, places))
    assert losses == pytest.approx([0.25 * np.log(4), 0], abs=1e-4)
