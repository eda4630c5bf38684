from __future__ import annotations

import numpy as np
import pytest

from artemis.ingest.dicom.grayscale import Greyscale, Window


@pytest.mark.parametrize(
    ("window", "plausible"),
    [
        (Window(5, 1), True),
        (Window(5, 0.99), False),
        (Window(5, 0.01, "LINEAR_EXACT"), True),
        (Window(5, 0, "LINEAR_EXACT"), False),
        (Window(5, 0, "SIGMOID"), False),
        (Window(np.nan, 5), False),
        (Window(5, np.inf), False),
    ],
)
def test_widths_are_plausible_as_the_standard_says(window: Window, plausible: bool) -> None:
    assert window.plausible is plausible


def test_a_window_of_width_one_is_a_threshold() -> None:
    values = np.array([9.0, 9.5, 9.6, 10.0, 11.0])
    assert Window(10, 1)(values).tolist() == [0, 0, 1, 1, 1]


def test_exact_and_sigmoid_windows_are_those_of_their_formulas() -> None:
    values = np.array([-1e9, 60.0, 100.0, 140.0, 1e9])
    assert Window(100, 160, "LINEAR_EXACT")(values).tolist() == [0, 0.25, 0.5, 0.75, 1]
    sigmoid = 1 / (1 + np.exp([1.0, 0.0, -1.0]))
    assert Window(100, 160, "SIGMOID")(values)[1:4] == pytest.approx(sigmoid)
    assert Window(100, 160, "SIGMOID")(values)[[0, 4]] == pytest.approx([0, 1])


def test_a_window_that_leaves_as_many_levels_as_need_be_is_believed() -> None:
    stored = np.arange(100, dtype=np.int16).reshape(10, 10)
    window = Window(50, 11)  # twelve levels from black to white
    assert len(np.unique(Greyscale(voi=window).render(stored, 12))) == 12
    assert len(np.unique(Greyscale(voi=window).render(stored, 13))) > 12


def test_padding_is_a_range_with_both_its_ends_in_any_order() -> None:
    stored = np.arange(100, dtype=np.int16).reshape(10, 10)
    shown = Greyscale(padding=(99, 95), inverted=True).render(stored, 2)
    assert (shown.ravel()[95:] == 0).all()
    assert shown.ravel()[94] <= shown.ravel()[93] < shown.ravel()[0] == 255
