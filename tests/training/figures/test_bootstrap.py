from __future__ import annotations

import numpy as np
import pytest

from artemis.labels import TUMORS
from artemis.models.manifest import Interval
from artemis.training.figures.bootstrap import grouped_mean, recall_key, resample
from artemis.training.figures.evaluate import evaluate, resampled_groups

SOURCES = ["drawn"] * 600
Predictions = tuple[np.ndarray, list[str], np.ndarray, np.ndarray]


def paired_differences(
    categories: np.ndarray,
    groups: list[str],
    first: np.ndarray,
    second: np.ndarray,
    resamples: int,
    seed: int,
) -> dict[str, Interval]:
    a, b = (
        resample(categories, groups, p, resamples=resamples, seed=seed) for p in (first, second)
    )
    return a.minus(b)


@pytest.fixture(scope="module")
def predictions() -> Predictions:
    random = np.random.default_rng(4)
    categories = np.arange(600) % 12
    groups = [f"g{k // 8}" for k in range(600)]
    drawn = []
    for skill in (3.0, 2.0):
        logits = random.normal(size=(600, 12)) + skill * np.eye(12)[categories]
        p = np.exp(logits)
        drawn.append((p / p.sum(axis=1, keepdims=True)).astype(np.float32))
    return categories, groups, drawn[0], drawn[1]


def test_differences_are_those_of_the_evaluation(predictions: Predictions) -> None:
    categories, groups, first, second = predictions
    found = paired_differences(categories, groups, first, second, resamples=200, seed=1)
    a, b = (evaluate(p, categories, groups, SOURCES, "").metrics for p in (first, second))
    for name in ("accuracy", "macro_f1", "ece"):
        assert found[name].value == pytest.approx(a[name].value - b[name].value, abs=1e-12)
    for k, tumor in enumerate(TUMORS):
        of = categories // 3 == k
        recalls = [(p.argmax(axis=1)[of] // 3 == k).mean() for p in (first, second)]
        assert found[recall_key(tumor)].value == pytest.approx(recalls[0] - recalls[1])


def test_pairing_narrows_the_interval(predictions: Predictions) -> None:
    categories, groups, first, _ = predictions
    almost = first.copy()
    almost[:3] = almost[:3, ::-1]
    paired = paired_differences(categories, groups, first, almost, resamples=300, seed=1)
    alone = evaluate(first, categories, groups, SOURCES, "").metrics["macro_f1"]
    width = paired["macro_f1"].high - paired["macro_f1"].low
    assert width < (alone.high - alone.low) / 2


def test_equal_models_differ_by_nothing_in_every_draw(predictions: Predictions) -> None:
    categories, groups, first, _ = predictions
    found = paired_differences(categories, groups, first, first, resamples=300, seed=1)
    assert {(f.value, f.low, f.high) for f in found.values()} == {(0.0, 0.0, 0.0)}


def test_copies_within_a_group_do_not_narrow_the_interval(predictions: Predictions) -> None:
    categories, groups, first, second = predictions
    once = paired_differences(categories, groups, first, second, resamples=300, seed=1)
    often = paired_differences(
        np.tile(categories, 9),
        groups * 9,
        np.tile(first, (9, 1)),
        np.tile(second, (9, 1)),
        resamples=300,
        seed=1,
    )
    assert often["macro_f1"].model_dump() == pytest.approx(once["macro_f1"].model_dump(), abs=1e-9)


def test_order_of_the_slices_does_not_matter(predictions: Predictions) -> None:
    categories, groups, first, second = predictions
    order = np.random.default_rng(0).permutation(600)
    shuffled = [groups[k] for k in order]
    one = paired_differences(categories, groups, first, second, resamples=300, seed=7)
    two = paired_differences(
        categories[order], shuffled, first[order], second[order], resamples=300, seed=7
    )
    for name, figure in one.items():
        assert two[name].model_dump() == pytest.approx(figure.model_dump(), abs=1e-9)


def test_tumour_that_does_not_occur_has_no_recall(predictions: Predictions) -> None:
    categories, groups, first, second = predictions
    found = paired_differences(
        np.minimum(categories, 8), groups, first, second, resamples=200, seed=1
    )
    assert recall_key("none") not in found
    assert recall_key("pituitary") in found


def test_intervals_of_one_model_are_those_of_the_evaluation(predictions: Predictions) -> None:
    categories, groups, first, _ = predictions
    found = resample(categories, groups, first, resamples=2000, seed=3).intervals
    evaluation = evaluate(first, categories, groups, SOURCES, "", seed=3)
    for name in ("accuracy", "macro_f1", "ece"):
        assert found[name].model_dump() == pytest.approx(evaluation.metrics[name].model_dump())
    for tumor in TUMORS:
        recall = evaluation.per_tumor[tumor].recall
        assert recall is not None
        assert found[recall_key(tumor)].model_dump() == pytest.approx(recall.model_dump())


def test_draws_without_a_tumour_type_are_left_out_of_its_interval() -> None:
    categories = np.array([0, 0, 0, 0, *[9] * 36])  # all gliomas are of one patient in ten
    groups = [f"g{k // 4}" for k in range(40)]
    p = np.full((40, 12), 0.02, dtype=np.float32)
    p[np.arange(40), categories] = 0.78
    p[0] = np.roll(p[0], 3)  # one of the gliomas is taken for a meningioma
    found = resample(categories, groups, p, resamples=300, seed=0)
    assert np.isnan(found.draws["recall_glioma"]).any()
    recall = found.intervals["recall_glioma"]
    assert (recall.value, recall.low, recall.high) == (0.75, 0.75, 0.75)
    of_the_evaluation = evaluate(p, categories, groups, SOURCES[:40], "").per_tumor["glioma"].recall
    assert of_the_evaluation is not None
    assert (of_the_evaluation.low, of_the_evaluation.high) == (0.75, 0.75)


def test_mean_has_the_percentiles_of_the_means_over_drawn_groups() -> None:
    random = np.random.default_rng(6)
    codes, draws = resampled_groups([f"g{k % 7 % 5}" for k in range(60)], 3, 200)
    values = random.normal(size=60) + codes
    rows = [np.flatnonzero(codes == k) for k in range(5)]
    means = [
        np.concatenate([values[rows[k]] for k in range(5) for _ in range(drawn[k])]).mean()
        for drawn in draws
    ]
    found = grouped_mean(values, codes, draws)
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(means, (2.5, 97.5))))
