from __future__ import annotations

import pytest

from artemis.benchmark.stages import SPREADABLE, roofline


def test_roofline_spreads_over_cores_what_can_be_spread() -> None:
    seconds = {**dict.fromkeys(SPREADABLE, 0.004), "read": 9.0, "baseline": 0.003, "other": 0.005}
    # Reading is part of decoding, and models already use every core.
    assert roofline(seconds, ["baseline", "other"], cores=2) == pytest.approx(0.008 + 0.008)
    assert roofline(seconds, ["baseline"], cores=4) == pytest.approx(0.004 + 0.003)
