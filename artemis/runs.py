"""Where a run lives in the workspace, and its record ``run.json``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ValidationError

from artemis.errors import NothingUsableError, RunRecordError, WorkspaceError
from artemis.run_ids import by_time
from artemis.seen import SeenSlices
from artemis.settings import Settings, read_settings
from artemis.system.files import printable_path, write_text_atomic

IDENTITY_KEY: Final = "identity.key"
"""File of the workspace that holds the key of hashed identities."""

_LOOKED_AT: Final = 50  # runs, newest first


class RunStatus(StrEnum):
    """State of a run."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class ModelRecord(BaseModel):
    """A model as a run used it; its figures are of twelve categories, by its protocol.

    `evidence_maps` says whether it maps its evidence, see `artemis.models.evidence_map`.
    `ece` is its expected calibration error, None where that was not measured: how finely its
    confidence may be printed. `set_thresholds` make its prediction sets, see
    `artemis.models.conformal`. `trained_on` counts the training slices by category, and `seen`
    says how far they lie from each other, None where the model's manifest does not. `public_data`
    says whether all of them are of the public data, whose limits are known.
    """

    name: str
    version: str
    sha256: str
    side: int
    folder: Path
    ood_threshold: float
    accuracy: float
    macro_f1: float
    ece: float | None = None
    set_thresholds: dict[str, float]
    protocol: str
    evidence_maps: bool = False
    trained_on: dict[str, int] = {}
    seen: SeenSlices | None = None
    public_data: bool = True


class Counts(BaseModel):
    """How many slices were found, and what became of them. Counts of chunks add up."""

    files: int = 0
    slices: int = 0
    ok: int = 0
    refused: int = 0
    failed: int = 0
    needs_review: int = 0

    def __add__(self, other: Counts) -> Counts:
        mine, theirs = self.model_dump(), other.model_dump()
        return Counts(**{name: mine[name] + theirs[name] for name in mine})


class ShardRecord(BaseModel):
    """Which part of a batch a run classified, and what tells that two parts are of one batch.

    `slices` and `plan_sha256` are of the whole batch, see `artemis.ingest.plan.BatchListing`;
    `identity` stands for the secret that made the keys of patients, studies and series.
    """

    number: int
    of: int
    slices: int
    plan_sha256: str
    identity: str

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


class RunRecord(BaseModel):
    """Everything that ``run.json`` records of a run.

    `tasks` is the number of Prefect task runs that the flow made.
    Timings are wall-clock seconds by stage; `settings` are as resolved; `command` is
    what was typed, to be copied. `passed_over` counts the files of the batch folder that
    Artemis itself had written, by where they lie, see `artemis.batches.own.passed_over`.
    `engine` says where the chunks were worked on: ``local``, or ``dask`` and on how many workers.
    `runtime` says what ran the networks, and why, see `artemis.models.network.ChosenRuntime`.
    `shard` is None for a whole batch; `merged` lists the runs of the shards that one was made of.
    `store` is the address of the workspace where that is an object store; the folder in the
    settings was a mirror of it then. `mean_doubt` see `artemis.predictions.mean_doubt`.
    """

    run_id: str
    status: RunStatus
    created: datetime
    finished: datetime | None = None
    batch: str
    command: str
    versions: dict[str, str]
    settings: Settings
    models: list[ModelRecord]
    counts: Counts = Counts()
    passed_over: dict[str, int] = {}
    shard: ShardRecord | None = None
    merged: list[str] = []
    tasks: int = 0
    engine: str = "local"
    store: str | None = None
    mean_doubt: float | None = None
    runtime: str = ""
    timings: dict[str, float] = {}
    report: str | None = None
    prefect_flow_run_id: str | None = None
    error: str | None = None


