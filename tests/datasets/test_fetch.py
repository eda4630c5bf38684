"""The dataset from a server into a folder: whole and verified, or not at all."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import zipfile
from pathlib import Path

import pytest

from artemis import __version__
from artemis.datasets.catalogue import GITHUB, KAGGLE
from artemis.datasets.fetch import FetchReport, fetch
from artemis.datasets.web import Policy
from artemis.errors import BusyError, DownloadError, WorkspaceError
from artemis.system.locks import exclusive
from artemis.training.labelled.manifest_file import read_manifest
from tests.datasets.loopback import Answer, Server
from tests.datasets.pictures import (
    COMMIT,
    FOLDER,
    KNOWN,
    TOP,
    UNKNOWN,
    archive,
    dataset,
    picture,
    pictures,
    sha256,
)

PATH = "/someone/pictures/zip/aee23a3"
ETAG = '"first"'
QUICK = Policy(attempts=4, first_delay=0.001, longest_delay=0.002)
SPOILT = KNOWN[1]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "datasets" / "brain-mri"


def fetched(server: Server, target: Path, **others: object) -> FetchReport:
    return fetch(target, base_url=server.url, dataset=dataset(), policy=QUICK, **others)  # type: ignore[arg-type]


def files_of(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def work_of(target: Path) -> Path:
    return target.with_name(".brain-mri.fetch")


def test_dataset_is_there_verified_and_nothing_else_left(server: Server, target: Path) -> None:
    content = archive(extra={f"{TOP}/{FOLDER}/Training/notes.txt": b"x"})
    server.will(Answer(content), path=PATH)
    report = fetched(server, target)
    assert report == FetchReport(
        folder=target,
        source=GITHUB,
        version=COMMIT,
        files=4,
        verified=3,
        unknown=1,
        missing=0,
        unexpected=("Training/notes.txt",),
        bytes=len(content),
        resumed=False,
        already=False,
    )
    assert files_of(target) == {*pictures(), "manifest.csv", "fetch.json"}
    assert all((target / path).read_bytes() == content for path, content in pictures().items())
    assert list(target.parent.iterdir()) == [target]
    assert [asked.path for asked in server.asked] == [PATH]


def test_listings_say_labels_hashes_and_what_is_unverified(server: Server, target: Path) -> None:
    server.will(Answer(archive()))
    fetched(server, target)
    with (target / "manifest.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    hashes = {path: sha256(content) for path, content in pictures().items()}
    assert rows == [
        ["path", "sha256", "tumor", "plane", "official_split"],
        [KNOWN[0], hashes[KNOWN[0]], "none", "transverse", "testing"],
        [UNKNOWN[0], hashes[UNKNOWN[0]], "pituitary", "coronal", "testing"],
        [KNOWN[1], hashes[KNOWN[1]], "glioma", "coronal", "training"],
        [KNOWN[2], hashes[KNOWN[2]], "meningioma", "sagittal", "training"],
    ]
    record = json.loads((target / "fetch.json").read_text(encoding="utf-8"))
    assert record.pop("fetched").endswith("+00:00")
    assert record == {
        "source": "github",
        "origin": "someone/pictures",
        "version": COMMIT,
        "artemis": __version__,
        "files": 4,
        "verified": 3,
        "unknown": {UNKNOWN[0]: hashes[UNKNOWN[0]]},
    }


def test_manifest_is_one_that_the_training_reads(server: Server, target: Path) -> None:
    server.will(Answer(archive()))
    fetched(server, target)
    labels = read_manifest(target / "manifest.csv").set_index("path")
    assert labels.loc[SPOILT, ["tumor", "plane", "official_split"]].tolist() == [
        "glioma",
        "coronal",
        "training",
    ]
    assert labels["group"].isna().all()
    assert len(labels) == 4


def test_progress_counts_bytes_then_files(server: Server, target: Path) -> None:
    content = archive()
    server.will(Answer(content))
    seen: list[tuple[int, int | None, int, int | None]] = []
    fetched(server, target, on_progress=lambda *at: seen.append(at))
    size = len(content)
    assert (size, size, 0, None) in seen
    assert seen[-4:] == [(size, size, done, 4) for done in (1, 2, 3, 4)]


def test_finished_dataset_is_only_hashed_again(server: Server, target: Path) -> None:
    server.will(Answer(archive()))
    first = fetched(server, target)
    (target / "notes.txt").write_text("mine")
    seen: list[tuple[int, int | None, int, int | None]] = []
    again = fetched(server, target, on_progress=lambda *at: seen.append(at))
    assert len(server.asked) == 1
    assert again == dataclasses.replace(first, already=True, bytes=0, unexpected=("notes.txt",))
    assert seen == [(0, None, done, 4) for done in (1, 2, 3, 4)]


def test_changed_or_missing_picture_of_a_finished_dataset_is_named(
    server: Server, target: Path
) -> None:
    server.will(Answer(archive()))
    fetched(server, target)
    (target / UNKNOWN[0]).write_bytes(b"other")
    with pytest.raises(DownloadError, match=r"1 changed .*0 missing"):
        fetched(server, target)
    (target / KNOWN[0]).unlink()
    with pytest.raises(DownloadError) as caught:
        fetched(server, target)
    assert f"1 changed ({UNKNOWN[0]}), 1 missing ({KNOWN[0]})" in str(caught.value)
    assert "Move the folder away and fetch it again" in str(caught.value)


def test_manifest_cannot_vouch_for_a_wrong_picture(server: Server, target: Path) -> None:
    server.will(Answer(archive()))
    fetched(server, target)
    manifest = target / "manifest.csv"
    right = sha256(pictures()[SPOILT])
    manifest.write_text(manifest.read_text().replace(right, sha256(b"other")))
    (target / SPOILT).write_bytes(b"other")
    with pytest.raises(DownloadError) as caught:
        fetched(server, target)
    assert f"1 wrong ({SPOILT})" in str(caught.value)


@pytest.mark.parametrize("listing", ["manifest.csv", "fetch.json"])
def test_listing_that_cannot_be_read_is_named(server: Server, target: Path, listing: str) -> None:
    server.will(Answer(archive()))
    fetched(server, target)
    (target / listing).write_bytes(b"\xff\xfe{")
    with pytest.raises(DownloadError, match=r"expected a fetched dataset with manifest.csv and"):
        fetched(server, target)


def test_folder_with_something_else_is_left_alone(server: Server, target: Path) -> None:
    target.mkdir(parents=True)
    (target / "mine.txt").write_text("mine")
    with pytest.raises(WorkspaceError, match="would be overwritten"):
        fetched(server, target)
    assert files_of(target) == {"mine.txt"}
    assert server.asked == []


def test_empty_folder_is_filled(server: Server, target: Path) -> None:
    target.mkdir(parents=True)
    server.will(Answer(archive()))
    assert fetched(server, target).files == 4


def test_dataset_of_another_source_is_not_taken_for_this_one(server: Server, target: Path) -> None:
    server.will(Answer(archive()))
    fetched(server, target)
    with pytest.raises(WorkspaceError, match=r"a dataset from kaggle. Received one"):
        fetched(server, target, source=KAGGLE)


def test_corrupted_picture_is_named_quarantined_and_nothing_appears(
    server: Server, target: Path
) -> None:
    spoilt = pictures() | {SPOILT: b"other"}
    server.will(Answer(archive(spoilt), etag=ETAG), Answer(archive(), etag='"second"'))
    with pytest.raises(DownloadError) as caught:
        fetched(server, target)
    message = str(caught.value)
    assert message.startswith(f"127.0.0.1{PATH}: expected 3 known files. Received 1 wrong")
    right = sha256(pictures()[SPOILT])
    assert f"{SPOILT}: expected SHA-256 {right}, received {sha256(b'other')}." in message
    assert "0 missing" in message
    assert not target.exists()
    assert (work_of(target) / "quarantine" / SPOILT).read_bytes() == b"other"
    assert not (work_of(target) / "files" / SPOILT).exists()
    report = fetched(server, target)
    assert (report.verified, report.resumed) == (3, False)
    assert list(target.parent.iterdir()) == [target]


def test_bytes_corrupted_on_the_way_are_refused(server: Server, target: Path) -> None:
    content = bytearray(archive())
    content[content.index(SPOILT.encode()) + len(SPOILT) + 100] ^= 1
    server.will(Answer(bytes(content)), Answer(archive()))
    with pytest.raises(DownloadError, match=r"expected a whole archive. Received .*gg \(1\).jpg"):
        fetched(server, target)
    assert not target.exists()
    assert fetched(server, target).verified == 3


def test_missing_picture_is_named_and_nothing_appears(server: Server, target: Path) -> None:
    server.will(Answer(archive({p: c for p, c in pictures().items() if p != SPOILT})))
    with pytest.raises(DownloadError) as caught:
        fetched(server, target)
    assert f"0 wrong, 1 missing ({SPOILT})" in str(caught.value)
    assert not target.exists()


def test_archive_of_another_commit_is_refused(server: Server, target: Path) -> None:
    server.will(Answer(archive(comment="b" * 40)))
    with pytest.raises(DownloadError, match=f"expected commit aee23a3. Received {'b' * 40}"):
        fetched(server, target)
    assert not target.exists()


def test_hostile_archive_leaves_nothing_and_is_fetched_anew(server: Server, target: Path) -> None:
    server.will(Answer(archive(extra={"../../evil.jpg": b"x"})), Answer(archive()))
    with pytest.raises(DownloadError, match="names below one folder"):
        fetched(server, target)
    assert files_of(target.parent) == {".brain-mri.fetch/lock"}
    assert fetched(server, target).verified == 3


def test_broken_off_download_ends_with_the_right_bytes(server: Server, target: Path) -> None:
    content = archive()
    whole = Answer(content, etag=ETAG, ranges=True)
    server.will(dataclasses.replace(whole, stop_after=700), whole)
    report = fetched(server, target)
    assert (report.verified, report.bytes, report.resumed) == (3, len(content), True)
    assert server.asked[1].headers["Range"] == "bytes=700-"


def test_interrupted_download_goes_on(server: Server, target: Path) -> None:
    content = archive(extra={f"{TOP}/large": os.urandom(300_000)})
    server.will(Answer(content, etag=ETAG, ranges=True))

    def interrupt(*at: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetched(server, target, on_progress=interrupt)
    assert not target.exists()
    kept = (work_of(target) / "aee23a3.zip.partial").stat().st_size
    report = fetched(server, target)
    assert (report.verified, report.bytes, report.resumed) == (3, len(content) - kept, True)
    assert server.asked[1].headers["Range"] == f"bytes={kept}-"


def test_interrupted_unpacking_goes_on_without_the_server(server: Server, target: Path) -> None:
    server.will(Answer(archive()))

    def interrupt(done: int, total: int | None, files: int, in_all: int | None) -> None:
        if files == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetched(server, target, on_progress=interrupt)
    assert not target.exists()
    report = fetched(server, target)
    assert (report.verified, report.bytes, report.resumed) == (3, 0, True)
    assert len(server.asked) == 1


def test_busy_server_is_asked_again(server: Server, target: Path) -> None:
    server.will(Answer(status=503, headers={"Retry-After": "0"}), Answer(archive()))
    assert fetched(server, target).verified == 3


def test_redirect_to_the_archive_is_followed(server: Server, target: Path) -> None:
    server.will(Answer(status=302, headers={"Location": "/cache/7"}), path=PATH)
    server.will(Answer(archive()), path="/cache/7")
    assert fetched(server, target).verified == 3


def test_second_fetch_at_the_same_time_is_refused(server: Server, target: Path) -> None:
    with (
        exclusive(work_of(target) / "lock", "a test"),
        pytest.raises(BusyError, match="a test by process"),
    ):
        fetched(server, target)
    assert server.asked == []
    server.will(Answer(archive()))
    assert fetched(server, target).verified == 3


def test_pinned_archive_is_asked_of_github() -> None:
    from artemis.datasets.catalogue import brain_mri
    from artemis.datasets.fetch import archive_url

    assert archive_url(brain_mri()) == (
        "https://codeload.github.com/hkndoga/Brain_Tumor_Classification_CNN/zip/aee23a3"
    )


@pytest.mark.shared
@pytest.mark.slow
def test_real_images_are_fetched_and_all_verified(
    brain_mri: Path, server: Server, target: Path, tmp_path: Path
) -> None:
    """The known 2,705, and one more that nobody knows, with a break half-way."""
    file = tmp_path / "real.zip"
    top = f"Brain_Tumor_Classification_CNN-{COMMIT}/data/Brain_Tumor_Data_Final"
    with zipfile.ZipFile(file, "w") as opened:
        for path in sorted(brain_mri.glob("T*/*/*")):
            opened.write(path, f"{top}/{path.relative_to(brain_mri).as_posix()}")
        opened.writestr(f"{top}/Testing/no_coronal/new.jpg", picture(0))
    whole = Answer(file.read_bytes(), etag=ETAG, ranges=True)
    server.will(dataclasses.replace(whole, stop_after=len(whole.body) // 2), whole)
    report = fetch(target, base_url=server.url)
    assert (report.files, report.verified, report.unknown) == (2706, 2705, 1)
    assert report.resumed
    assert fetch(target, base_url=server.url).already
