"""The public dataset from its home into a folder: downloaded, verified, then put in place.

From GitHub it comes as one zip archive of the pinned commit, because a single request gets
all of it: 3,246 requests for single files would be slowed down or refused, and the list of
files would take the rate-limited API. The archive is made on request, so neither its bytes
nor its support of ranges are promised; a hash of it would be worth nothing, and every file
is verified by its own. Zip rather than tar, because its directory is read, and refused if
hostile, before anything is unpacked.

What is under way lies in ``.<name>.fetch`` beside the target. The target appears by one rename
when everything in it is verified; an interrupted fetch goes on from what is there.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from artemis import __version__
from artemis.datasets.archive import Limits, Unpacked, unpack
from artemis.datasets.catalogue import GITHUB, KAGGLE, Dataset, Source, brain_mri
from artemis.datasets.download import download
from artemis.datasets.kaggle import from_kaggle
from artemis.datasets.listing import RECORD, Record, check_listing, some, write_listing
from artemis.datasets.web import Policy, checked_url, named
from artemis.errors import DownloadError, WorkspaceError
from artemis.system.locks import exclusive

OnProgress = Callable[[int, int | None, int, int | None], None]
"""Bytes at hand, bytes in all or None, files done, files in all or None."""

GITHUB_ARCHIVES: Final = "https://codeload.github.com"


@dataclass(frozen=True, slots=True)
class FetchReport:
    """What a fetch came to.

    Attributes
    ----------
    folder : Path
        The dataset.
    source : Source
        Where it comes from.
    version : str
        Commit of the repository, or version on Kaggle.
    files : int
        Pictures in it.
    verified : int
        Pictures whose SHA-256 is known and equal.
    unknown : int
        Pictures whose SHA-256 is not known; they are kept, and listed in ``fetch.json``.
    missing : int
        Known pictures that are not in it; always 0 from GitHub.
    unexpected : tuple of str
        Files that are not pictures of the dataset: left out of it, or found in its folder.
    bytes : int
        Bytes received over the network this time; 0 where kagglehub received them.
    resumed : bool
        Whether bytes of an interrupted fetch were kept.
    already : bool
        Whether the folder was complete before, and only its hashes were checked.
    """

    folder: Path
    source: Source
    version: str
    files: int
    verified: int
    unknown: int
    missing: int
    unexpected: tuple[str, ...]
    bytes: int
    resumed: bool
    already: bool


@dataclass(frozen=True, slots=True)
class _Brought:
    """Pictures in the staging folder."""

    hashes: dict[str, str]
    unexpected: tuple[str, ...]
    origin: str
    version: str
    bytes: int
    resumed: bool


def fetch(
    target: Path,
    *,
    source: Source = GITHUB,
    on_progress: OnProgress | None = None,
    base_url: str = GITHUB_ARCHIVES,
    dataset: Dataset | None = None,
    policy: Policy | None = None,
    limits: Limits | None = None,
) -> FetchReport:
    """Bring the public dataset into the folder `target`, verified file by file.

    Parameters
    ----------
    target : Path
        The dataset's folder; it must not exist, be empty, or be a dataset fetched before.
    source : Source
        Where to get it from.
    on_progress : callable, optional
        Called with bytes at hand, bytes in all or None, files done, files in all or None.
        What it raises interrupts the fetch, which can be resumed.
    base_url : str
        Where archives of GitHub repositories are, such as a mirror: https, or http on loopback.
    dataset : Dataset, optional
        Another dataset than `artemis.datasets.catalogue.brain_mri`.
    policy : Policy, optional
        Patience and limits of the download.
    limits : Limits, optional
        What the archive may hold.

    Returns
    -------
    FetchReport
        What is in the folder, and how it came there.

    Raises
    ------
    DownloadError
        If the download fails, is hostile, or is not what was expected; wrong files are named
        and are in ``quarantine`` of the working folder beside `target`, which does not appear.
    WorkspaceError
        If `target` holds something else.
    BusyError
        If another process is fetching it.
    MissingExtraError
        If kagglehub is needed and not installed.
    """
    dataset = dataset or brain_mri()
    tell = on_progress or (lambda *_: None)
    if _is_fetched(target):
        return _checked_again(target, source, dataset, tell)
    with _working_folder(target) as work:
        if _is_fetched(target):  # by another process, just now
            return _checked_again(target, source, dataset, tell)
        files = work / "files"
        shutil.rmtree(files, ignore_errors=True)
        files.mkdir()
        if source is KAGGLE:
            brought = _from_kaggle(files, dataset, tell)
        else:
            brought = _from_github(
                work, files, dataset, base_url, policy or Policy(), limits or Limits(), tell
            )
        report = _complete(target, source, dataset, files, brought)
        shutil.rmtree(work)
    return report


def archive_url(dataset: Dataset, base_url: str = GITHUB_ARCHIVES) -> str:
    """Return the address of the zip archive of a dataset's repository at its commit."""
    return f"{base_url.rstrip('/')}/{dataset.repository}/zip/{dataset.commit}"


