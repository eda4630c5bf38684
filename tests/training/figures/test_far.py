from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from artemis.training.figures.far import auroc, energy, far_pictures, nearest

KINDS = [
    *("noise", "blank", "gradient", "grid", "texture", "photograph", "text", "chest", "limb"),
    *("inverted", "shuffled"),
]


@pytest.fixture(scope="module")
def heads() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (3, 100, 90), dtype=np.uint8)


def test_every_kind_is_drawn_as_model_inputs(heads) -> None:
    drawn = far_pictures(2, 64, heads)
    assert list(drawn) == KINDS
    assert {(p.shape, p.dtype.name) for p in drawn.values()} == {((2, 64, 64), "uint8")}


def test_same_seed_draws_the_same_and_another_something_else(heads) -> None:
    one, again, other = (far_pictures(1, 64, heads, seed) for seed in (0, 0, 1))
    assert all((one[kind] == again[kind]).all() for kind in KINDS)
    assert all((one[kind] != other[kind]).any() for kind in KINDS)


def test_without_heads_what_is_made_of_them_is_left_out() -> None:
    assert list(far_pictures(1, 64, np.empty((0, 64, 64), dtype=np.uint8))) == KINDS[:-2]


def test_area_under_the_curve_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(2)
    near, far = random.integers(0, 9, 70), random.integers(3, 12, 40)  # with ties
    expected = roc_auc_score([0] * 70 + [1] * 40, np.concatenate([near, far]))
    assert auroc(near, far) == pytest.approx(expected)


def test_energy_is_minus_the_log_of_the_summed_exponentials() -> None:
    logits = np.array([[0.0] * 12, [1000.0] + [0.0] * 11], dtype=np.float32)
    assert energy(logits) == pytest.approx([-np.log(12), -1000])


def test_nearest_neighbour_is_by_direction() -> None:
    known = np.array([[1, 0], [0, 2]], dtype=np.float32)
    features = np.array([[5, 0], [3, 3], [-1, 0]], dtype=np.float32)
    close = np.sqrt(2 - np.sqrt(2))
    assert nearest(features, known) == pytest.approx([0, close, np.sqrt(2)], abs=1e-3)
    assert nearest(features, known, 2) == pytest.approx([np.sqrt(2), close, 2], abs=1e-3)
