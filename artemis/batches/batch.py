"""Begin and end a run: its folders, its plan, its record."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel

from artemis.batches.mirror import mirror_of
from artemis.batches.own import own_outputs, passed_over
from artemis.batches.versions import versions
from artemis.errors import RunRecordError, StoreError
from artemis.ingest.identity import IdentityKey
from artemis.ingest.plan import Chunks, PlanEntry, list_batch, write_plan
from artemis.ingest.shards import Shard
from artemis.models.card.sources import of_public_data
from artemis.models.evidence_map import gives_evidence
from artemis.models.manifest import Interval, load_manifest
from artemis.models.network import runtime_for
from artemis.models.registry import check_names, model_folder
from artemis.predictions import mean_doubt, part_name
from artemis.run_ids import new_run_id
from artemis.runs import (
    IDENTITY_KEY,
    Counts,
    ModelRecord,
    RunPaths,
    RunRecord,
    RunStatus,
    ShardRecord,
    check_batch,
    create_run,
    read_record,
    reports_root,
    run_folders,
    write_record,
)
from artemis.settings import Settings
from artemis.system.ending import end
from artemis.system.store import Store
from artemis.whole import check_whole


def plan_chunks(
    batch: Path,
    settings: Settings,
    limit: int | None = None,
    on_found: Callable[[int], None] | None = None,
    spooled_in: Path | None = None,
) -> Chunks:
    """Find every scan of a batch folder and divide it into chunks.

    What Artemis itself wrote is not part of a batch that holds the workspace; `artemis.batches.own`
    tells it from scans, and `passed_over` counts it.

    Parameters
    ----------
    batch : Path
        Folder of scans.
    settings : Settings
        Limits, and slices per chunk.
    limit : int, optional
        Stop after this many slices.
    on_found : callable, optional
        Called now and then with the number of files found.
    spooled_in : Path, optional
        Folder on whose disk the list lies until it is no longer used.

    Raises
    ------
    NothingUsableError
        If the batch is not a folder that can be listed.
    WorkspaceError
        If there is no room for the list.
    """
    check_batch(batch)
    listing = list_batch(
        batch,
        settings.ingest,
        limit,
        on_found,
        skipped=own_outputs(settings),
        spooled_in=spooled_in,
    )
    return listing.cut(settings.chunk_slices, settings.max_chunks)


def plan_shard(
    batch: Path,
    settings: Settings,
    shard: Shard,
    limit: int | None = None,
    on_found: Callable[[int], None] | None = None,
    spooled_in: Path | None = None,
) -> tuple[Chunks, ShardRecord]:
    """Find every scan of a batch folder and divide one shard of it into chunks.

    Parameters
    ----------
    batch, settings, on_found, spooled_in
        See `plan_chunks`.
    shard : Shard
        Which part.
    limit : int, optional
        Stop after this many slices of the whole batch.

    Raises
    ------
    NothingUsableError
        If the batch is not a folder that can be listed.
    WorkspaceError
        If the workspace's identity key cannot be read or made, or there is no room for the list.
    """
    check_batch(batch)
    listing = list_batch(
        batch,
        settings.ingest,
        limit,
        on_found,
        skipped=own_outputs(settings),
        shard=shard,
        spooled_in=spooled_in,
    )
    identity = IdentityKey.load_or_create(settings.workspace / IDENTITY_KEY)
    record = ShardRecord(
        number=shard.number,
        of=shard.of,
        slices=listing.slices,
        plan_sha256=listing.sha256,
        identity=identity.fingerprint,
    )
    return listing.cut(settings.chunk_slices, settings.max_chunks), record


class BatchPlan(BaseModel):
    """What a run would do, for ``--dry-run``."""

    batch: str
    workspace: str
    models: dict[str, str]
    slices: int
    chunks: int
    by_format: dict[str, int]
    passed_over: dict[str, int]
    runs: str
    reports: str


def describe_plan(
    batch: Path,
    settings: Settings,
    models: Sequence[str],
    limit: int | None = None,
    shard: Shard | None = None,
    store: str | None = None,
) -> BatchPlan:
    """Say what a run would do, and write nothing.

    Parameters
    ----------
    batch, settings, limit, shard
        See `plan_shard`.
    models : sequence of str
        Names of the models.
    store : str, optional
        Address of the store that the workspace is a mirror of, if it is one.
    """
    check_batch(batch)
    listing = list_batch(batch, settings.ingest, limit, None, own_outputs(settings), shard)
    chunks = listing.cut(settings.chunk_slices, settings.max_chunks)
    by_format: dict[str, int] = {}
    for entry in listing.entries():
        name = entry.format or "not readable"
        by_format[name] = by_format.get(name, 0) + entry.n_frames
    return BatchPlan(
        batch=str(batch),
        workspace=store or str(settings.workspace),
        models={
            name: load_manifest(model_folder(settings.workspace, name)).version for name in models
        },
        slices=sum(by_format.values()),
        chunks=len(chunks),
        by_format=by_format,
        passed_over=passed_over(batch, settings),
        runs=f"{store}/runs" if store else str(settings.workspace / "runs"),
        reports=f"{store}/reports" if store else str(reports_root(settings)),
    )


def start_run(
    batch: Path,
    settings: Settings,
    models: Sequence[str],
    command: str,
    flow_run_id: str | None = None,
    store: str | None = None,
) -> tuple[RunPaths, RunRecord]:
    """Make a run's folder and its record, with the models that it will use to its end.

    `store` is the address of the store that the workspace is a mirror of, if it is one.

    Raises
    ------
    WorkspaceError
        If the workspace cannot be written, or its key of identities not be read.
    ModelError
        If a model is unknown or fails its checks.
    """
    records = model_records(settings.workspace, models)
    chosen = runtime_for((record.folder for record in records), settings)
    # Absolute, since the report may be made again from another working directory.
    reports = settings.reports and settings.reports.resolve()
    settings = settings.model_copy(update={"runtime": chosen.runtime, "reports": reports})
    own = passed_over(batch, settings)  # before this run's own record is one of them
    IdentityKey.load_or_create(settings.workspace / IDENTITY_KEY)  # before several need it at once
    paths = create_next_run(settings.workspace, store)
    record = RunRecord(
        run_id=paths.run_id,
        status=RunStatus.RUNNING,
        created=datetime.now(UTC),
        batch=str(batch.resolve()),
        command=command,
        versions=versions(chosen.runtime),
        settings=settings,
        models=records,
        runtime=str(chosen),
        passed_over=own,
        store=store,
        prefect_flow_run_id=flow_run_id,
    )
    write_record(paths, record)
    return paths, record


def create_next_run(workspace: Path, store: str | None = None) -> RunPaths:
    """Make the folders of a run whose id sorts after those of all runs that are there.

    Parameters
    ----------
    workspace : Path
        Where.
    store : str, optional
        Address of the store that the workspace is a mirror of, if it is one.

    Raises
    ------
    WorkspaceError
        If the workspace cannot be written.
    """
    others = Store(store).names("runs") if store else [f.name for f in run_folders(workspace)]
    return create_run(workspace, new_run_id(others))


def model_records(workspace: Path, models: Sequence[str]) -> list[ModelRecord]:
    """Return what a run records of the models that are used now, in the order of reports.

    Raises
    ------
    ModelError
        If a model is unknown or fails its checks.
    """
    records = []
    for name in check_names(list(models)):
        folder = model_folder(workspace, name)
        manifest = load_manifest(folder)
        records.append(
            ModelRecord(
                name=name,
                version=manifest.version,
                sha256=manifest.sha256,
                side=manifest.input.side,
                folder=folder,
                ood_threshold=manifest.out_of_distribution.threshold,
                accuracy=round(manifest.evaluation.metrics["accuracy"].value, 3),
                macro_f1=round(manifest.evaluation.metrics["macro_f1"].value, 3),
                ece=_rounded(manifest.evaluation.metrics.get("ece")),
                set_thresholds=manifest.prediction_sets.thresholds,
                protocol=manifest.evaluation.protocol,
                evidence_maps=gives_evidence(manifest.outputs),
                trained_on=manifest.training.per_category,
                seen=manifest.out_of_distribution.seen,
                public_data=of_public_data(manifest),
            )
        )
    return records


def _rounded(figure: Interval | None) -> float | None:
    return None if figure is None else round(figure.value, 3)


def write_plans(paths: RunPaths, chunks: Iterable[Sequence[PlanEntry]]) -> None:
    """Write each chunk's list of files, which its task reads."""
    for number, entries in enumerate(chunks):
        write_plan(paths.plan / part_name(number), entries)


