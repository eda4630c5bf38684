"""Same data, seed and versions: the same splits, draws and order, and the same metrics."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from tests.conftest import ROOT
from tests.training.labelled_pictures import write_labelled
from tests.training.repeatable import told

pytestmark = pytest.mark.slow(seconds=22)

HALF_A_POINT = 0.005


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, dict[str, Any]]]:
    """Two trainings on the same pictures, in processes that hash strings in other ways."""
    root = tmp_path_factory.mktemp("repeatable")
    table = write_labelled(root / "labelled", patients=10)
    table.drop(columns=["fold", "group"]).to_csv(root / "labelled" / "manifest.csv", index=False)
    command = [sys.executable, "-m", "tests.training.repeatable"]
    with subprocess.Popen(
        [*command, root / "labelled", root / "other"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "1"},
        stdout=subprocess.PIPE,
    ) as other:
        here = told(root / "labelled", root / "one")  # at the same time
        there, _ = other.communicate()
    assert other.returncode == 0
    return [here, json.loads(there)]


def test_splits_draws_and_order_are_the_same_in_another_process(
    twice: list[dict[str, dict[str, Any]]],
) -> None:
    first, second = (run["equal"] for run in twice)
    assert len(set(first["groups"])) == 10
    assert set(first["folds"]) == {0, 1, 2, 3, 4}
    assert len(first["changed pictures"]) == 3 * 6
    for name in first:
        assert first[name] == second[name], name


def test_metrics_are_the_same_within_half_a_point(
    twice: list[dict[str, dict[str, Any]]],
) -> None:
    first, second = (run["metrics"] for run in twice)
    assert first["accuracy"] > 0.5  # at chance anything is the same
    assert first == pytest.approx(second, abs=HALF_A_POINT)
