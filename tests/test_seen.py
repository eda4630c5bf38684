from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from artemis.labels import PROBABILITY_COLUMNS
from artemis.models.manifest import load_manifest
from artemis.models.registry import MODEL_NAMES, model_folder
from artemis.seen import LEVELS, SeenSlices, quantiles_of, seen_slices, shares_between


def test_quantiles_are_of_every_twentieth_from_least_to_most() -> None:
    quantiles = quantiles_of(np.arange(101.0))
    assert quantiles == [5.0 * step for step in range(21)]
    assert quantiles_of([1.23456])[0] == 1.2346


def test_shares_between_edges_are_those_of_the_values() -> None:
    values = np.random.default_rng(3).gamma(4, 0.5, 20_000)
    shares = shares_between(quantiles_of(values), np.quantile(values, [0.12, 0.31, 0.88]))
    assert shares == pytest.approx([0.19, 0.57], abs=0.01)


def test_what_lies_beyond_the_edges_is_in_no_share() -> None:
    assert shares_between(quantiles_of(np.arange(101.0)), [0, 50, 75]) == pytest.approx([0.5, 0.25])


def test_equal_quantiles_are_one_place_of_many() -> None:
    shares = shares_between([1.0] * 20 + [2.0], [0.5, 1.5, 2.5])
    assert shares == pytest.approx([0.975, 0.025])


def test_seen_slices_without_every_quantile_are_refused() -> None:
    with pytest.raises(ValidationError, match="at least 21 items"):
        SeenSlices(slices=3, ood_score=[1.0, 2.0])


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_a_shipped_model_says_how_far_its_training_slices_lie(name: str, tmp_path: Path) -> None:
    manifest = load_manifest(model_folder(tmp_path, name))
    seen = manifest.out_of_distribution.seen
    assert seen is not None
    assert seen.slices == manifest.training.images
    assert seen.ood_score == sorted(seen.ood_score)
    least, most = seen.ood_score[LEVELS.index(0.95)], seen.ood_score[-1]
    assert least < manifest.out_of_distribution.threshold < most  # what 3 % of unseen ones pass


def test_slices_that_nobody_else_answered_have_a_distance_and_no_confidence() -> None:
    answers = np.full((4, 12), 0.02, dtype=np.float32)
    answers[:, 3] = 0.78
    answers[1, 5] = 0.9
    answers[2] = np.nan
    table = pd.DataFrame(answers, columns=list(PROBABILITY_COLUMNS))
    found = seen_slices([1.0, 2.0, 3.0, 4.0], table)
    assert (found.slices, found.answered) == (4, 3)
    assert (found.ood_score[0], found.ood_score[10], found.ood_score[20]) == (1.0, 2.5, 4.0)
    assert found.confidence is not None
    assert (found.confidence[0], found.confidence[20]) == (0.78, 0.9)
    assert seen_slices([1.0], table[2:3]).confidence is None
