"""That two runs say the same, as several tests of ways to make one expect."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from artemis.predictions import read_table
from artemis.runs import read_record

TABLES = ("slices", "predictions", "thumbnails", "studies")


def assert_same_rows(run_dir: Path, expected: Path) -> None:
    for name in TABLES:
        left, right = (
            read_table(each, name).drop(columns="run_id", errors="ignore")
            for each in (run_dir, expected)
        )
        pd.testing.assert_frame_equal(left, right, obj=name)
    assert read_record(run_dir).counts == read_record(expected).counts
