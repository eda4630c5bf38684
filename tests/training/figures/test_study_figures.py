from __future__ import annotations

import numpy as np
import pytest

from artemis.answers.study_rules import RULES
from artemis.training.figures.study_figures import (
    by_patient,
    compare_rules,
    diluted,
    study_figures,
)


def slices(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


def drawn(patients: int = 20, each: int = 6):
    """Return what a fair model says of patients who have one of three tumours, slice by slice."""
    random = np.random.default_rng(0)
    truth = np.repeat(np.arange(patients) % 3, each)
    logits = 2.0 * np.eye(4)[truth] + random.normal(size=(len(truth), 4))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return p.astype(np.float32), truth, [f"p{k // each}" for k in range(len(truth))]


def test_a_study_is_a_patient_with_several_slices() -> None:
    p = slices([1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0])
    studies = by_patient(p, np.array([0, 1, 2, 0]), ["a", "b", "c", "a"])
    assert studies.tumors.tolist() == [0]
    assert studies.slices[0].tolist() == [[1, 0, 0, 0], [1, 0, 0, 0]]


def test_several_slices_say_more_than_one() -> None:
    p, truth, patients = drawn()
    figures = compare_rules(by_patient(p, truth, patients), p[:0])
    assert set(figures) == set(RULES)
    by_slice = (p.argmax(axis=1) == truth).mean()
    best = figures["mean_of_top_8"]
    assert best.accuracy.value > by_slice
    assert best.accuracy.low <= best.accuracy.value <= best.accuracy.high


def test_figures_of_certain_right_answers_are_the_best_there_are() -> None:
    studies = by_patient(slices(*[[0, 1, 0, 0]] * 4), np.full(4, 1), ["a", "a", "b", "b"])
    figures = compare_rules(studies, studies.slices[0][:0])["mean_of_top_3"]
    assert figures.diluted == {}
    assert (figures.accuracy.value, figures.accuracy.low) == (1, 1)
    assert figures.brier == pytest.approx(0)
    assert figures.nll == pytest.approx(0)


def test_figures_of_unsure_answers_are_those_of_their_definitions() -> None:
    studies = by_patient(slices(*[[0.1, 0.8, 0.1, 0]] * 4), np.full(4, 1), ["a", "a", "b", "b"])
    figures = compare_rules(studies, studies.slices[0][:0])["mean_of_top_3"]
    assert figures.brier == pytest.approx(0.1**2 + 0.2**2 + 0.1**2)
    assert figures.nll == pytest.approx(-np.log(0.8))


def test_diluted_studies_hold_slices_without_tumour_and_as_many_hold_nothing_else() -> None:
    p, truth, patients = drawn()
    none = np.tile(slices([0.02, 0.02, 0.02, 0.94]), (30, 1))
    mixed = diluted(by_patient(p, truth, patients), none, added=10)
    assert len(mixed.slices) == len(mixed.tumors) == 40
    assert [len(one) for one in mixed.slices[:20]] == [16] * 20
    assert [len(one) for one in mixed.slices[20:]] == [10] * 20
    assert (mixed.tumors[20:] == 3).all()


def test_asking_every_slice_misses_a_tumour_that_asking_the_most_suspicious_finds() -> None:
    p, truth, patients = drawn()
    none = np.tile(slices([0.02, 0.02, 0.02, 0.94]), (60, 1))
    figures = compare_rules(by_patient(p, truth, patients), none)
    assert figures["mean_log_odds"].diluted[20] < 0.6
    assert figures["mean_of_top_5"].diluted[20] > 0.9


def by_category(p: np.ndarray) -> np.ndarray:
    """Probabilities of tumour types, all of them in the first plane."""
    spread = np.zeros((len(p), 12), dtype=np.float32)
    spread[:, ::3] = p
    return spread


def test_a_study_is_measured_against_the_mean_of_its_slices() -> None:
    """Two patients of three slices: one has one slice wrong, the other two."""
    p = slices(
        [0.9, 0.1, 0, 0], [0.9, 0.1, 0, 0], [0.2, 0.8, 0, 0],
        [0, 0.9, 0.1, 0], [0, 0.45, 0.55, 0], [0, 0.45, 0.55, 0],
    )  # fmt: skip
    categories = np.array([1, 1, 2, 3, 4, 4])  # two planes each
    ids, patients = [*"abcdef"], ["x"] * 3 + ["y"] * 3
    found = study_figures(ids, by_category(p), categories, patients, np.ones(6, bool))
    assert found is not None
    assert found.rule == "mean_of_top_8"
    assert (found.patients.studies, found.patients.slices) == (2, 6)
    assert found.patients.accuracy.value == 1
    assert found.patients.by_slice.value == pytest.approx(0.5)
    assert found.patients.gain.value == pytest.approx(0.5)
    assert found.patients.gain.low == pytest.approx(1 / 3)
    # Of one plane: x's two right ones, y's two wrong ones.
    assert found.series is not None
    assert (found.series.studies, found.series.slices) == (2, 4)
    assert (found.series.accuracy.value, found.series.by_slice.value) == (0.5, 0.5)
    assert set(found.rules) == set(RULES)


def test_copies_of_a_slice_count_once_and_patients_that_are_not_known_not_at_all() -> None:
    p = np.tile(slices([1, 0, 0, 0]), (8, 1))
    ids = ["a", "b", "b", "c", "d", "e", "f", "f"]
    patients = ["x", "x", "x", "y", "y", "copies", "z", "z"]
    known = np.array([True] * 5 + [False] + [True] * 2)
    found = study_figures(ids, by_category(p), np.zeros(8, int), patients, known)
    assert found is not None
    assert (found.patients.studies, found.patients.slices) == (2, 4)
    alone = study_figures(ids[:3], by_category(p[:3]), np.zeros(3, int), patients[:3], known[:3])
    assert alone is None
