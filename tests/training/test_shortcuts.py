"""What is made of a network's answers to changed pictures."""

from __future__ import annotations

import pandas as pd
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from artemis.training.shortcuts import summarise


def test_blanked_box_is_compared_with_its_control_where_there_was_room_for_one() -> None:
    answers = pd.DataFrame(
        {
            "group": ["a", "a", "b", "b", "c"],
            "source": "drawn",
            "tumor": "glioma",
            "boxed": [True, True, True, True, False],
            "as_is": "glioma",
            "blanked": ["glioma", "none", "none", "glioma", None],
            "control": ["glioma", "glioma", "meningioma", None, None],
            "only_box": ["none", "none", "none", "none", None],
            "source_by_probe": None,
        }
    )
    found = summarise(answers)
    assert found.images == 4
    assert found.tumor_accuracy["blanked"].value == 0.5
    assert found.tumor_accuracy["blanked_none"].value == 0.5
    assert found.control is not None
    assert found.control.images == 3
    assert found.control.control.value == pytest.approx(2 / 3)
    assert found.control.blanked.value == pytest.approx(1 / 3)
    assert found.control.difference.value == pytest.approx(1 / 3)
    assert (found.control.difference.low, found.control.difference.high) == (0, 0.5)
    bare = summarise(answers.assign(control=None))
    assert bare.control is None


def test_source_that_can_be_read_off_the_features_is_told() -> None:
    answers = pd.DataFrame(
        {
            "slice_id": [str(k) for k in range(20)],
            "group": [str(k) for k in range(20)],
            "source": ["here"] * 10 + ["there"] * 10,
            "tumor": "none",
            "boxed": False,
            "as_is": "none",
            "blanked": None,
            "control": None,
            "only_box": None,
            "source_by_probe": ["here"] * 9 + ["there"] * 6 + ["here"] * 5,
        }
    )
    probe = summarise(answers).probes[0]
    assert (probe.tumor, probe.sources, probe.images) == ("none", ["here", "there"], 20)
    assert probe.balanced_accuracy == pytest.approx((0.9 + 0.5) / 2)
