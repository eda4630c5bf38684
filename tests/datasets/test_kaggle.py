"""The dataset through the real kagglehub, from a server on loopback that stands for Kaggle."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artemis.datasets.catalogue import KAGGLE
from artemis.datasets.fetch import FetchReport, fetch
from artemis.datasets.kaggle import place
from artemis.errors import DownloadError, MissingExtraError
from tests.conftest import ROOT
from tests.datasets.loopback import Answer, Server
from tests.datasets.pictures import KNOWN, dataset, picture, pictures, sha256

API = "http://localhost/api/v1/datasets.DatasetApiService"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def kaggle(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Let kagglehub take the server for Kaggle: its address "localhost", by way of a proxy."""
    pytest.importorskip("kagglehub", reason="the extra `kaggle` is not installed")
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KAGGLE_API_TOKEN", "not-a-token")
    meta = json.dumps({"currentVersionNumber": 3}).encode()
    server.will(Answer(meta, headers=JSON), path=f"{API}/GetDataset")
    return server


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return buffer.getvalue()


def as_on_kaggle() -> dict[str, bytes]:
    """The known pictures under tumours only, one unknown, and a file that is none."""
    known = [pictures()[path] for path in KNOWN]
    return {
        "Testing/no_tumor/image(1).jpg": known[0],
        "Training/glioma_tumor/gg (1).jpg": known[1],
        "Training/meningioma_tumor/m (2).jpg": known[2],
        "Training/pituitary_tumor/new.jpg": picture(77),
        "Training/readme.txt": b"x",
    }


def fetched(target: Path) -> FetchReport:
    return fetch(target, source=KAGGLE, dataset=dataset())


