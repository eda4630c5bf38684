from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from artemis.errors import ModelError, WorkspaceError
from artemis.models.champions import promote, rollback, settle
from artemis.models.decisions import POLICY, Action, Verdict, read_decisions
from artemis.models.registry import (
    PRETRAINED,
    model_folder,
    show,
)
from tests.models.versions import SHIPPED, WHO, in_use, make_version, verdict_for


def test_promotion_is_recorded_with_who_and_why(tmp_path: Path) -> None:
    make_version(tmp_path, "v1")
    record = promote(tmp_path, "baseline", "v1", **WHO)
    assert read_decisions(tmp_path, "baseline") == [record]
    assert (record.action, record.by, record.reason) == (
        Action.PROMOTE,
        "A. Person",
        "It was measured elsewhere.",
    )
    assert (record.previous_champion, record.new_champion) == (SHIPPED.name, "v1")
    assert (record.verdict, record.gate_decision) == (None, None)
    assert (tmp_path / "models" / "baseline" / "CHAMPION").read_text() == "v1\n"


@pytest.mark.parametrize("reason", ["", "  "])
def test_person_gives_a_reason_or_promotes_nothing(tmp_path: Path, reason: str) -> None:
    make_version(tmp_path, "v1")
    with pytest.raises(ModelError) as raised:
        promote(tmp_path, "baseline", "v1", by="A. Person", reason=reason)
    assert str(raised.value) == (
        "--reason: expected why a person promotes baseline@v1. Received none. "
        "The gate never saw it. Give the reason; it is recorded."
    )
    assert in_use(tmp_path) == SHIPPED.name
    assert read_decisions(tmp_path, "baseline") == []


def test_person_may_promote_against_the_gate_which_is_quoted_and_linked(tmp_path: Path) -> None:
    make_version(tmp_path, "v1")
    kept = settle(tmp_path, verdict_for(tmp_path, "v1", verdict=Verdict.KEEP))
    assert in_use(tmp_path) == SHIPPED.name
    with pytest.raises(ModelError, match="The gate said keep: Kept, since not passed: macro_f1"):
        promote(tmp_path, "baseline", "v1", by="A. Person", reason="")
    record = promote(tmp_path, "baseline", "v1", **WHO)
    assert record.gate_decision == kept.id
    assert in_use(tmp_path) == "v1"


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("policy", "--by: expected the name of a person. Received 'policy', which stands for"),
        (" Policy ", "--by: expected the name of a person. Received ' Policy ', which stands for"),
        ("", "--by: expected text of a sensible length. Received '': String should have at least"),
        ("a\nb", "--by: expected text of a sensible length. Received 'a\\nb': Value error, only"),
        ("x" * 101, "String should have at most 100 characters. Correct it; it is recorded."),
    ],
)
def test_person_has_a_name(tmp_path: Path, by: str, message: str) -> None:
    make_version(tmp_path, "v1")
    with pytest.raises(ModelError) as raised:
        promote(tmp_path, "baseline", "v1", by=by, reason="Because.")
    assert message in str(raised.value)
    assert in_use(tmp_path) == SHIPPED.name


def test_damaged_model_is_not_promoted(baseline: Path, tmp_path: Path) -> None:
    (baseline / "model.tflite").write_bytes(b"")
    with pytest.raises(ModelError, match="expected SHA-256"):
        promote(tmp_path, "baseline", baseline.name, **WHO)
    assert model_folder(tmp_path, "baseline") != baseline


def test_model_under_another_name_is_not_promoted(tmp_path: Path) -> None:
    make_version(tmp_path, "v1").rename(tmp_path / "models" / "baseline" / "v2")
    with pytest.raises(ModelError, match=r"the manifest of baseline@v2. Received that of .*@v1"):
        promote(tmp_path, "baseline", "v2", **WHO)


@pytest.mark.parametrize("version", ["gone", "", "..", "../baseline", ".v1.building"])
def test_version_that_is_not_there_is_not_promoted(tmp_path: Path, version: str) -> None:
    make_version(tmp_path, "v1").rename(tmp_path / "models" / "baseline" / ".v1.building")
    with pytest.raises(ModelError) as raised:
        promote(tmp_path, "baseline", version, **WHO)
    assert str(raised.value) == (
        f"{tmp_path / 'models' / 'baseline'}: expected the version {version!r} of baseline, there "
        "or shipped. Received none of that name. `artemis-cli models list` names those there are."
    )


def test_shipped_version_can_be_promoted_and_its_folder_stays_as_it_is(tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in PRETRAINED.rglob("*")}
    make_version(tmp_path, "v1")
    promote(tmp_path, "baseline", "v1", **WHO)
    promote(tmp_path, "baseline", SHIPPED.name, **WHO)
    assert model_folder(tmp_path, "baseline") == SHIPPED
    assert {path: path.stat().st_mtime_ns for path in PRETRAINED.rglob("*")} == before


def test_version_in_use_is_not_promoted_to_itself(tmp_path: Path) -> None:
    make_version(tmp_path, "v1")
    promoted = promote(tmp_path, "baseline", "v1", **WHO)
    with pytest.raises(ModelError) as raised:
        promote(tmp_path, "baseline", "v1", **WHO)
    assert str(raised.value) == (
        "baseline@v1: expected a version that is not in use. Received the one that "
        f"{tmp_path / 'models' / 'baseline' / 'CHAMPION'} names already. Nothing was changed or "
        "recorded, and nothing is left to do."
    )
    assert in_use(tmp_path) == "v1"
    assert read_decisions(tmp_path, "baseline") == [promoted]


