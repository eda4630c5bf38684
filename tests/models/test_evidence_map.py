from __future__ import annotations

import numpy as np
import pytest

from artemis.labels import TUMORS
from artemis.models.evidence_map import (
    gives_evidence,
    normalised,
    on_picture,
    rival_tumors,
    scaled_box,
    tumor_evidence,
)
from artemis.models.runtime import tumor_probabilities
from artemis.preprocess import SquareBox, model_input


def maps(**at: tuple[int, int, float]) -> np.ndarray:
    """Return maps of 4x4 places, 0 but for one place a tumour."""
    drawn = np.zeros((1, 4, 4, 4), dtype=np.float32)
    for tumor, (row, column, value) in at.items():
        drawn[0, row, column, TUMORS.index(tumor)] = value
    return drawn


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ({"logits": [12], "maps": [12, 12, 4]}, True),
        ({"logits": [12], "maps": [6, 6, 12]}, False),
        ({"logits": [12], "features": [32]}, False),
    ],
)
def test_only_maps_of_the_four_tumour_types_are_evidence(outputs, expected: bool) -> None:
    assert gives_evidence(outputs) is expected


def test_evidence_is_where_a_type_stands_above_the_mean_of_all() -> None:
    found = tumor_evidence(maps(glioma=(1, 2, 4.0), none=(3, 3, 8.0)), np.array([0]))
    assert found.shape == (1, 4, 4)
    assert found[0, 1, 2] == pytest.approx(3.0)  # 4 less the mean of 4, 0, 0, 0
    assert found[0, 3, 3] == 0  # what speaks for another type speaks against this one
    assert found.sum() == pytest.approx(3.0)


def test_what_speaks_for_all_types_alike_is_no_evidence() -> None:
    assert tumor_evidence(np.full((1, 2, 2, 4), 7, np.float32), np.array([2])).max() == 0


def test_rival_is_the_next_most_probable_tumour_whatever_its_planes() -> None:
    probabilities = np.zeros((1, 12), dtype=np.float32)
    probabilities[0, [0, 3, 4, 5, 6]] = 0.4, 0.15, 0.1, 0.1, 0.25
    by_tumor = tumor_probabilities(probabilities)
    assert by_tumor[0] == pytest.approx([0.4, 0.35, 0.25, 0.0])
    assert rival_tumors(by_tumor, np.array([0])).tolist() == [1]
    assert rival_tumors(by_tumor, np.array([1])).tolist() == [0]


def test_a_map_is_scaled_to_its_own_peak_or_to_that_of_another() -> None:
    evidence = np.array([[0.0, 2.0], [4.0, 1.0]], dtype=np.float32)
    assert normalised(evidence).tolist() == [[0, 0.5], [1, 0.25]]
    assert normalised(evidence, peak=8).max() == 0.5
    assert normalised(evidence, peak=2).max() == 1


def test_no_evidence_stays_none() -> None:
    assert normalised(np.zeros((3, 3), dtype=np.float32)).max() == 0


def test_heat_lies_on_what_the_model_saw() -> None:
    picture = np.zeros((100, 160), dtype=np.uint8)
    picture[60:80, 100:120] = 255  # a bright square, in the place that the model finds it in
    box = SquareBox(left=40, top=-5, side=110)  # it reaches beyond the edges
    heat = model_input(picture, 22, box).astype(np.float32) / 255
    drawn = on_picture(heat, picture.shape, box)
    assert drawn.shape == (100, 160)
    rows, columns = np.nonzero(drawn > 0.5)
    assert (rows.min(), rows.max()) == pytest.approx((60, 79), abs=3)
    assert (columns.min(), columns.max()) == pytest.approx((100, 119), abs=3)
    assert drawn[:, :40].max() == 0


def test_a_square_outside_the_picture_gives_no_heat() -> None:
    heat = np.ones((2, 2), dtype=np.float32)
    assert on_picture(heat, (10, 10), SquareBox(left=20, top=0, side=5)).max() == 0


def test_a_square_is_scaled_with_its_picture() -> None:
    assert scaled_box(SquareBox(left=-10, top=21, side=300), 0.5) == SquareBox(-5, 10, 150)
