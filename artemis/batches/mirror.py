"""A folder that holds what a process needs of a workspace in an object store.

Whatever works on a workspace works on this folder; what it needs is pulled into it before, and
what was made in it is pushed. The store holds the same files under the same names. A run's parts
are there before its record says that it is completed.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from artemis.errors import ArtemisError, RunRecordError, StoreError, WorkspaceError
from artemis.ingest.identity import IdentityKey
from artemis.models.registry import CHAMPION
from artemis.predictions import chunk_parts, part_name
from artemis.run_ids import by_time
from artemis.runs import IDENTITY_KEY, RunPaths, RunRecord, read_record
from artemis.system.store import Store

RECORD: Final = "run.json"
_AT_ONCE: Final = 8
"""Objects on their way at the same time: most of an object's time is waiting for an answer."""

_SETTLE: Final = 1.0
"""Seconds after which another command's first key of the same store can be seen."""

_T = TypeVar("_T")


class Mirror:
    """A folder and the store whose workspace it stands for.

    Parameters
    ----------
    store : Store
        Where the workspace is.
    folder : Path
        Root of the mirror.
    """

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.folder = folder

    def key(self, path: Path) -> str:
        """Return the key of a file or folder of the mirror."""
        return path.relative_to(self.folder).as_posix()

    def address_of(self, path: Path) -> str:
        """Return the address in the store of a file of the mirror."""
        return self.store.address_of(self.key(path))

    @contextmanager
    def said_by_address(self) -> Iterator[None]:
        """Let errors within name a file of the mirror, which soon is gone, as the store does."""
        try:
            yield
        except ArtemisError as error:
            said = str(error).replace(str(self.folder), self.store.address)
            if said == str(error):
                raise
            raise type(error)(said) from error

    # What is pulled; everything here raises a StoreError if the store cannot be read.

    def pull_champions(self, models: Iterable[str]) -> None:
        """Pull those champions of models that are the workspace's own."""
        for name in models:
            pointer = self.folder / "models" / name / CHAMPION
            if self.store.pull(self.key(pointer), pointer):
                self.pull_version(name, pointer.read_text("utf-8", errors="replace").strip())

    def pull_version(self, model: str, version: str) -> None:
        """Pull a version of a model; one that is not there is a shipped one, or is missed later."""
        if Path(version).name == version:
            self._pull_below(self.folder / "models" / model / version)

    def establish_identity(self) -> None:
        """Pull the key of identities; make it where the store has none yet.

        S3's writes on a condition are not within pyarrow's reach. So of two commands that
        begin in an empty store at once, the later writer wins: both look again after a
        moment, and `check_identity` ends the one that still did not see it.
        """
        path = self.folder / IDENTITY_KEY
        if not self.store.pull(IDENTITY_KEY, path):
            IdentityKey.load_or_create(path)
            self.store.push(path, IDENTITY_KEY)
            time.sleep(_SETTLE)
            self.pull_identity()
        path.chmod(0o600)

    def pull_identity(self) -> None:
        """Pull the key of identities that whoever began the run has used or made.

        Raises
        ------
        StoreError
            If the store has none.
        """
        if not self.store.pull(IDENTITY_KEY, self.folder / IDENTITY_KEY):
            raise StoreError(
                f"{self.store.address_of(IDENTITY_KEY)}: expected the key of identities. Received "
                "none. Restore it, or start the batch again, which makes a new one."
            )

    def check_identity(self) -> None:
        """Raise if the key of identities in the store is not the one that was used.

        Raises
        ------
        StoreError
            If it is another.
        """
        path = self.folder / IDENTITY_KEY
        if path.exists() and self.store.read(IDENTITY_KEY) != path.read_bytes():
            raise StoreError(
                f"{self.store.address_of(IDENTITY_KEY)}: expected the key of identities that the "
                "run began with. Received another: two commands began in an empty store at once, "
                "or it was replaced. Start this one again; its keys of patients match no other's."
            )

    def pull_records(self) -> None:
        """Pull the record of every run that is not here yet."""
        runs = self.folder / "runs"
        records = [runs / name / RECORD for name in self.store.names("runs")]
        _together(self._pull, [path for path in records if not path.exists()])

    def run_names(self) -> list[str]:
        """Return the names of the store's runs, the newest first."""
        return sorted(self.store.names("runs"), key=by_time, reverse=True)

    def record_of(self, run_id: str) -> RunRecord:
        """Return the record that the store has of a run now.

        Raises
        ------
        RunRecordError
            If there is none, or it is not the record of a run.
        """
        folder = self.folder / "runs" / run_id
        self._pull(folder / RECORD)
        return read_record(folder)

    def find_run(self, run: str) -> Path:
        """Pull a whole run, named by its id or by ``latest``; return its folder.

        Raises
        ------
        RunRecordError
            If there is no such run.
        """
        runs = self.folder / "runs"
        names = self.run_names() if run == "latest" else [run]
        for name in names:
            if Path(name).name == name and self._pull(runs / name / RECORD):
                self.pull_run(name)
                return runs / name
        if run == "latest":
            raise RunRecordError(
                f"{self.store.address_of('runs')}: expected the run 'latest'. Received no run at "
                "all. Classify a batch first, with `artemis-cli classify-batch DIR`, or name its "
                "workspace with --workspace."
            )
        raise RunRecordError(
            f"{self.store.address_of('runs')}: expected the run {run!r}. Received no object "
            f"{RECORD} of that id. Give the id of a run of this store, or say `latest`."
        )

    def pull_run(self, run_id: str) -> None:
        """Pull all of a run that is not here yet."""
        self._pull_below(self.folder / "runs" / run_id)

    def pull_chunk(self, run: RunPaths, record: RunRecord, chunk: int) -> bool:
        """Pull the plan of a chunk; of a chunk that is done also its parts. Return whether it is.

        Raises
        ------
        RunRecordError
            If the store has no such plan.
        """
        plan = run.plan / part_name(chunk)
        if not self._pull(plan):
            raise RunRecordError(
                f"{self.address_of(plan)}: expected the plan of a chunk. Received none. "
                "Start the batch again."
            )
        *others, last = chunk_parts(run, record, chunk)
        return self._pull(last) and all([self._pull(part) for part in others])

    def pages(self) -> set[str]:
        """Return the pages of the store's reports, by their paths below the reports' folder."""
        return {
            key.removeprefix("reports/")
            for key in self.store.sizes("reports")
            if key.endswith("/index.html")
        }

    # What is pushed; everything here raises a StoreError if the store cannot be written.

    def begin(self, run: RunPaths) -> None:
        """Push the record of a new run.

        Raises
        ------
        WorkspaceError
            If the store has a run of this id, of another command that began in the same second.
        """
        if self.store.read(self.key(run.record)) is not None:
            raise WorkspaceError(
                f"{self.address_of(run.root)}: expected a new run. Received the id of one that "
                "exists; nothing is overwritten. Start again for another id."
            )
        self.push(run.record)

    def push(self, *paths: Path) -> None:
        """Push files, one after the other."""
        for path in paths:
            self.store.push(path, self.key(path))

    def push_below(self, folder: Path) -> None:
        """Push all files of a folder."""
        _together(self.push, _files(folder))

    def push_plan(self, run: RunPaths) -> None:
        """Push the plan of a run, then its record, so that others can work on its chunks."""
        self.push_below(run.plan)
        self.push(run.record)

    def push_chunk(self, run: RunPaths, record: RunRecord, chunk: int) -> None:
        """Push the parts of a chunk in the order in which they were written.

        The last one says that all are there.
        """
        self.push(*chunk_parts(run, record, chunk))

    def push_run(self, run: RunPaths) -> None:
        """Push what the store does not have of a run, then its record."""
        there = self.store.sizes(self.key(run.root))
        made = [path for path in _files(run.root) if path != run.record]
        missing = [path for path in made if there.get(self.key(path)) != path.stat().st_size]
        _together(self.push, missing)
        self.check_identity()
        self.push(run.record)

    def forget_chunk(self, run: RunPaths, record: RunRecord, chunk: int) -> None:
        """Remove a chunk's files from the mirror."""
        for path in (run.plan / part_name(chunk), *chunk_parts(run, record, chunk)):
            path.unlink(missing_ok=True)

    def _pull(self, path: Path) -> bool:
        return self.store.pull(self.key(path), path)

    def _pull_below(self, folder: Path) -> None:
        keys = self.store.sizes(self.key(folder))
        if any(".." in key.split("/") for key in keys):
            raise StoreError(
                f"{self.address_of(folder)}: expected names of files that Artemis writes. Received "
                "one with `..` in it. Delete that object."
            )
        paths = [self.folder / key for key in keys]
        _together(self._pull, [path for path in paths if not path.exists()])


@contextmanager
def mirrored(address: str) -> Iterator[Mirror]:
    """Yield a new mirror of the workspace at an address; it goes with this context.

    Only where a store fails with something of a run in the mirror, that is kept and named.

    Raises
    ------
    StoreError
        If the address is none, or the store cannot be used.
    """
    store = Store(address)
    store.check()
    folder = Path(tempfile.mkdtemp(prefix="artemis-"))
    kept = False
    mirror = Mirror(store, folder)
    try:
        with mirror.said_by_address():
            yield mirror
    except StoreError as error:
        kept = any(folder.glob("runs/*/*/**/*.parquet"))
        if not kept:
            raise
        raise StoreError(f"{error} What this command had of it is kept in {folder}.") from error
    finally:
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)


def mirror_of(run: RunPaths, record: RunRecord) -> Mirror | None:
    """Return the mirror that a run being made lies in; None where it is in no store."""
    return None if record.store is None else Mirror(Store(record.store), run.workspace)


def _files(folder: Path) -> list[Path]:
    """Return the finished files of a folder; one whose name begins with a dot is not."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if not path.name.startswith("."))


def _together(work: Callable[[Path], _T], paths: Iterable[Path]) -> list[_T]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [*pool.map(work, paths)]
