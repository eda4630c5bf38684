from __future__ import annotations

import numpy as np
import pytest

from artemis.training.figures.refusals import FALSE_REFUSALS, distance_limit, false_refusals


def test_limit_leaves_the_aimed_share_of_the_slices_it_is_set_on_beyond_it() -> None:
    scores = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    assert (scores > distance_limit(scores)).mean() == pytest.approx(FALSE_REFUSALS, abs=0.001)


def test_share_is_counted_where_the_limit_was_not_set() -> None:
    """Five parts of two patients each; all that is far is of one patient."""
    groups = [f"g{k}" for k in np.repeat(np.arange(10), 10)]
    parts = np.repeat(np.arange(5), 20)
    scores = np.tile(np.linspace(0, 1, 10, dtype=np.float32), 10)
    scores[:10] = 9.0
    found = false_refusals(scores, parts, groups)
    assert found is not None
    # The limit of the other parts is 1; set on all slices, it would be 9 and refuse nothing.
    assert distance_limit(scores) == 9.0
    assert found.value == pytest.approx(0.1)
    assert found.low == 0
    assert 0.2 <= found.high <= 0.4


def test_like_slices_are_refused_about_as_often_as_aimed_at() -> None:
    scores = np.random.default_rng(1).normal(size=2000).astype(np.float32)
    groups = [f"g{k // 5}" for k in range(2000)]
    found = false_refusals(scores, np.arange(2000) // 5 % 5, groups)
    assert found is not None
    assert found.value == pytest.approx(FALSE_REFUSALS, abs=0.01)
    assert found.low < FALSE_REFUSALS < found.high


def test_one_part_leaves_nothing_to_count_on() -> None:
    assert false_refusals(np.ones(4, np.float32), np.zeros(4, np.int64), ["a"] * 4) is None
