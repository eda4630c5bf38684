"""Archives of repositories: what is taken, what is left out, what is refused."""

from __future__ import annotations

import io
import stat
import warnings
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artemis.datasets.archive import Limits, Unpacked, unpack
from artemis.errors import DownloadError
from tests.datasets.pictures import COMMIT, FOLDER, TOP, archive, picture, pictures, sha256

INSIDE = f"{TOP}/{FOLDER}/Training/glioma_coronal"


def unpacked(content: bytes, folder: Path, limits: Limits | None = None) -> Unpacked:
    path = folder / "archive.zip"
    path.write_bytes(content)
    return unpack(path, FOLDER, folder / "files", limits or Limits(), lambda done, total: None)


def written(folder: Path) -> list[str]:
    """Every file below `folder`, but for the archive itself."""
    paths = (path for path in folder.rglob("*") if not path.is_dir())
    return sorted(str(p.relative_to(folder)) for p in paths if p.name != "archive.zip")


def with_member(info: zipfile.ZipInfo, content: bytes = b"x") -> bytes:
    buffer = io.BytesIO(archive())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a name that is there twice
        with zipfile.ZipFile(buffer, "a") as opened:
            opened.writestr(info, content)
    return buffer.getvalue()


def test_pictures_come_out_with_their_hashes(tmp_path: Path) -> None:
    result = unpacked(archive(), tmp_path)
    assert result.hashes == {path: sha256(content) for path, content in pictures().items()}
    assert list(result.hashes) == sorted(result.hashes)
    assert result.commit == COMMIT
    for path, content in pictures().items():
        assert (tmp_path / "files" / path).read_bytes() == content


def test_archive_without_a_commit_says_so(tmp_path: Path) -> None:
    assert unpacked(archive(comment="by hand"), tmp_path).commit is None


def test_other_files_are_left_out_and_those_of_the_folder_named(tmp_path: Path) -> None:
    extra = {
        f"{TOP}/notebook.ipynb": b"{}",
        f"{TOP}/{FOLDER}-other/Training/glioma_coronal/a.jpg": picture(1),
        f"{TOP}/{FOLDER}/.DS_Store": b"x",
        f"{INSIDE}/._gg.jpg": b"x",
        f"{INSIDE}/notes.txt": b"x",
        f"{INSIDE}/line\nbreak.jpg": b"x",
        f"{INSIDE}/deeper/a.jpg": b"x",
        f"{TOP}/{FOLDER}/Training/glioma_tumor/a.jpg": b"x",
    }
    result = unpacked(archive(extra=extra), tmp_path)
    assert result.unexpected == (
        ".DS_Store",
        "Training/glioma_coronal/._gg.jpg",
        "Training/glioma_coronal/deeper/a.jpg",
        r"Training/glioma_coronal/line\nbreak.jpg",
        "Training/glioma_coronal/notes.txt",
        "Training/glioma_tumor/a.jpg",
    )
    assert written(tmp_path) == sorted(f"files/{path}" for path in pictures())


@pytest.mark.parametrize(
    "name",
    [
        "../evil.jpg",
        f"{TOP}/../../evil.jpg",
        f"{INSIDE}/../../../../../../evil.jpg",
        "/etc/evil.jpg",
        r"..\evil.jpg",
        rf"{TOP}\..\evil.jpg",
        "C:/evil.jpg",
        f"{INSIDE}/a.jpg\0.txt",
    ],
)
def test_name_that_points_out_of_the_archive_refuses_all_of_it(tmp_path: Path, name: str) -> None:
    info = zipfile.ZipInfo("placeholder")
    info.filename = info.orig_filename = name
    with pytest.raises(DownloadError, match="expected names below one folder"):
        unpacked(with_member(info), tmp_path)
    assert written(tmp_path) == []


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_link_or_device_in_the_dataset_refuses_all_of_it(tmp_path: Path, kind: int) -> None:
    info = zipfile.ZipInfo(f"{INSIDE}/link.jpg")
    info.external_attr = (kind | 0o777) << 16
    with pytest.raises(DownloadError, match=r"expected plain files. Received .*link.jpg"):
        unpacked(with_member(info, b"/etc/passwd"), tmp_path)
    assert written(tmp_path) == []


def test_link_elsewhere_in_the_repository_is_left_out(tmp_path: Path) -> None:
    info = zipfile.ZipInfo(f"{TOP}/link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert unpacked(with_member(info, b"/etc/passwd"), tmp_path).unexpected == ()
    assert written(tmp_path) == sorted(f"files/{path}" for path in pictures())


def test_same_name_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"expected every file once. Received .*gg \(1\).jpg"):
        unpacked(with_member(zipfile.ZipInfo(f"{INSIDE}/gg (1).jpg")), tmp_path)
    assert written(tmp_path) == []


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(members=5), "at most 5 entries"),
        (Limits(file_bytes=100), "files of at most 100 bytes"),
        (Limits(total_bytes=1000), "pictures of at most 1000 bytes"),
    ],
)
def test_more_than_the_limits_allow_is_refused(
    tmp_path: Path, limits: Limits, expected: str
) -> None:
    with pytest.raises(DownloadError, match=expected):
        unpacked(archive(), tmp_path, limits)
    assert written(tmp_path) == []


def test_bomb_is_refused_by_what_it_declares(tmp_path: Path) -> None:
    bomb = archive(extra={f"{INSIDE}/zeros.jpg": bytes(40 << 20)})
    assert len(bomb) < 1 << 17
    with pytest.raises(DownloadError, match=f"files of at most {32 << 20} bytes"):
        unpacked(bomb, tmp_path)


def test_bomb_that_declares_less_is_refused(tmp_path: Path) -> None:
    """A member of 1.2 MB that says it has 100 bytes."""
    content = archive({"Training/glioma_coronal/zeros.jpg": bytes(1_234_567)})
    size = (1_234_567).to_bytes(4, "little")
    assert content.count(size) == 2  # in front of the member and in the directory
    with pytest.raises(DownloadError, match="expected a whole archive"):
        unpacked(content.replace(size, (100).to_bytes(4, "little")), tmp_path)
    assert (tmp_path / "files/Training/glioma_coronal/zeros.jpg").stat().st_size <= 100


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_unusual_compression_is_refused(tmp_path: Path, method: int) -> None:
    info = zipfile.ZipInfo(f"{INSIDE}/a.jpg")
    info.compress_type = method
    with pytest.raises(DownloadError, match="compressed in an unusual way"):
        unpacked(with_member(info), tmp_path)


@pytest.mark.parametrize("content", [b"", b"<html>Not found</html>", archive()[:-100]])
def test_what_is_no_whole_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DownloadError, match="expected a zip archive"):
        unpacked(content, tmp_path)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_damaged_archive_gives_true_hashes_or_a_named_error(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    content = bytearray(archive())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        result = unpacked(bytes(content), folder)
    except DownloadError:
        return
    for path, expected in result.hashes.items():
        assert sha256((folder / "files" / path).read_bytes()) == expected
