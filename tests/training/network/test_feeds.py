from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from artemis.labels import TUMORS
from artemis.training.labelled.dataset import TrainingSet
from artemis.training.network.feeds import ChangedPictures, Drawn, Samples, tumor_at_places
from tests.training.small import SIDE, samples_of, small, tiny

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


@pytest.mark.slow
def test_each_epoch_feeds_every_picture_once_and_depends_on_its_number_alone(
    boxed: Samples,
) -> None:
    rows = np.arange(0, 40)
    feed, again = (Drawn(tiny(), boxed, rows) for _ in range(2))
    feed.start(5)
    again.start(2)
    again.start(5)
    assert len(feed) == 5
    truths = np.concatenate([feed[step][1]["logits"] for step in range(5)])
    assert truths.sum(axis=0).tolist() == np.bincount(rows % 12, minlength=12).tolist()
    for step in range(5):
        assert np.array_equal(feed[step][0], again[step][0])
    feed.start(6)
    assert not np.array_equal(feed[0][0], again[0][0])


def batches(feed: ChangedPictures, epoch: int) -> list[tuple[np.ndarray, np.ndarray]]:
    feed.start(epoch)
    return [(x.numpy(), truth["logits"].numpy()) for x, truth, _ in feed.batches]


def test_order_and_changes_of_pictures_depend_on_the_epochs_number_alone(
    shapes: TrainingSet,
) -> None:
    rows = np.arange(0, 40)
    recipe = small(batch_size=8)
    feed, again = (ChangedPictures(recipe, samples_of(shapes), rows) for _ in range(2))
    expected = batches(feed, 5)
    batches(again, 2)
    received = batches(again, 5)
    assert len(feed) == len(expected) == len(received) == 5
    for (x, truth), (y, other) in zip(expected, received, strict=True):
        assert np.array_equal(x, y)
        assert np.array_equal(truth, other)
    truths = np.concatenate([truth for _, truth in expected])
    assert truths.sum(axis=0).tolist() == np.bincount(rows % 12, minlength=12).tolist()
    assert not np.array_equal(batches(feed, 6)[0][0], expected[0][0])


def test_picture_is_changed_anew_in_each_epoch(shapes: TrainingSet) -> None:
    feed = ChangedPictures(small(), samples_of(shapes), np.arange(1))
    (first, _), (second, _) = batches(feed, 0)[0], batches(feed, 1)[0]
    assert first.shape == second.shape == (1, SIDE, SIDE, 1)
    assert not np.allclose(first, second)
