"""The flow ``classify-inbox``: take each batch that lies ready in the inbox, and classify it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import httpx
from prefect import flow, get_run_logger, runtime
from prefect.artifacts import create_markdown_artifact
from prefect.exceptions import PrefectException
from prefect.task_runners import ThreadPoolTaskRunner

from artemis import RESEARCH_USE
from artemis.batches import inbox, waiting
from artemis.batches.inbox import Claim
from artemis.errors import BusyError, InboxError, NothingUsableError, WorkspaceError
from artemis.models.registry import MODEL_NAMES, check_names
from artemis.runs import RunRecord
from artemis.said import counted, visible
from artemis.settings import Settings, load_settings
from artemis.system.cores import chunk_threads
from artemis.system.disk import is_full
from artemis.system.locks import exclusive
from flows.artifacts import linked

DONE, QUARANTINED, FAILED = "done", "in quarantine", "failed, to be tried again"
_LINKS_NAMED = 5


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch; `error` is the kind of what broke it off, not its words."""

    batch: str
    verdict: str
    record: RunRecord | None = None
    error: str | None = None


def _flow_run_name() -> str:
    return f"classify-inbox {runtime.flow_run.scheduled_start_time:%Y-%m-%d %H:%M:%S} UTC"


@flow(
    name="classify-inbox",
    flow_run_name=_flow_run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=chunk_threads()),  # type: ignore[arg-type]
    persist_result=False,
    result_serializer="json",  # of the error of a failed run; else it is a pickle
)
def classify_inbox(workspace: str | None = None, models: list[str] | None = None) -> dict[str, int]:
    """Classify every batch that lies ready in the workspace's inbox.

    No name of a batch reaches Prefect: folders in the inbox may be named after patients.
    In Prefect a batch has a random id, which is the end of its name in done/ or quarantine/.

    Parameters
    ----------
    workspace : str, optional
        Workspace with the inbox; as set in the environment by default.
    models : list of str, optional
        Which models; all by default.

    Returns
    -------
    dict of str to int
        How many batches are ``done``, ``quarantined``, ``failed`` and still ``waiting``.

    Raises
    ------
    InboxError
        If a batch could not be classified for another reason than what it holds.
    ModelError
        If one of `models` is unknown; no batch is taken then.
    WorkspaceError
        If a batch cannot be moved out of the inbox; the others are classified before.
    """
    settings = load_settings(Path(workspace) if workspace else None)
    names = check_names(models or list(MODEL_NAMES))  # no batch is to blame for a wrong one
    inbox.prepare(settings.workspace)
    outcomes: list[Outcome] = []
    untaken: list[WorkspaceError] = []
    try:
        with exclusive(settings.workspace / inbox.PROCESSING_LOCK, "a look into the inbox"):
            claims = _claims(settings, untaken)
            outcomes.extend(_classify(claim, settings, names) for claim in claims)
    except BusyError:
        get_run_logger().info("Another run is at work in this inbox; nothing was taken.")
        return _counts(outcomes, 0)
    counts = _counts(outcomes, len(waiting.candidates(settings.workspace)))
    get_run_logger().info(", ".join(f"{number} {word}" for word, number in counts.items()))
    if outcomes:
        _publish(outcomes, counts)
    _fail_if_any(outcomes)
    if untaken:
        raise untaken[0]
    return counts


def _claims(settings: Settings, untaken: list[WorkspaceError]) -> Iterator[Claim]:
    """Yield one batch at a time: what was left behind, then what is ready.

    Each is claimed only when it is its turn, so that a crash leaves one behind, not all. One
    that may not be moved, such as another user's folder, adds its error and is passed over.
    """
    yield from inbox.orphans(settings.workspace)
    for candidate in waiting.candidates(settings.workspace):
        if candidate.is_ready(settings.schedule.quiet_period, waiting.now(settings.workspace)):
            try:
                claim = inbox.claim(settings.workspace, candidate)
            except WorkspaceError as error:
                untaken.append(error)
                continue
            if claim is not None:
                yield claim


def _classify(claim: Claim, settings: Settings, models: list[str]) -> Outcome:
    """Classify one batch and move it to where it belongs."""
    if problem := _problem(claim):
        inbox.quarantine(claim, problem)
        return Outcome(claim.id, QUARANTINED)
    from flows.classify import classify_batch

    try:
        # Not as a flow run of its own: its parameters would be one more place for a path.
        record = classify_batch.fn(
            str(claim.folder), str(settings.workspace), models, command="classify-inbox"
        )
    except NothingUsableError as error:
        inbox.quarantine(claim, str(error))
        return Outcome(claim.id, QUARANTINED)
    except Exception as error:  # noqa: BLE001  # one batch must not keep the others waiting
        return _give_up(claim, error)
    except BaseException:
        inbox.excuse(claim)
        raise
    if not record.counts.ok:
        inbox.quarantine(claim, _none_usable(record))
        return Outcome(claim.id, QUARANTINED, record)
    inbox.finish(claim)
    return Outcome(claim.id, DONE, record)


