from __future__ import annotations

import numpy as np

from artemis.labels import CATEGORY_NAMES, TUMORS
from artemis.models.conformal import members, prediction_sets

HALF = dict.fromkeys(TUMORS, 0.5)


def probabilities(**by_category: float) -> np.ndarray:
    """One slice; what is left of the probability is spread over the other categories."""
    rest = (1 - sum(by_category.values())) / (12 - len(by_category))
    return np.array([[by_category.get(name, rest) for name in CATEGORY_NAMES]], dtype=np.float32)


def test_set_holds_the_categories_within_the_threshold_most_probable_first() -> None:
    p = probabilities(none_coronal=0.3, glioma_coronal=0.45, meningioma_sagittal=0.2)
    sets = prediction_sets(p, dict.fromkeys(TUMORS, 0.75))
    assert sets == [["glioma_coronal", "none_coronal"]]


def test_no_set_is_empty() -> None:
    flat = np.full((2, 12), 1 / 12, dtype=np.float32)
    flat[1, 7] = 0.2
    assert [len(one) for one in prediction_sets(flat, HALF)] == [1, 1]
    assert prediction_sets(flat, HALF)[1] == [CATEGORY_NAMES[7]]


def test_probability_at_the_threshold_is_in_the_set() -> None:
    p = probabilities(glioma_coronal=0.5, glioma_sagittal=0.5)
    assert members(p, HALF).sum() == 2


def test_threshold_is_that_of_the_tumour_type() -> None:
    p = probabilities(glioma_coronal=0.4, none_coronal=0.4, pituitary_coronal=0.1)
    sets = prediction_sets(p, HALF | {"none": 0.7})
    assert sets == [["glioma_coronal", "none_coronal"]]
    assert prediction_sets(p, HALF | {"pituitary": 0.95}) == [
        ["glioma_coronal", "pituitary_coronal"]
    ]


def test_no_slice_has_no_set() -> None:
    assert prediction_sets(np.empty((0, 12), dtype=np.float32), HALF) == []