def test_shipped_version_that_no_decision_names_can_be_promoted_to_hold_it_fast(
    tmp_path: Path,
) -> None:
    record = promote(tmp_path, "baseline", SHIPPED.name, **WHO)
    assert (record.previous_champion, record.new_champion) == (SHIPPED.name, SHIPPED.name)
    assert (tmp_path / "models" / "baseline" / "CHAMPION").read_text() == f"{SHIPPED.name}\n"
    with pytest.raises(ModelError, match="expected a version that is not in use"):
        promote(tmp_path, "baseline", SHIPPED.name, **WHO)
    assert read_decisions(tmp_path, "baseline") == [record]


def test_champion_that_is_not_there_can_be_replaced(tmp_path: Path) -> None:
    make_version(tmp_path, "v1")
    (tmp_path / "models" / "baseline" / "CHAMPION").write_text("gone")
    assert promote(tmp_path, "baseline", "v1", **WHO).previous_champion == "gone"
    assert in_use(tmp_path) == "v1"


def test_gates_verdict_is_carried_out_and_recorded(tmp_path: Path) -> None:
    make_version(tmp_path, "v1")
    decision = verdict_for(tmp_path, "v1")
    record = settle(tmp_path, decision)
    assert in_use(tmp_path) == "v1"
    assert read_decisions(tmp_path, "baseline") == [record]
    assert (record.by, record.action, record.verdict) == (POLICY, Action.GATE, Verdict.PROMOTE)
    assert record.checks[0] == decision.checks[0]
    assert [check.name for check in record.checks] == ["macro_f1", "champion_unchanged"]
    manifest = show(tmp_path, "baseline").model.manifest
    assert record.inputs == decision.inputs | {
        "training_set": manifest.training.training_set_sha256
    }


@pytest.mark.parametrize("verdict", [Verdict.KEEP, Verdict.NEEDS_HUMAN])
def test_verdict_that_does_not_promote_is_recorded_and_changes_nothing(
    tmp_path: Path, verdict: Verdict
) -> None:
    make_version(tmp_path, "v1")
    record = settle(tmp_path, verdict_for(tmp_path, "v1", verdict=verdict))
    assert in_use(tmp_path) == SHIPPED.name
    assert not (tmp_path / "models" / "baseline" / "CHAMPION").exists()
    assert (record.verdict, record.previous_champion, record.new_champion) == (
        verdict,
        SHIPPED.name,
        SHIPPED.name,
    )


def test_of_two_retrainings_only_the_first_can_promote(tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        make_version(tmp_path, version)
    verdicts = [verdict_for(tmp_path, version) for version in ("v1", "v2")]
    first, second = (settle(tmp_path, verdict) for verdict in verdicts)
    assert in_use(tmp_path) == "v1"
    assert (first.verdict, second.verdict) == (Verdict.PROMOTE, Verdict.KEEP)
    assert second.reason == (
        "Kept, since not passed: champion_unchanged: expected the champion "
        f"{SHIPPED.name} that the challenger was compared with, received v1."
    )


def test_weights_that_the_gate_did_not_measure_are_not_promoted(tmp_path: Path) -> None:
    make_version(tmp_path, "v1")
    decision = verdict_for(tmp_path, "v1")
    other = decision.challenger.model_copy(update={"sha256": "f" * 64})
    with pytest.raises(ModelError) as raised:
        settle(tmp_path, decision.model_copy(update={"challenger": other}))
    assert str(raised.value) == (
        "baseline@v1: expected weights of SHA-256 ffffffffffff…, which the gate measured. "
        f"Received {decision.challenger.sha256[:12]}…. Run the gate again."
    )
    assert in_use(tmp_path) == SHIPPED.name


def test_rollback_goes_back_step_by_step_to_the_shipped_model(tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        make_version(tmp_path, version)
        promote(tmp_path, "baseline", version, **WHO)
    first = rollback(tmp_path, "baseline", by="B. Person", reason="It misses gliomas.")
    assert in_use(tmp_path) == "v1"
    assert (first.action, first.by, first.reason) == (
        Action.ROLLBACK,
        "B. Person",
        "It misses gliomas.",
    )
    assert (first.previous_champion, first.new_champion) == ("v2", "v1")
    second = rollback(tmp_path, "baseline", by="B. Person", reason="  ")
    assert second.reason == "Back to the champion before."
    assert model_folder(tmp_path, "baseline") == SHIPPED
    with pytest.raises(ModelError) as raised:
        rollback(tmp_path, "baseline", by="B. Person")
    assert str(raised.value) == (
        f"{tmp_path / 'models' / 'baseline' / 'decisions'}: expected a decision that tells of a "
        f"champion before {SHIPPED.name}. Received none. Choose a version with "
        "`artemis-cli models promote`."
    )
    assert len(read_decisions(tmp_path, "baseline")) == 4


def test_rollback_of_a_workspace_without_decisions_has_nowhere_to_go(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="expected a decision that tells of a champion before"):
        rollback(tmp_path, "baseline", by="B. Person")
    with pytest.raises(ModelError, match="Models: expected one or more of mobilenet_v2"):
        rollback(tmp_path, "../x", by="B. Person")


def test_rollback_to_a_champion_that_is_gone_changes_nothing(tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        make_version(tmp_path, version)
        promote(tmp_path, "baseline", version, **WHO)
    shutil.rmtree(tmp_path / "models" / "baseline" / "v1")
    with pytest.raises(ModelError, match="expected the version 'v1' of baseline"):
        rollback(tmp_path, "baseline", by="B. Person")
    assert in_use(tmp_path) == "v2"


def test_workspace_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("")
    with pytest.raises(WorkspaceError, match="expected a folder that can be written"):
        promote(tmp_path, "baseline", SHIPPED.name, **WHO)
