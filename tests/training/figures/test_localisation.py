from __future__ import annotations

import numpy as np
import pytest

from artemis.training.figures.localisation import (
    figures_of_maps,
    head_mask,
    localise,
    randomisation_check,
    rank_correlation,
    summarise,
)

NO_BOX = [np.nan] * 4


def head(side: int = 40) -> np.ndarray:
    """Return a bright disc of two thirds of the picture, with a dark hole in its middle."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    radius = np.hypot(x, y)
    return np.where((radius < 0.66) & (radius > 0.2), 200, 0).astype(np.uint8)


def heat(*hot: tuple[int, int, float]) -> np.ndarray:
    """Return one map of 10x10 places."""
    drawn = np.zeros((1, 10, 10), dtype=np.float32)
    for row, column, value in hot:
        drawn[0, row, column] = value
    return drawn


def measure(drawn: np.ndarray, box: list[float], **options: float):
    boxes = np.array([box], dtype=np.float32)
    return localise(drawn, boxes, head()[None], **options)


def test_heat_in_the_box_hits_and_heat_beside_it_misses() -> None:
    box = [0.3, 0.4, 0.5, 0.6]
    assert measure(heat((4, 3, 1.0)), box).pointing_game == [1]
    assert measure(heat((4, 5, 1.0)), box).pointing_game == [0]
    assert measure(heat((3, 3, 1.0)), box).pointing_game == [0]


def test_the_hottest_place_counts_alone() -> None:
    assert measure(heat((4, 3, 1.0), (8, 8, 1.1)), [0.3, 0.4, 0.5, 0.6]).pointing_game == [0]


def test_a_near_miss_counts_within_the_tolerance() -> None:
    drawn, box = heat((4, 5, 1.0)), [0.3, 0.4, 0.5, 0.6]  # its middle is 0.05 right of the box
    assert measure(drawn, box, tolerance=0.04).pointing_game == [0]
    assert measure(drawn, box, tolerance=0.06).pointing_game == [1]


def test_energy_is_the_share_of_heat_in_the_box_by_area() -> None:
    whole = measure(heat((4, 3, 3.0), (8, 8, 1.0)), [0.3, 0.4, 0.5, 0.6])
    assert whole.energy_in_box == pytest.approx([0.75])
    quarter = measure(heat((4, 3, 1.0)), [0.35, 0.45, 0.6, 0.6])  # covers a quarter of the place
    assert quarter.energy_in_box == pytest.approx([0.25])
    even = measure(np.ones((1, 10, 10), dtype=np.float32), [0.2, 0.3, 0.4, 0.8])
    assert even.energy_in_box == pytest.approx([0.1])


def test_a_map_of_no_heat_misses_and_has_no_energy() -> None:
    measured = measure(heat(), [0.0, 0.0, 1.0, 1.0])
    assert measured.pointing_game == [0]
    assert measured.energy_in_box == [0]
    assert np.isnan(measured.heat_outside_head).all()


def test_without_a_box_only_the_head_is_measured() -> None:
    measured = measure(heat((5, 3, 1.0), (0, 0, 1.0)), NO_BOX)
    assert np.isnan(measured.pointing_game).all()
    assert np.isnan(measured.energy_in_box).all()
    assert measured.heat_outside_head == pytest.approx([0.5])


def test_a_dark_ventricle_is_in_the_head() -> None:
    mask = head_mask(head())
    assert mask[20, 20]
    assert not mask[0, 0]
    assert measure(heat((5, 5, 1.0)), NO_BOX).heat_outside_head == pytest.approx([0.0])


def test_summary_is_the_mean_by_slice_with_an_interval_by_patient() -> None:
    drawn = np.concatenate([heat((4, 3, 1.0))] * 6 + [heat((8, 8, 1.0))] * 2)
    boxes = np.array([[0.3, 0.4, 0.5, 0.6]] * 8, dtype=np.float32)
    measured = localise(drawn, boxes, np.stack([head()] * 8))
    figures = summarise(measured, ["a", "a", "b", "b", "c", "c", "d", "d"])
    pointing = figures["pointing_game"]
    assert pointing is not None
    assert pointing.value == pytest.approx(0.75)
    assert pointing.low < 0.75 < pointing.high
    assert figures["energy_in_box"].value == pytest.approx(0.75)


def test_summary_of_no_boxes_has_no_figure_of_them() -> None:
    figures = summarise(measure(heat((5, 3, 1.0)), NO_BOX), ["a"])
    assert figures["pointing_game"] is None
    assert figures["heat_outside_head"] is not None


def test_rank_correlation_is_of_order_not_of_size() -> None:
    generator = np.random.default_rng(0)
    drawn = generator.gamma(1, 1, (5, 12, 12)).astype(np.float32)
    assert rank_correlation(drawn, drawn**3) == pytest.approx(np.ones(5))
    assert rank_correlation(drawn, -drawn) == pytest.approx(-np.ones(5))
    flat = np.zeros_like(drawn)
    assert np.isnan(rank_correlation(drawn, flat)).all()


def test_rank_correlation_shares_ranks_among_ties() -> None:
    first = np.array([[[1.0, 2.0], [2.0, 3.0]]], dtype=np.float32)
    second = np.array([[[1.0, 3.0], [2.0, 4.0]]], dtype=np.float32)
    # By hand: ranks 1, 2.5, 2.5, 4 and 1, 3, 2, 4: 4.5 / sqrt(4.5 * 5).
    assert rank_correlation(first, second) == pytest.approx([4.5 / np.sqrt(22.5)])


def test_maps_of_random_weights_that_look_alike_fail_the_check() -> None:
    generator = np.random.default_rng(1)
    drawn = generator.gamma(1, 1, (40, 12, 12)).astype(np.float32)
    other = generator.gamma(1, 1, (40, 12, 12)).astype(np.float32)
    assert abs(randomisation_check(drawn, other)["mean"]) < 0.05
    edges = randomisation_check(drawn, drawn + 0.1 * other)
    assert edges["mean"] > 0.9
    assert edges["slices"] == 40


def test_check_of_maps_without_ranks_says_that_none_was_compared() -> None:
    flat = np.zeros((3, 4, 4), dtype=np.float32)
    found = randomisation_check(flat, flat)
    assert found["slices"] == 0
    assert np.isnan(found["mean"])


def test_figures_of_a_model_judge_the_evidence_for_right_answers_alone() -> None:
    maps = np.zeros((4, 10, 10, 4), dtype=np.float32)
    maps[0, 4, 3, 0] = 1  # glioma, in the box
    maps[1, 4, 3, 0] = 1  # meningioma is the truth: a wrong answer
    maps[2, 8, 8, 1] = 1  # meningioma, beside the box
    maps[3, 0, 0, 3] = 1  # none, in the air
    probabilities = np.eye(12, dtype=np.float32)[[0, 1, 4, 9]]
    boxes = np.array([[0.3, 0.4, 0.5, 0.6]] * 3 + [NO_BOX], dtype=np.float32)
    pictures = np.stack([head()] * 4)
    figures = figures_of_maps(
        maps, probabilities, np.array([1, 3, 3, 9]), boxes, pictures, ["a", "b", "c", "d"]
    )
    assert figures["pointing_game"].value == pytest.approx(1 / 2)
    assert figures["energy_in_box"].value == pytest.approx(1 / 2)
    assert figures["heat_outside_head"].value == pytest.approx(1 / 2)