def _problem(claim: Claim) -> str | None:
    """Return why a batch is not even tried."""
    if claim.attempts > inbox.MAX_ATTEMPTS:
        return (
            f"Expected an attempt to end. Received {inbox.MAX_ATTEMPTS} whose process died at it: "
            "a file may need more memory than there is, or crash its decoder."
        )
    if links := inbox.links_outside(claim.folder):
        return f"Expected a batch that holds its files. Received {_out_of_it(links)}"
    return None


def _out_of_it(links: list[str]) -> str:
    """Return which links lead out of a batch, in words. Prefect is never told: they are names."""
    lead = "leads out of it, which is" if len(links) == 1 else "lead out of it, which are"
    named = ("the batch itself" if link == "." else visible(link) for link in sorted(links))
    names = ", ".join(islice(named, _LINKS_NAMED))
    more = f" and {counted(left, 'other')}" if (left := len(links) - _LINKS_NAMED) > 0 else ""
    return f"{counted(len(links), 'symbolic link')} that {lead} not followed: {names}{more}."


def _give_up(claim: Claim, error: Exception) -> Outcome:
    kind, words = type(error).__name__, f"{type(error).__name__}: {error}"
    if is_full(error):  # which is the fault of no batch
        claim = replace(claim, attempts=claim.attempts - 1)
    if claim.attempts < inbox.MAX_ATTEMPTS:
        with suppress(OSError):  # of that disk
            inbox.keep(claim, words)
        return Outcome(claim.id, FAILED, error=kind)
    inbox.quarantine(claim, words)
    return Outcome(claim.id, QUARANTINED, error=kind)


def _none_usable(record: RunRecord) -> str:
    counts = record.counts
    return (
        f"Expected at least one slice to classify. Received {counted(counts.slices, 'slice')}, "
        f"{counts.refused} of them refused and {counts.failed} failed. The report says why: "
        f"{record.report}"
    )


def _counts(outcomes: list[Outcome], left: int) -> dict[str, int]:
    verdicts = [outcome.verdict for outcome in outcomes]
    return {
        "done": verdicts.count(DONE),
        "quarantined": verdicts.count(QUARANTINED),
        "failed": verdicts.count(FAILED),
        "waiting": left,
    }


def _publish(outcomes: list[Outcome], counts: dict[str, int]) -> None:
    """Leave the outcome in Prefect: ids and counts, no name of any file."""
    words = ", ".join(f"{number} {word}" for word, number in counts.items())
    rows = "\n".join(_row(outcome) for outcome in outcomes)
    markdown = (
        f"# Inbox: {words}\n\n"
        "| batch | outcome | slices | classified | refused | failed | need review | report |\n"
        f"|---|---|---:|---:|---:|---:|---:|---|\n{rows}\n\n"
        "A batch lies in `done/` or `quarantine/` of the workspace under its name and this id; "
        f"beside one in quarantine lies the reason.\n\n{RESEARCH_USE}\n"
    )
    try:
        create_markdown_artifact(
            key="classify-inbox", markdown=markdown, description=f"Inbox: {words}"
        )
    except (httpx.HTTPError, PrefectException) as error:
        get_run_logger().warning("The artifact was not recorded: %s", error)


def _row(outcome: Outcome) -> str:
    verdict = f"{outcome.verdict} ({outcome.error})" if outcome.error else outcome.verdict
    record = outcome.record
    if record is None:
        return f"| {outcome.batch} | {verdict} | | | | | | none |"
    counts = record.counts
    report = linked(Path(record.report).as_uri()) if record.report else "none"
    return (
        f"| {outcome.batch} | {verdict} | {counts.slices} | {counts.ok} | {counts.refused} "
        f"| {counts.failed} | {counts.needs_review} | {report} |"
    )


def _fail_if_any(outcomes: list[Outcome]) -> None:
    broken = [outcome for outcome in outcomes if outcome.error]
    if broken:
        named = "; ".join(f"{o.batch}: {o.error}, {o.verdict}" for o in broken)
        raise InboxError(
            f"inbox/: expected every batch to be classified. Received {len(broken)} that could not "
            f"be: {named}. {waiting.PROCESSING}/<batch>.json, or the reason in "
            f"{inbox.QUARANTINE}/, says why; `artemis-cli doctor` checks the rest."
        )
