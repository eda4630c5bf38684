from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from artemis.answers.review import sureness
from artemis.errors import TrainingDataError
from artemis.training.figures.confidence import surest
from artemis.training.figures.together import together_figures
from tests.training.drawn import softmax

Drawn = tuple[dict[str, pd.DataFrame], dict[str, np.ndarray]]


@pytest.fixture
def two() -> Drawn:
    """Two models that err on different slices, the second one's in another order."""
    random = np.random.default_rng(6)
    categories = random.integers(0, 12, 600)
    seen = [3 * np.eye(12)[categories] + random.normal(size=(600, 12)) for _ in range(2)]
    table = pd.DataFrame(
        {
            "slice_id": [f"{k:03}" for k in range(600)],
            "category": categories,
            "group": [str(k // 6) for k in range(600)],
        }
    )
    order = random.permutation(600)
    return (
        {"one": table, "other": table.iloc[order]},
        {"one": softmax(3 * seen[0]), "other": softmax(3 * seen[1])[order]},
    )


def test_two_models_together_set_aside_more_of_what_one_gets_wrong(two: Drawn) -> None:
    tables, p = two
    figures = together_figures(tables, p, 0.3)["one"]
    found = figures["accuracy_surest_80_together"]
    hits = p["one"].argmax(axis=1) == tables["one"]["category"].to_numpy()
    assert found.value > surest(1 - p["one"].max(axis=1).astype(float), hits)
    assert found.low <= found.value <= found.high


def test_answers_are_matched_by_slice(two: Drawn) -> None:
    tables, p = two
    back = np.argsort(tables["other"]["slice_id"].to_numpy())
    hits = p["one"].argmax(axis=1) == tables["one"]["category"].to_numpy()
    expected = surest(1 - sureness(p["one"], [p["other"][back]], 0.3), hits)
    figures = together_figures(tables, p, 0.3)["one"]
    assert figures["accuracy_surest_80_together"].value == pytest.approx(expected)


def test_models_of_different_slices_are_not_put_together(two: Drawn) -> None:
    tables, p = two
    tables["other"] = tables["other"].iloc[1:]
    p["other"] = p["other"][1:]
    with pytest.raises(TrainingDataError, match="other: expected predictions of the same 600 sl"):
        together_figures(tables, p, 0.3)
