from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from artemis.datasets.disagreement import adjusted, given_predictions, out_of_fold
from artemis.errors import MissingExtraError, TrainingDataError
from artemis.labels import PROBABILITY_COLUMNS


def clusters(per_type: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of four well separated types, in groups of two."""
    random = np.random.default_rng(5)
    labels = np.repeat(np.arange(4), per_type)
    features = 4 * np.eye(4, 12, dtype=np.float32)[labels] + random.normal(size=(len(labels), 12))
    return features.astype(np.float32), labels, np.arange(len(labels)) // 2


def test_flipped_labels_stand_first() -> None:
    features, labels, groups = clusters()
    wrong = np.array([3, 50, 90, 130])
    labels = labels.copy()
    labels[wrong] = (labels[wrong] + 1) % 4
    probabilities = out_of_fold(features, labels, groups)
    assert probabilities is not None
    free = adjusted(probabilities, labels)
    doubt = 1 - free[np.arange(len(labels)), labels]
    assert set(np.argsort(-doubt)[:4]) == set(wrong)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_no_picture_is_predicted_by_a_classifier_that_saw_its_group() -> None:
    # Features that name the group and nothing else: known groups would be told without fail.
    groups = np.repeat(np.arange(60), 4)
    labels = np.random.default_rng(1).integers(0, 2, 60)[groups]
    features = np.eye(60, dtype=np.float32)[groups] * 10
    probabilities = out_of_fold(features, labels, groups)
    assert probabilities is not None
    assert (probabilities.argmax(axis=1) == labels).mean() < 0.75


def test_predictions_do_not_hang_on_how_many_cores_there_are() -> None:
    random = np.random.default_rng(3)
    labels, groups = np.arange(1200) % 4, np.arange(1200)
    features = (random.normal(size=(1200, 600)) + np.eye(4, 600)[labels]).astype(np.float32)
    answers = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            answers.append(out_of_fold(features, labels, groups))
    np.testing.assert_array_equal(*answers)


@pytest.mark.parametrize(
    ("labels", "groups"),
    [([0, 0, 0, 0], [0, 1, 2, 3]), ([0, 0, 1, 1], [0, 1, 2, 2]), ([0, 1], [0, 0])],
)
def test_too_few_types_or_groups_give_no_prediction(labels: list[int], groups: list[int]) -> None:
    features = np.zeros((len(labels), 3), dtype=np.float32)
    assert out_of_fold(features, np.array(labels), np.array(groups)) is None


def test_a_type_of_which_predictions_are_never_sure_does_not_fill_the_list() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1])
    probabilities = np.array([[0.55, 0.45]] * 3 + [[0.05, 0.95]] * 2 + [[0.5, 0.5]])
    free = adjusted(probabilities, labels)
    assert free[0, 0] > 0.5  # as sure as it ever is of type 0
    assert free[5, 1] < free[0, 0]


@settings(deadline=None)
@given(st.integers(1, 30), st.integers(0, 2**31))
def test_adjusted_probabilities_stay_probabilities(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(4), size=count)
    free = adjusted(probabilities, random.integers(0, 4, count))
    np.testing.assert_allclose(free.sum(axis=1), 1, atol=1e-9)
    assert free.min() >= 0


def test_given_predictions_are_taken_by_slice_and_summed() -> None:
    row = {"slice_id": "a", **dict.fromkeys(PROBABILITY_COLUMNS, 0.0)}
    row |= {"p_glioma_coronal": 0.25, "p_glioma_sagittal": 0.25, "p_none_sagittal": 0.5}
    tumors, planes = given_predictions(pd.DataFrame([row, row]), ["b", "a"])
    assert np.isnan(tumors[0]).all()
    assert tumors[1].tolist() == [0.5, 0, 0, 0.5]
    assert planes[1].tolist() == [0.25, 0.75, 0]


def test_given_predictions_of_another_set_are_refused() -> None:
    row = {"slice_id": "a", **dict.fromkeys(PROBABILITY_COLUMNS, 0.0)}
    with pytest.raises(TrainingDataError, match="predictions of 1 other pictures"):
        given_predictions(pd.DataFrame([row]), ["b"])
    with pytest.raises(TrainingDataError, match="without slice_id, p_glioma_coronal"):
        given_predictions(pd.DataFrame({"path": ["a"]}), ["b"])


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"scikit-learn.*artemis-mri\[train\]"):
        out_of_fold(*clusters(4))