class RunPaths:
    """Paths of one run.

    Parameters
    ----------
    workspace : Path
        Root of everything that Artemis writes.
    run_id : str
        Sortable identifier, see `artemis.run_ids.new_run_id`.
    root : Path, optional
        Folder of the run, where it was moved away from its workspace.
    """

    def __init__(self, workspace: Path, run_id: str, root: Path | None = None) -> None:
        self.workspace = workspace
        self.run_id = run_id
        self.root = root or workspace / "runs" / run_id
        self.record = self.root / "run.json"
        self.slices = self.root / "slices"
        self.thumbnails = self.root / "thumbnails"
        self.studies = self.root / "studies"
        self.plan = self.root / "plan"
        self.tensors = self.root / "tensors"

    def with_scratch(self, name: str) -> RunPaths:
        """Return the same run for someone whose scratch is a folder of his own in it."""
        paths = RunPaths(self.workspace, self.run_id, self.root)
        paths.tensors = self.tensors / name
        return paths

    def predictions(self, model: str) -> Path:
        """Return the folder of one model's prediction parts."""
        return self.root / "predictions" / f"model={model}"


def check_batch(batch: Path) -> None:
    """Raise unless the batch is a folder.

    Raises
    ------
    NothingUsableError
        If it is a file, or nothing.
    """
    try:
        is_folder, is_there = batch.is_dir(), batch.exists()
    except OSError as error:  # such as of a folder above it that may not be entered
        raise NothingUsableError(
            f"{batch}: expected a folder of scans. Received: "
            f"{os.strerror(error.errno or 0).lower()}. Give the path of a folder that you may list."
        ) from error
    if not is_folder:
        raise NothingUsableError(
            f"{batch}: expected a folder of scans. Received "
            f"{'a file' if is_there else 'nothing of that name'}. Give the folder."
        )
    if not _is_text(batch):
        raise NothingUsableError(
            f"{printable_path(batch)}: expected a folder whose path is valid text. Received bytes "
            "that are not. Rename it; names inside it may be anything."
        )


def check_workspace(workspace: Path) -> None:
    """Raise unless the workspace is, or can become, a folder that can be written.

    Raises
    ------
    WorkspaceError
        If not.
    """
    if not _is_text(workspace):
        raise WorkspaceError(
            f"{printable_path(workspace)}: expected a folder whose path is valid text. Received "
            "bytes that are not. Choose another with --workspace or ARTEMIS_WORKSPACE."
        )
    existing = workspace.resolve()
    try:
        while not existing.exists():
            existing = existing.parent
    except OSError as error:
        raise WorkspaceError(
            f"{workspace}: expected a folder that can be written. Received: "
            f"{os.strerror(error.errno or 0).lower()}. "
            "Choose another with --workspace or ARTEMIS_WORKSPACE."
        ) from error
    if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
        raise WorkspaceError(
            f"{workspace}: expected a folder that can be written. Received: {existing} cannot. "
            "Choose another with --workspace or ARTEMIS_WORKSPACE."
        )


def _is_text(path: Path) -> bool:
    """Return whether a path, which a run's record names, can be written as UTF-8."""
    return not any("\ud800" <= char <= "\udfff" for char in str(path.resolve()))


def reports_root(settings: Settings) -> Path:
    """Return the folder of the reports: as set, else beside or inside the workspace."""
    if settings.reports is not None:
        return settings.reports
    default = Path(Settings.model_fields["workspace"].default)
    if settings.workspace.resolve() == default.resolve():
        return Path("reports")
    return settings.workspace / "reports"


def reports_of(run_dir: Path, record: RunRecord) -> Path:
    """Return the folder of a run's reports: as set now, else as when it was made.

    Where neither says so, it depends on where the run lies now and not on where it was made, so
    that a workspace can be moved.
    """
    made = record.settings
    reports = read_settings().reports or made.reports
    here = {"workspace": run_dir.resolve().parent.parent, "reports": reports}
    return reports_root(made.model_copy(update=here)).resolve()