@contextmanager
def recording_failure(paths: RunPaths) -> Iterator[None]:
    """Mark the run failed in its record if the work within is interrupted, and go on failing."""
    try:
        yield
    except BaseException as error:
        end(paths.run_id)
        shutil.rmtree(paths.tensors, ignore_errors=True)
        # The error that ended the run matters more than one of writing it down.
        with suppress(OSError, RunRecordError, StoreError):
            record = read_record(paths.root)
            place = str(paths.workspace)
            failed = {
                "status": RunStatus.FAILED,
                "finished": datetime.now(UTC),
                "error": _in_words(error).replace(place, record.store or place),
            }
            record = record.model_copy(update=failed)
            write_record(paths, record)
            if mirror := mirror_of(paths, record):
                mirror.push(paths.record)
        raise


def _in_words(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "Interrupted by the user."
    if not isinstance(error, Exception):  # SystemExit, or what Prefect raises in a flow
        return "Ended by a signal."
    text = str(error).strip()
    return f"{type(error).__name__}: {text}" if text else f"{type(error).__name__}."


def conclude_run(
    paths: RunPaths, record: RunRecord, counts: Counts, timings: dict[str, float]
) -> RunRecord:
    """Write the final record of a run whose parts are all written, and remove its scratch.

    Of a run that is made in a mirror, the store gets the record last, see `Mirror.push_run`.

    Raises
    ------
    RunRecordError
        If not every slice that was counted has its rows, where they were written elsewhere and
        this machine does not see them.
    """
    shutil.rmtree(paths.tensors, ignore_errors=True)
    check_whole(paths, record.model_copy(update={"counts": counts}))
    page = f"{record.run_id}/index.html"
    update = {
        "status": RunStatus.COMPLETED,
        "finished": datetime.now(UTC),
        "counts": counts,
        "timings": timings,
        "mean_doubt": mean_doubt(paths.root, [model.name for model in record.models]),
        "report": f"{record.store}/reports/{page}"
        if record.store
        else str((reports_root(record.settings) / page).resolve()),
    }
    concluded = record.model_copy(update=update)
    write_record(paths, concluded)
    return concluded
