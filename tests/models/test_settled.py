from __future__ import annotations

from pathlib import Path

import pytest

from artemis.models.champions import promote, rollback, settle, settled
from artemis.models.decisions import Verdict, decisions_folder
from artemis.models.manifest import load_manifest
from artemis.models.registry import model_folder
from tests.models.versions import SHIPPED, make_version, verdict_for


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


def _without_effect(workspace: Path, version: str) -> None:
    """Record a verdict to promote by a process that is killed before the champion changes."""
    pointer = workspace / "models" / "baseline" / "CHAMPION"
    before = pointer.read_text() if pointer.is_file() else None
    champion = model_folder(workspace, "baseline").name
    settle(workspace, verdict_for(workspace, version, champion))
    pointer.unlink() if before is None else pointer.write_text(before)


@pytest.mark.parametrize("verdict", [Verdict.KEEP, Verdict.NEEDS_HUMAN])
def test_promotion_without_its_effect_is_not_settled_by_a_verdict_on_another_version(
    tmp_path: Path, verdict: Verdict
) -> None:
    for version in ("v1", "v2"):
        make_version(tmp_path, version)
    _without_effect(tmp_path, "v1")
    settle(tmp_path, verdict_for(tmp_path, "v2", verdict=verdict))
    assert settled(tmp_path, "baseline", "v1") is None
    again = settle(tmp_path, verdict_for(tmp_path, "v1"))
    assert settled(tmp_path, "baseline", "v1") == again


def test_promotion_without_its_effect_is_not_settled_by_a_promotion_of_another_version(
    tmp_path: Path,
) -> None:
    for version in ("v1", "v2"):
        make_version(tmp_path, version)
    _without_effect(tmp_path, "v1")
    promote(tmp_path, "baseline", "v2", by="A. Person", reason="It was measured elsewhere.")
    assert settled(tmp_path, "baseline", "v1") is None


def test_promotion_that_a_person_made_good_is_settled_also_after_its_rollback(
    tmp_path: Path,
) -> None:
    """Else the gate would judge it against itself, or take back what a person decided."""
    make_version(tmp_path, "v1")
    record = settle(tmp_path, verdict_for(tmp_path, "v1"))
    (tmp_path / "models" / "baseline" / "CHAMPION").unlink()
    promote(tmp_path, "baseline", "v1", by="A. Person", reason="It was measured elsewhere.")
    assert settled(tmp_path, "baseline", "v1") == record
    rollback(tmp_path, "baseline", by="A. Person")
    assert settled(tmp_path, "baseline", "v1") == record


def test_promotion_after_which_others_came_is_settled(tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        make_version(tmp_path, version)
    record = settle(tmp_path, verdict_for(tmp_path, "v1"))
    for version in ("v2", "v1", "v2"):
        promote(tmp_path, "baseline", version, by="A. Person", reason="To and fro.")
    assert settled(tmp_path, "baseline", "v1") == record


def test_latest_verdict_counts(tmp_path: Path) -> None:
    make_version(tmp_path, "v1")
    _without_effect(tmp_path, "v1")
    kept = settle(tmp_path, verdict_for(tmp_path, "v1", verdict=Verdict.KEEP))
    assert settled(tmp_path, "baseline", "v1") == kept


def test_verdict_on_other_weights_of_that_name_is_none_on_these(tmp_path: Path) -> None:
    make_version(tmp_path, "v1")
    settle(tmp_path, verdict_for(tmp_path, "v1", verdict=Verdict.KEEP))
    folder = decisions_folder(tmp_path, "baseline")
    (path,) = folder.glob("*.json")
    path.chmod(0o644)
    path.write_text(path.read_text().replace(load_manifest(SHIPPED).sha256, "f" * 64))
    assert settled(tmp_path, "baseline", "v1") is None


def test_promotion_that_was_rolled_back_is_settled(tmp_path: Path) -> None:
    make_version(tmp_path, "v1")
    record = settle(tmp_path, verdict_for(tmp_path, "v1"))
    rollback(tmp_path, "baseline", by="A. Person")
    assert settled(tmp_path, "baseline", "v1") == record
