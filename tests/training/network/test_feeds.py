from __future__ import annotations

import numpy as np
import pytest

from artemis.labels import TUMORS
from artemis.training.network.feeds import tumor_at_places

GLIOMA, NONE = TUMORS.index("glioma"), TUMORS.index("none")
BOXED = np.array([[1.0, 0.6, 0.4, 0.0, 0.0]], dtype=np.float32)
UNBOXED = np.zeros((1, 5), dtype=np.float32)


def test_places_in_the_box_name_its_tumour_and_those_wholly_outside_none() -> None:
    shares = tumor_at_places(BOXED, np.array([GLIOMA]))
    assert shares[0, :, GLIOMA].tolist() == [0.25, 0.25, 0, 0, 0]
    assert shares[0, :, NONE].tolist() == [0, 0, 0, 0.25, 0.25]
    assert shares.sum() == pytest.approx(1)


def test_place_at_the_edge_of_the_box_names_nothing() -> None:
    assert not tumor_at_places(BOXED, np.array([GLIOMA]))[0, 2].any()


def test_picture_without_a_tumour_is_none_all_over() -> None:
    shares = tumor_at_places(UNBOXED, np.array([NONE]))
    assert shares[0, :, NONE] == pytest.approx(np.full(5, 0.2))
    assert shares.sum() == pytest.approx(1)


def test_tumour_without_a_box_is_named_nowhere() -> None:
    assert not tumor_at_places(UNBOXED, np.array([GLIOMA])).any()