def _from_github(
    work: Path,
    files: Path,
    dataset: Dataset,
    base_url: str,
    policy: Policy,
    limits: Limits,
    tell: OnProgress,
) -> _Brought:
    url = archive_url(dataset, base_url)
    archive = work / f"{dataset.commit}.zip"
    received, resumed = 0, archive.is_file()
    if not resumed:
        got = download(url, archive, policy, lambda done, total: tell(done, total, 0, None))
        received, resumed = got.received, got.resumed
    size = archive.stat().st_size
    try:
        unpacked = unpack(
            archive,
            dataset.folder,
            files,
            limits,
            lambda done, total: tell(size, size, done, total),
        )
        _check(unpacked, dataset, work, named(checked_url(url)))
    except DownloadError:
        archive.unlink()  # it would be as wrong the next time
        raise
    version = unpacked.commit or dataset.commit
    return _Brought(
        unpacked.hashes, unpacked.unexpected, dataset.repository, version, received, resumed
    )


def _check(unpacked: Unpacked, dataset: Dataset, work: Path, address: str) -> None:
    """Refuse files that are wrong or missing; the wrong ones go to quarantine."""
    if unpacked.commit and not unpacked.commit.startswith(dataset.commit):
        raise DownloadError(
            f"{address}: expected commit {dataset.commit}. Received {unpacked.commit}. "
            "Fetch from another address."
        )
    hashes = unpacked.hashes
    wrong = [path for path in hashes if dataset.hashes.get(path, hashes[path]) != hashes[path]]
    missing = sorted(path for path in dataset.hashes if path not in hashes)
    for path in wrong:
        kept = work / "quarantine" / path
        kept.parent.mkdir(parents=True, exist_ok=True)
        (work / "files" / path).replace(kept)
    if wrong or missing:
        detail = ""
        if wrong:
            first = wrong[0]
            detail = (
                f" {first}: expected SHA-256 {dataset.hashes[first]}, received {hashes[first]}. "
                f"What is wrong is in {work / 'quarantine'}."
            )
        raise DownloadError(
            f"{address}: expected {len(dataset.hashes)} known files. Received "
            f"{some('wrong', wrong)}, {some('missing', missing)}.{detail} Nothing was put in "
            "place. Run the same command again; if it stays so, choose another source."
        )


def _from_kaggle(files: Path, dataset: Dataset, tell: OnProgress) -> _Brought:
    brought = from_kaggle(dataset, files, lambda done, total: tell(0, None, done, total))
    return _Brought(brought.hashes, brought.unexpected, dataset.kaggle, brought.version, 0, False)


def _complete(
    target: Path, source: Source, dataset: Dataset, files: Path, brought: _Brought
) -> FetchReport:
    """Write the listings and let the dataset appear."""
    unknown = {p: h for p, h in brought.hashes.items() if dataset.hashes.get(p) != h}
    count = len(brought.hashes)
    record = Record(
        source=source.value,
        origin=brought.origin,
        version=brought.version,
        fetched=datetime.now(UTC).isoformat(timespec="seconds"),
        artemis=__version__,
        files=count,
        verified=count - len(unknown),
        unknown=unknown,
    )
    write_listing(files, brought.hashes, record)
    files.replace(target)
    return FetchReport(
        folder=target,
        source=source,
        version=brought.version,
        files=count,
        verified=count - len(unknown),
        unknown=len(unknown),
        missing=len(dataset.hashes) - (count - len(unknown)),
        unexpected=brought.unexpected,
        bytes=brought.bytes,
        resumed=brought.resumed,
        already=False,
    )


def _is_fetched(target: Path) -> bool:
    if (target / RECORD).is_file():
        return True
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise WorkspaceError(
            f"{target}: expected a new or empty folder, or a dataset fetched before. Received "
            "something else, which would be overwritten. Choose another folder."
        )
    return False


def _checked_again(target: Path, source: Source, dataset: Dataset, tell: OnProgress) -> FetchReport:
    found = check_listing(target, lambda done, total: tell(0, None, done, total))
    if found.record.source != source.value:
        raise WorkspaceError(
            f"{target}: expected a dataset from {source.value}. Received one from "
            f"{found.record.source}. Choose another folder."
        )
    known = {p: h for p, h in found.hashes.items() if p in dataset.hashes}
    wrong = [path for path, sha256 in known.items() if dataset.hashes[path] != sha256]
    missing = [path for path in dataset.hashes if path not in known]
    if wrong or (missing and source is GITHUB):
        raise DownloadError(
            f"{target}: expected the known files of {found.record.origin}. Received "
            f"{some('wrong', wrong)}, {some('missing', missing)}. "
            "Move the folder away and fetch it again."
        )
    return FetchReport(
        folder=target,
        source=source,
        version=found.record.version,
        files=len(found.hashes),
        verified=len(known),
        unknown=len(found.hashes) - len(known),
        missing=len(missing),
        unexpected=found.unexpected,
        bytes=0,
        resumed=False,
        already=True,
    )


@contextmanager
def _working_folder(target: Path) -> Iterator[Path]:
    """Yield the folder of what is under way, for this process alone."""
    work = target.absolute().with_name(f".{target.absolute().name}.fetch")
    with exclusive(work / "lock", "a fetch of the dataset"):
        yield work
