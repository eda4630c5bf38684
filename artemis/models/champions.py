"""Which version of a model is in use, and how that changes: by a person's word, or the gate's.

``CHAMPION`` is replaced by a rename while ``LOCK`` beside it is held, after the decision has been
recorded (see `artemis.models.decisions`); the shipped folder is never written to.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from artemis.errors import ModelError
from artemis.models.decisions import (
    Action,
    Decision,
    DecisionRecord,
    ModelVersion,
    Verdict,
    champion_history,
    decisions_folder,
    read_decisions,
    write_decision,
)
from artemis.models.manifest import Manifest
from artemis.models.promotion import (
    carried_out,
    in_use,
    promotion_record,
    rollback_record,
    verdict_record,
)
from artemis.models.registry import CHAMPION, champion_version, check_names, checked_version
from artemis.system.files import write_text_atomic
from artemis.system.locks import exclusive_within

_LOCK: Final = "LOCK"
_PATIENCE = 10.0  # seconds to wait for another process; a change takes far less


def promote(workspace: Path, name: str, version: str, *, by: str, reason: str) -> DecisionRecord:
    """Make a version the champion of its model by a person's decision, atomically.

    The shipped version may be named where none is: a later one then does not take its place.

    Parameters
    ----------
    workspace : Path
        Where the decision is recorded and the champion named.
    name, version : str
        Model, and the whole version of one in the workspace or of a shipped one.
    by : str
        Name of the person.
    reason : str
        Why; a person may promote what the gate would keep back, and says so.

    Returns
    -------
    DecisionRecord
        As written.

    Raises
    ------
    ModelError
        If the version is not there or fails its checks, it is named already, or no person or
        reason is given.
    BusyError
        If another process is changing the champion.
    WorkspaceError
        If the workspace cannot be written.
    """
    subject = _subject(checked_version(workspace, name, version))
    pointer = workspace / "models" / name / CHAMPION

    def decide(records: list[DecisionRecord], current: str | None) -> DecisionRecord:
        if current == version and pointer.is_file():
            raise in_use(name, version, pointer)
        return promotion_record(records, current, name, subject, by, reason)

    return _change(workspace, name, decide)


def settle(workspace: Path, decision: Decision) -> DecisionRecord:
    """Carry out the gate's verdict and record it; promote only on ``promote``.

    A champion that changed since the gate compared with it keeps its place, and the record
    says so: of two retrainings that ran at the same time only the first can promote.

    Raises
    ------
    ModelError
        If the challenger is not there, is damaged, or is not what the gate measured.
    BusyError
        If another process is changing the champion.
    WorkspaceError
        If the workspace cannot be written.
    """
    name, challenger = decision.model, decision.challenger
    manifest = checked_version(workspace, name, challenger.version)
    if manifest.sha256 != challenger.sha256:
        raise ModelError(
            f"{name}@{challenger.version}: expected weights of SHA-256 {challenger.sha256[:12]}…, "
            f"which the gate measured. Received {manifest.sha256[:12]}…. Run the gate again."
        )
    return _change(
        workspace,
        name,
        lambda records, current: verdict_record(
            records, current, decision, manifest.training.training_set_sha256
        ),
    )


def settled(workspace: Path, name: str, version: str) -> DecisionRecord | None:
    """Return the gate's verdict on a version, if there is one that was carried out.

    A verdict to promote by a process that was killed before it changed the champion was not, see
    `artemis.models.promotion.carried_out`.

    Raises
    ------
    ModelError
        If the version is not there or damaged, or a record of a decision is.
    """
    subject = _subject(checked_version(workspace, name, version))
    current = champion_version(
        workspace, name
    )  # first: what replaces it meanwhile is in the records
    return carried_out(read_decisions(workspace, name), subject, current)


def rollback(workspace: Path, name: str, *, by: str, reason: str = "") -> DecisionRecord:
    """Make the champion before this one the champion again, atomically.

    A second rollback goes back one further, as far as the decisions go.

    Raises
    ------
    ModelError
        If there is none before, or it is gone or damaged, or no person is named.
    BusyError
        If another process is changing the champion.
    WorkspaceError
        If the workspace cannot be written.
    """
    check_names([name])

    def decide(records: list[DecisionRecord], current: str | None) -> DecisionRecord:
        *before, _ = champion_history(records, current) or [""]
        if not before:
            raise ModelError(
                f"{decisions_folder(workspace, name)}: expected a decision that tells of a "
                f"champion before {current}. Received none. Choose a version with "
                "`artemis-cli models promote`."
            )
        subject = _subject(checked_version(workspace, name, before[-1]))
        return rollback_record(records, current, name, subject, by, reason)

    return _change(workspace, name, decide)


def _change(
    workspace: Path,
    name: str,
    decide: Callable[[list[DecisionRecord], str | None], DecisionRecord],
) -> DecisionRecord:
    """Decide, record and act, while no other process can.

    The record comes first: a process that is killed in between leaves a decision without
    its effect, which the history passes over, and never an effect without its decision.
    """
    folder = workspace / "models" / name
    with exclusive_within(_PATIENCE, folder / _LOCK, f"a change of the champion of {name}"):
        record = decide(read_decisions(workspace, name), champion_version(workspace, name))
        write_decision(workspace, record)
        if record.action is not Action.GATE or record.verdict is Verdict.PROMOTE:
            write_text_atomic(folder / CHAMPION, f"{record.new_champion}\n")
    return record


def _subject(manifest: Manifest) -> ModelVersion:
    return ModelVersion(version=manifest.version, sha256=manifest.sha256)