def test_pictures_known_by_content_get_their_plane(kaggle: Server, tmp_path: Path) -> None:
    kaggle.will(Answer(zipped(as_on_kaggle())), path=f"{API}/DownloadDataset")
    report = fetched(tmp_path / "set")
    assert (report.files, report.verified, report.unknown, report.missing) == (4, 3, 1, 0)
    assert report.unexpected == ("Training/readme.txt",)
    assert report.version == "3"
    with (tmp_path / "set/manifest.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["path"]: (row["tumor"], row["plane"]) for row in csv.DictReader(stream)}
    assert rows == {
        KNOWN[0]: ("none", "transverse"),
        KNOWN[1]: ("glioma", "coronal"),
        KNOWN[2]: ("meningioma", "sagittal"),
        "Training/pituitary_tumor/new.jpg": ("pituitary", ""),
    }
    for path in KNOWN:
        assert (tmp_path / "set" / path).read_bytes() == pictures()[path]
    again = fetched(tmp_path / "set")
    assert again.already
    assert (again.verified, again.unknown) == (3, 1)


@pytest.mark.slow
def test_stdout_is_left_to_data(kaggle: Server, tmp_path: Path) -> None:
    """In a process of its own: kagglehub's log is set up once, when it is imported."""
    kaggle.will(Answer(zipped(as_on_kaggle())), path=f"{API}/DownloadDataset")
    code = (
        "import sys; from pathlib import Path; from tests.datasets.test_kaggle import fetched; "
        "fetched(Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "set")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert "someone/pictures-too" in done.stderr
    assert (tmp_path / "set/manifest.csv").is_file()


def test_picture_that_is_there_twice_is_taken_once(kaggle: Server, tmp_path: Path) -> None:
    members = as_on_kaggle() | {"more/Training/pituitary_tumor/new.jpg": picture(79)}
    kaggle.will(Answer(zipped(members)), path=f"{API}/DownloadDataset")
    report = fetched(tmp_path / "set")
    assert report.unexpected == (
        "Training/readme.txt",
        "more/Training/pituitary_tumor/new.jpg",
    )
    assert (tmp_path / "set/Training/pituitary_tumor/new.jpg").read_bytes() == picture(77)


def test_altered_picture_is_unverified_and_the_known_one_missing(
    kaggle: Server, tmp_path: Path
) -> None:
    members = as_on_kaggle() | {"Training/glioma_tumor/gg (1).jpg": picture(78)}
    kaggle.will(Answer(zipped(members)), path=f"{API}/DownloadDataset")
    report = fetched(tmp_path / "set")
    assert (report.verified, report.unknown, report.missing) == (2, 2, 1)
    record = json.loads((tmp_path / "set/fetch.json").read_text(encoding="utf-8"))
    assert record["unknown"]["Training/glioma_tumor/gg (1).jpg"] == sha256(picture(78))


def test_dataset_without_pictures_is_refused(kaggle: Server, tmp_path: Path) -> None:
    kaggle.will(Answer(zipped({"cats/1.jpg": picture(1)})), path=f"{API}/DownloadDataset")
    with pytest.raises(DownloadError, match="expected folders Training and Testing"):
        fetched(tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_refusal_of_kaggle_is_a_named_error(kaggle: Server, tmp_path: Path) -> None:
    kaggle.will(Answer(b"{}", status=403, headers=JSON), path=f"{API}/DownloadDataset")
    with pytest.raises(
        DownloadError, match=r"kaggle.com/datasets/someone/pictures-too: expected a download.*403"
    ):
        fetched(tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_broken_off_download_is_a_named_error_and_resumed(kaggle: Server, tmp_path: Path) -> None:
    whole = Answer(zipped(as_on_kaggle()), headers={"Accept-Ranges": "bytes"})
    broken = Answer(whole.body, headers=whole.headers, stop_after=900)
    kaggle.will(broken, whole, path=f"{API}/DownloadDataset")
    with pytest.raises(DownloadError, match="expected a download"):
        fetched(tmp_path / "set")
    assert not (tmp_path / "set").exists()
    kaggle.asked.clear()
    assert fetched(tmp_path / "set").verified == 3
    assert any(asked.path == f"{API}/DownloadDataset" for asked in kaggle.asked)


def test_without_kagglehub_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "kagglehub"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(MissingExtraError, match=r"pip install 'artemis-mri\[kaggle\]'"):
        fetched(tmp_path / "set")


def test_same_content_under_two_labels_is_told_apart_by_the_folder() -> None:
    known = {"Training/glioma_coronal/a.jpg": "1", "Training/no_coronal/b.jpg": "1"}
    found = {"Training/no_tumor/x.jpg": "1", "Training/glioma_tumor/y.jpg": "1"}
    assert place(found, known) == {
        "Training/glioma_tumor/y.jpg": "Training/glioma_coronal/a.jpg",
        "Training/no_tumor/x.jpg": "Training/no_coronal/b.jpg",
    }


def test_path_of_the_same_tumour_is_taken_before_any_other() -> None:
    known = {"Training/glioma_coronal/a.jpg": "1", "Training/no_coronal/b.jpg": "1"}
    assert place({"Training/no_tumor/x.jpg": "1"}, known) == {
        "Training/no_tumor/x.jpg": "Training/no_coronal/b.jpg"
    }


def test_content_decides_where_the_folder_differs() -> None:
    known = {"Training/glioma_coronal/a.jpg": "1"}
    assert place({"Testing/no_tumor/x.jpg": "1"}, known) == {
        "Testing/no_tumor/x.jpg": "Training/glioma_coronal/a.jpg"
    }


FOUND = st.dictionaries(
    st.from_regex(r"(Training|Testing)/(no|glioma)_tumor/[a-e]\.jpg", fullmatch=True),
    st.sampled_from("123"),
)
LISTED = st.dictionaries(
    st.from_regex(r"(Training|Testing)/(no|glioma)_coronal/[a-e]\.jpg", fullmatch=True),
    st.sampled_from("123"),
)


@settings(deadline=None)
@given(FOUND, LISTED)
def test_every_picture_has_a_place_of_its_own(found: dict[str, str], known: dict[str, str]) -> None:
    places = place(found, known)
    assert set(places) == set(found)
    assert len(set(places.values())) == len(places)
    for path, destination in places.items():
        assert destination == path or known[destination] == found[path]
    for sha256_ in "123":
        taken = sum(places[p] in known for p, s in found.items() if s == sha256_)
        pairs = (list(found.values()).count(sha256_), list(known.values()).count(sha256_))
        assert taken == min(pairs)