def create_run(workspace: Path, run_id: str) -> RunPaths:
    """Make the folders of a new run.

    Raises
    ------
    WorkspaceError
        If the run exists already or the workspace cannot be written.
    """
    paths = RunPaths(workspace, run_id)
    try:
        paths.root.mkdir(parents=True)
    except FileExistsError as error:
        raise WorkspaceError(
            f"{paths.root}: expected a new run. Received the id of one that exists; "
            "nothing is overwritten. Start again for another id."
        ) from error
    except OSError as error:
        raise WorkspaceError(
            f"{workspace}: expected a folder that can be written. Received: {error.strerror}. "
            "Choose another with --workspace or ARTEMIS_WORKSPACE."
        ) from error
    return paths


def write_record(paths: RunPaths, record: RunRecord) -> None:
    """Write ``run.json`` atomically."""
    write_text_atomic(paths.record, record.model_dump_json(indent=2) + "\n")


def read_record(run_dir: str | Path) -> RunRecord:
    """Read ``run.json`` of a run folder.

    Raises
    ------
    RunRecordError
        If it is missing or not the record of a run.
    """
    path = Path(run_dir) / "run.json"
    try:
        return RunRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunRecordError(
            f"{path}: expected the record of a run. Received: {os.strerror(error.errno or 0)}. "
            "Give a run id or a folder below <workspace>/runs."
        ) from error
    except UnicodeDecodeError as error:
        raise RunRecordError(
            f"{path}: expected the record of a run. Received bytes that are not UTF-8. "
            "Restore the file from a backup, or remove the run's folder."
        ) from error
    except ValidationError as error:
        raise RunRecordError(
            f"{path}: expected the record of a run. Received: {error.error_count()} invalid "
            f"fields, first {error.errors()[0]['loc']}: {error.errors()[0]['msg']}. "
            "Restore the file from a backup, or remove the run's folder."
        ) from error


def find_run(workspace: str | Path, run: str | Path) -> Path:
    """Return the folder of a run named by id, by ``latest``, or by its path.

    Raises
    ------
    RunRecordError
        If there is no such run.
    """
    as_path, named = Path(run), str(run)
    if _has_record(as_path):
        return as_path
    runs = Path(workspace) / "runs"
    if named == "latest":
        found = [path.parent for path in runs.glob("*/run.json")]
        if found:
            return max(found, key=lambda folder: by_time(folder.name))
        raise RunRecordError(
            f"{runs}: expected the run 'latest'. Received no run at all. Classify a batch first, "
            "with `artemis-cli classify-batch DIR`, or name its workspace with --workspace."
        )
    if as_path.name == named and _has_record(runs / named):
        return runs / named
    raise RunRecordError(
        f"{runs}: expected the run {named!r}. Received no folder of that id with a run.json. "
        "List runs with `ls` there, or say `latest`."
    )


def _has_record(folder: Path) -> bool:
    try:
        return (folder / "run.json").is_file()
    except OSError:
        return False  # no name that a file can have, or a folder that may not be entered


def run_folders(workspace: Path) -> set[Path]:
    """Return the folders of a workspace's runs, also of those that have no record yet."""
    return set((workspace / "runs").glob("*"))


def newest_runs(runs: Path) -> Iterator[RunRecord]:
    """Yield the readable records below a folder of runs, newest first.

    A copy of a run that is there itself, made by hand, is passed over: a run counts once.
    """
    folders = {path.parent.name: path.parent for path in runs.glob("*/run.json")}
    for name in sorted(folders, key=by_time, reverse=True):
        try:
            record = read_record(folders[name])
        except RunRecordError:
            continue  # a run of another version; its folder stays as it is
        if record.run_id == name or record.run_id not in folders:
            yield record


def was_left_unended(record: RunRecord, runs: Path) -> bool:
    """Return whether another run of the same batch never said how it ended.

    It may still be going on, or its process crashed, or was killed. The last few runs of the
    workspace are looked at.

    Parameters
    ----------
    record : RunRecord
        Of this run.
    runs : Path
        Folder of the workspace's runs.
    """
    return any(
        one.status is RunStatus.RUNNING
        for one in islice(newest_runs(runs), _LOOKED_AT)
        if one.run_id != record.run_id and one.batch == record.batch
    )
