from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    precision_score,
    recall_score,
)

from artemis.labels import CATEGORY_NAMES
from artemis.models.figures import plane_confusion, tumor_confusion
from artemis.training.figures.evaluate import (
    BINS,
    evaluate,
    macro_f1,
)


@pytest.fixture(scope="module")
def predictions() -> tuple[np.ndarray, np.ndarray, list[str], list[str]]:
    random = np.random.default_rng(2)
    categories = random.integers(0, 11, 600)  # one category never occurs
    logits = random.normal(size=(600, 12)) + 2.5 * np.eye(12)[categories]
    p = np.exp(logits)
    p = (p / p.sum(axis=1, keepdims=True)).astype(np.float32)
    groups = [str(k // 6) for k in range(600)]
    return p, categories, groups, ["a" if k % 3 else "b" for k in range(600)]


def test_figures_are_those_of_scikit_learn(predictions) -> None:
    p, truth, groups, sources = predictions
    found, predicted = evaluate(p, truth, groups, sources, "test"), p.argmax(axis=1)
    labels = sorted(set(truth.tolist()))
    metrics = {name: figure.value for name, figure in found.metrics.items()}
    assert metrics["accuracy"] == pytest.approx(accuracy_score(truth, predicted))
    assert metrics["macro_f1"] == pytest.approx(
        f1_score(truth, predicted, average="macro", labels=labels)
    )
    assert metrics["tumor_accuracy"] == pytest.approx((truth // 3 == predicted // 3).mean())
    assert metrics["plane_accuracy"] == pytest.approx((truth % 3 == predicted % 3).mean())
    assert metrics["brier"] == pytest.approx(
        ((p - np.eye(12)[truth]) ** 2).sum(axis=1).mean(), rel=1e-5
    )
    assert found.confusion == confusion_matrix(truth, predicted, labels=range(12)).tolist()
    precision = precision_score(truth, predicted, labels=range(12), average=None, zero_division=0)
    claimed = [k for k in range(12) if (predicted == k).any()]
    assert [found.per_category[CATEGORY_NAMES[k]].precision.value for k in claimed] == (
        pytest.approx(precision[claimed])
    )
    assert found.per_category[CATEGORY_NAMES[11]].recall is None
    recall = recall_score(truth // 3, predicted // 3, labels=range(4), average=None)
    assert [figure.recall.value for figure in found.per_tumor.values()] == pytest.approx(recall)


def test_calibration_error_is_that_of_the_definition(predictions) -> None:
    p, truth, groups, sources = predictions
    found = evaluate(p, truth, groups, sources, "test")
    confidence, hit = p.max(axis=1).astype(float), p.argmax(axis=1) == truth
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    expected = sum(
        abs(confidence[bins == k].sum() - hit[bins == k].sum()) / len(truth) for k in range(BINS)
    )
    assert found.metrics["ece"].value == pytest.approx(expected)
    assert sum(row["images"] for row in found.reliability) == 600


def test_intervals_hold_the_value_and_widen_with_fewer_groups(predictions) -> None:
    p, truth, groups, sources = predictions
    fine = evaluate(p, truth, groups, sources, "test").metrics["accuracy"]
    coarse_groups = [
        str(np.argsort(p.argmax(axis=1) == truth).tolist().index(k) // 100) for k in range(600)
    ]
    coarse = evaluate(p, truth, coarse_groups, sources, "test").metrics["accuracy"]
    assert fine.low < fine.value < fine.high
    assert coarse.value == pytest.approx(fine.value)
    assert coarse.high - coarse.low > 2 * (fine.high - fine.low)


def test_sources_are_counted_apart(predictions) -> None:
    p, truth, groups, sources = predictions
    found = evaluate(p, truth, groups, sources, "test")
    of = np.array(sources) == "b"
    assert found.per_source["b"].images == 200
    assert found.per_source["b"].accuracy.value == pytest.approx(
        (p.argmax(axis=1) == truth)[of].mean()
    )
    assert found.per_source["b"].tumor_macro_f1.value == pytest.approx(
        f1_score(truth[of] // 3, p.argmax(axis=1)[of] // 3, average="macro")
    )


def test_confusions_of_tumours_and_planes_are_those_of_the_twelve(predictions) -> None:
    p, truth, groups, sources = predictions
    confusion = np.asarray(evaluate(p, truth, groups, sources, "test").confusion)
    predicted = p.argmax(axis=1)
    assert tumor_confusion(confusion).tolist() == (
        confusion_matrix(truth // 3, predicted // 3, labels=range(4)).tolist()
    )
    assert plane_confusion(confusion).tolist() == (
        confusion_matrix(truth % 3, predicted % 3, labels=range(3)).tolist()
    )


def test_macro_f1_leaves_out_categories_that_do_not_occur(predictions) -> None:
    p, truth, *_ = predictions
    predicted = p.argmax(axis=1)
    assert macro_f1(predicted, truth) == pytest.approx(
        f1_score(truth, predicted, average="macro", labels=sorted(set(truth.tolist())))
    )


def test_figures_by_plane_are_those_of_its_slices(predictions) -> None:
    p, truth, groups, sources = predictions
    found = evaluate(p, truth, groups, sources, "test").per_plane
    assert list(found) == ["coronal", "sagittal", "transverse"]
    of, predicted = truth % 3 == 1, p.argmax(axis=1)
    figures = found["sagittal"]
    assert figures.images == of.sum()
    assert figures.accuracy.value == pytest.approx((predicted == truth)[of].mean())
    assert figures.tumor_accuracy.value == pytest.approx((predicted // 3 == truth // 3)[of].mean())
    assert figures.plane_accuracy.value == pytest.approx((predicted % 3 == 1)[of].mean())
    assert figures.accuracy.low <= figures.accuracy.value <= figures.accuracy.high


def test_both_reliabilities_give_their_calibration_errors(predictions) -> None:
    p, truth, groups, sources = predictions
    found = evaluate(p, truth, groups, sources, "test")
    for bins, name in (
        (found.reliability, "ece"),
        (found.reliability_equal_mass, "ece_equal_mass"),
    ):
        gaps = [one["images"] * abs(one["confidence"] - one["accuracy"]) for one in bins]
        assert sum(gaps) / 600 == pytest.approx(found.metrics[name].value)


def test_mistakes_are_recorded_where_slices_have_names(predictions) -> None:
    p, truth, groups, sources = predictions
    assert evaluate(p, truth, groups, sources, "test").mistakes == []
    ids = [f"s{k}" for k in range(600)]
    found = evaluate(p, truth, groups, sources, "test", slice_ids=ids).mistakes
    wrong = p.argmax(axis=1) != truth
    assert found[0].confidence == pytest.approx(p.max(axis=1)[wrong].max())
    assert all(wrong[ids.index(one.slice_id)] for one in found)
