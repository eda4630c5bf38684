from __future__ import annotations

from pathlib import Path

import pytest

from artemis.models.decisions import Verdict
from artemis.models.registry import rollback, settle, settled
from tests.models.versions import make_version, verdict_for


@pytest.mark.parametrize("verdict", Verdict)
def test_verdict_that_was_carried_out_is_found_again(tmp_path: Path, verdict: Verdict) -> None:
    make_version(tmp_path, "v1")
    assert settled(tmp_path, "baseline", "v1") is None
    record = settle(tmp_path, verdict_for(tmp_path, "v1", verdict=verdict))
    assert settled(tmp_path, "baseline", "v1") == record


def test_promotion_without_its_effect_is_not_settled(tmp_path: Path) -> None:
    make_version(tmp_path, "v1")
    settle(tmp_path, verdict_for(tmp_path, "v1"))
    (tmp_path / "models" / "baseline" / "CHAMPION").unlink()  # killed before it was written
    assert settled(tmp_path, "baseline", "v1") is None


def test_promotion_that_was_rolled_back_is_settled(tmp_path: Path) -> None:
    make_version(tmp_path, "v1")
    record = settle(tmp_path, verdict_for(tmp_path, "v1"))
    rollback(tmp_path, "baseline", by="A. Person")
    assert settled(tmp_path, "baseline", "v1") == record
