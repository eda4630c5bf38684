from __future__ import annotations

import numpy as np

from artemis.models.mistakes import MISTAKES, worst_mistakes


def sure_of(answers: list[int], confidence: list[float]) -> np.ndarray:
    """Probabilities with a confidence for each answer, the rest shared evenly."""
    p = np.repeat((1 - np.array(confidence, dtype=np.float32))[:, None] / 11, 12, axis=1)
    p[np.arange(len(answers)), answers] = confidence
    return p


def test_the_surest_errors_come_first_and_two_of_a_patient_at_most() -> None:
    p = sure_of([1, 1, 1, 0, 5], [0.6, 0.9, 0.8, 0.99, 0.7])
    found = worst_mistakes(
        p, np.zeros(5, dtype=np.int64), list("abcde"), ["Ann", "Ann", "Ann", "Bo", "Bo"], ["s"] * 5
    )
    assert [one.slice_id for one in found] == ["b", "c", "e"]
    assert [one.group for one in found] == [1, 1, 2]
    assert (found[0].truth, found[0].answer) == ("glioma_coronal", "glioma_sagittal")
    assert round(found[0].confidence, 3) == 0.9


def test_the_order_of_the_slices_does_not_matter() -> None:
    p = sure_of([1, 2, 3], [0.5, 0.5, 0.5])
    truth = np.zeros(3, dtype=np.int64)
    one = worst_mistakes(p, truth, ["a", "b", "c"], ["Ann", "Bo", "Cy"], ["s", "t", "u"])
    other = worst_mistakes(p[::-1], truth, ["c", "b", "a"], ["Cy", "Bo", "Ann"], ["u", "t", "s"])
    assert one == other
    assert [(of.slice_id, of.group, of.source) for of in one] == [
        ("a", 1, "s"),
        ("b", 2, "t"),
        ("c", 3, "u"),
    ]


def test_the_list_is_bounded() -> None:
    p = sure_of([1] * 50, [0.5] * 50)
    ids = [f"{k:02}" for k in range(50)]
    assert len(worst_mistakes(p, np.zeros(50, dtype=np.int64), ids, ids, ids)) == MISTAKES
