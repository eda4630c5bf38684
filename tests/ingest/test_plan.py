from __future__ import annotations

import gzip
import os
import socket
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from artemis.errors import NothingUsableError, RunRecordError
from artemis.ingest.plan import Chunks, PlanEntry, plan_batch, read_plan, write_plan
from artemis.ingest.quality import measure
from artemis.ingest.read import read_chunk
from artemis.ingest.reasons import REMEDIES, Reason
from artemis.ingest.spool import natural_key
from artemis.predictions import read_run, write_part
from artemis.schemas import QUALITY_COLUMNS, SLICES_SCHEMA
from tests.ingest.builders import (
    KEY,
    SETTINGS,
    dicom_bytes,
    head8,
    ingest,
    ingest_one,
    mr,
    picture_bytes,
    plan,
    save,
)

PNG = picture_bytes(head8(), "PNG")
MGH = nib.MGHImage(np.zeros((8, 8, 8), np.float32), np.eye(4)).to_bytes()


def pages(count: int) -> bytes:
    image = Image.fromarray(head8())
    return picture_bytes(image, "TIFF", save_all=True, append_images=[image] * (count - 1))


def test_names_are_in_natural_order_and_folders_after_files(tmp_path: Path) -> None:
    for name in ("image10.png", "image2.png", "b/1.png", "a/10.png", "a/9.png", "Image1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(PNG)
    assert [entry.display_path for entry in plan(tmp_path)] == [
        "Image1.png",
        "image2.png",
        "image10.png",
        "a/9.png",
        "a/10.png",
        "b/1.png",
    ]


def test_natural_order_survives_very_long_numbers() -> None:
    names = [b"a" + b"9" * 250, b"a1", b"1a", b"\xff1", b""]
    assert sorted(names, key=natural_key) == [b"", b"1a", b"a1", b"a" + b"9" * 250, b"\xff1"]


def test_an_empty_folder_is_an_empty_plan(tmp_path: Path) -> None:
    assert plan_batch(tmp_path, SETTINGS, 4) == []


@pytest.mark.parametrize("name", ["missing", "file"])
def test_what_is_not_a_folder_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NothingUsableError, match=f"{name}: expected a folder of scans. Received"):
        plan_batch(tmp_path / name, SETTINGS, 4)


def test_chunks_are_full_but_a_file_that_fits_is_not_split(tmp_path: Path) -> None:
    for name, count in (("1.tif", 3), ("2.tif", 3), ("3.tif", 9), ("4.tif", 1)):
        (tmp_path / name).write_bytes(pages(count))
    chunks = plan_batch(tmp_path, SETTINGS, 4)
    assert [[(e.display_path, e.first_frame, e.n_frames) for e in chunk] for chunk in chunks] == [
        [("1.tif", 0, 3)],
        [("2.tif", 0, 3)],
        [("3.tif", 0, 4)],
        [("3.tif", 4, 4)],
        [("3.tif", 8, 1), ("4.tif", 0, 1)],
    ]


@pytest.mark.parametrize(("limit", "planned"), [(0, 0), (1, 1), (4, 4), (5, 5), (6, 6), (99, 6)])
def test_the_limit_counts_slices(tmp_path: Path, limit: int, planned: int) -> None:
    for name, count in (("1.tif", 3), ("2.tif", 2), ("3.tif", 1)):
        (tmp_path / name).write_bytes(pages(count))
    seen: list[int] = []
    entries = plan(tmp_path, limit=limit, on_found=seen.append)
    assert sum(entry.n_frames for entry in entries) == planned
    assert (seen[-1] if seen else 0) == planned


def test_planning_twice_gives_the_same(tmp_path: Path) -> None:
    for index in range(12):
        z = index * 7 % 12
        save(tmp_path / f"d{index % 3}" / f"{index}", mr(ImagePositionPatient=[0, 0, z]))
    assert plan(tmp_path) == plan(tmp_path)


def test_links_pipes_and_sockets_are_rows_and_never_opened(tmp_path: Path) -> None:
    batch, elsewhere = tmp_path / "batch", tmp_path / "elsewhere"
    batch.mkdir()
    elsewhere.mkdir()
    (elsewhere / "x.png").write_bytes(PNG)
    (batch / "linked.png").symlink_to(elsewhere / "x.png")
    (batch / "linked folder").symlink_to(elsewhere)
    (batch / "circle").symlink_to(batch)
    (batch / "loop").symlink_to(batch / "loop")
    (batch / "gone").symlink_to(batch / "nothing")
    (batch / "empty").touch()
    os.mkfifo(batch / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(batch / "socket"))
        read = {one.row["path"]: one.row for one in ingest(batch)}
    assert {path: (row["status"], row["reason_code"]) for path, row in read.items()} == {
        "linked.png": ("ok", None),
        "linked folder": ("refused", "symlinked_folder"),
        "circle": ("refused", "symlinked_folder"),
        "loop": ("failed", "broken_link"),
        "gone": ("failed", "broken_link"),
        "empty": ("failed", "empty_file"),
        "pipe": ("refused", "not_a_regular_file"),
        "socket": ("refused", "not_a_regular_file"),
    }
    assert "Received a named pipe." in read["pipe"]["reason"]


def test_a_pipe_put_in_place_of_a_file_does_not_block(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    entries = plan(tmp_path)
    (tmp_path / "a.png").unlink()
    os.mkfifo(tmp_path / "a.png")
    (only,) = read_chunk(tmp_path, entries, SETTINGS, KEY)
    assert only.row["reason_code"] == "not_a_regular_file"


@pytest.mark.parametrize("change", ["vanish", "shrink", "other", "folder", "picture"])
def test_a_file_that_changes_after_planning_still_gives_every_row(tmp_path: Path, change) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(pages(3))
    entries = plan(tmp_path)
    path.unlink()
    if change == "shrink":
        path.write_bytes(pages(1))
    elif change == "other":
        path.write_bytes(b"now a text")
    elif change == "picture":
        path.write_bytes(PNG)
    elif change == "folder":
        path.mkdir()
    read = list(read_chunk(tmp_path, entries, SETTINGS, KEY))
    assert [one.row["frame"] for one in read] == [0, 1, 2]
    assert [one.row["status"] == "ok" for one in read] == [change == "shrink", False, False]
    assert all(one.row["reason"].startswith("a.tif: expected") for one in read[1:])
    if change == "picture":
        assert "expected the tiff that was found. Received a png." in read[0].row["reason"]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"notes on patient", "text"),
        (b'{"a": 1}', "text (JSON)"),
        (b'[\n  {"a": 1}]', "text (JSON)"),
        (b"[autorun]\r\nopen=viewer.exe\r\n", "text."),  # beside the scans on a hospital's CD
        (b"{curly} notes", "text."),
        (MGH, "FreeSurfer volume (MGH)"),
        (gzip.compress(MGH), "gzip with FreeSurfer volume (MGH) inside"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504), "old Office document or Thumbs.db"),
        (b"L\0\0\0\x01\x14\x02\0" + bytes(100), "Windows shortcut"),
        (b"# === DATA DESCRIPTION FILE ===\n", "Philips PAR header"),
        (b"%PDF-1.7", "PDF"),
        (b"\0\0\0\x01Bud1\0", "macOS folder settings"),
        (b"<!DOCTYPE html><html>", "an HTML page"),
        (bytes(range(256)), "an unknown binary format"),
        (b"BM is how this text starts, not a bitmap", "text"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",  # the bytes of gzip hold the time
)
def test_other_files_are_refused_by_name(tmp_path: Path, data: bytes, what: str) -> None:
    (tmp_path / "f").write_bytes(data)
    (only,) = ingest(tmp_path)
    assert (only.row["status"], only.row["reason_code"]) == ("refused", "unsupported_format")
    assert f"Received {what}" in only.row["reason"]
    assert only.row["file_sha256"] is None


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"PK\x03\x04...", "ZIP archive"),
        (b"PK\x05\x06" + bytes(18), "empty ZIP archive"),
        (gzip.compress(dicom_bytes(mr())), "gzip with DICOM inside"),
        (gzip.compress(PNG), "gzip with PNG inside"),
        (gzip.compress(bytes(257) + b"ustar" + bytes(250)), "gzip with tar archive inside"),
    ],
    ids=["zip", "empty zip", "dicom", "png", "tar"],  # the bytes of gzip hold the time
)
def test_what_is_packed_is_refused_with_the_word_to_unpack_it(
    tmp_path: Path, data: bytes, what: str
) -> None:
    (tmp_path / "f").write_bytes(data)
    (only,) = ingest(tmp_path)
    assert (only.row["status"], only.row["reason_code"]) == ("refused", "archive")
    assert f"Received {what}" in only.row["reason"]
    assert "Unpack it" in only.row["reason"]


@pytest.mark.parametrize("left", [5, 12, 60])
def test_gzip_that_is_cut_at_its_start_is_truncated(tmp_path: Path, left: int) -> None:
    (tmp_path / "v.nii.gz").write_bytes(gzip.compress(os.urandom(400))[:left])
    (only,) = ingest(tmp_path)
    assert (only.row["status"], only.row["reason_code"]) == ("failed", "truncated")


@pytest.mark.parametrize("start", [b"", dicom_bytes(mr(NumberOfFrames=2_000_000_000))])
def test_a_refused_file_is_not_read_to_its_end(tmp_path: Path, start: bytes) -> None:
    with (tmp_path / "a.png").open("wb") as file:
        file.write(start)
        file.truncate(1 << 42)  # sparse: 4 TB that would take hours
    (only,) = ingest(tmp_path)
    assert only.row["reason_code"] == ("too_many_frames" if start else "unsupported_format")
    assert only.row["file_sha256"] is None
    assert (only.row["patient_key"] is not None) == bool(start)


def test_hostile_names_are_kept_and_printable(tmp_path: Path) -> None:
    names = [b"new\nline.txt", "bidi\u202egnp.txt".encode(), b"\xff\xfe.txt", b"-rf", b"<b>.txt"]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(PNG[:20])
    read = ingest(tmp_path)
    assert len(read) == len(names)
    paths = {one.row["path"] for one in read}
    assert {"new\nline.txt", "bidi\u202egnp.txt", "\\xff\\xfe.txt"} <= paths
    assert all(one.row["reason"].splitlines()[0] == one.row["reason"] for one in read)
    assert all("\u202e" not in one.row["reason"] for one in read)
    rows = [{**one.row, "run_id": "r"} for one in read]
    write_part(tmp_path / "out" / "part-00000.parquet", rows, SLICES_SCHEMA)


def test_a_name_that_is_not_utf8_is_opened_again(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xe9.png")).write_bytes(PNG)
    (only,) = ingest(tmp_path)
    assert (only.row["status"], only.row["path"]) == ("ok", "\\xe9.png")


def test_deep_folders_end_in_a_row(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    name = "d" * 200
    for _ in range(40):  # 8,000 characters: deeper than a path can name
        os.mkdir(name, dir_fd=here)
        deeper = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    read = ingest(tmp_path)
    assert [one.row["reason_code"] for one in read] == ["unreadable_folder"]


def test_three_hundred_levels_are_walked(tmp_path: Path) -> None:
    deep = tmp_path / Path(*["d"] * 300)
    deep.mkdir(parents=True)
    (deep / "a.png").write_bytes(PNG)
    assert [one.row["status"] for one in ingest(tmp_path)] == ["ok"]


def test_a_plan_survives_its_file(tmp_path: Path) -> None:
    entries = [
        PlanEntry(b"a/\xff\n.dcm", "dicom", 3, 7, 12),
        PlanEntry(b"pipe", None, reason_code="not_a_regular_file", reason="expected a file."),
    ]
    write_plan(tmp_path / "plan" / "part-00000.parquet", entries)
    assert read_plan(tmp_path / "plan" / "part-00000.parquet") == entries
    assert [path.name for path in (tmp_path / "plan").iterdir()] == ["part-00000.parquet"]


def test_a_row_has_the_measures_of_its_picture(tmp_path: Path) -> None:
    only = ingest_one(tmp_path, "a.png", PNG)
    measured = measure(only.pixels).columns()
    assert set(measured) == {"width", "height", *QUALITY_COLUMNS}
    assert {name: only.row[name] for name in measured} == measured


def test_what_is_not_a_plan_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "p.parquet").write_bytes(b"PAR1")
    with pytest.raises(RunRecordError, match=r"p\.parquet: expected the plan of a chunk"):
        read_plan(tmp_path / "p.parquet")
    with pytest.raises(RunRecordError, match=r"gone\.parquet: expected the plan of a chunk"):
        read_plan(tmp_path / "gone.parquet")


def test_every_reason_has_a_remedy_of_one_sentence() -> None:
    assert set(REMEDIES) == set(Reason)
    assert all(text.endswith(".") and text.count(". ") == 0 for text in REMEDIES.values())
    assert {reason.status for reason in Reason} == {"refused", "failed"}


def test_rows_fit_the_schema_of_slices(tmp_path: Path) -> None:
    batch = tmp_path / "batch"
    save(batch / "a.dcm", mr())
    (batch / "b.png").write_bytes(PNG)
    (batch / "c.txt").write_bytes(b"text")
    rows = [{**one.row, "run_id": "r"} for one in ingest(batch)]
    write_part(tmp_path / "part-00000.parquet", rows, SLICES_SCHEMA)
    assert [row["status"] for row in rows] == ["ok", "ok", "refused"]


def test_pixels_are_there_only_if_ok(tmp_path: Path) -> None:
    (tmp_path / "b.png").write_bytes(PNG)
    (tmp_path / "c.png").write_bytes(picture_bytes(head8(20), "PNG"))
    good, small = ingest(tmp_path)
    assert good.pixels.dtype == np.uint8
    assert good.pixels.shape == (good.row["height"], good.row["width"])
    assert small.pixels is None
    assert small.row["slice_id"] is not None


def test_a_large_batch_has_larger_chunks_and_not_more(tmp_path: Path) -> None:
    for number in range(23):
        (tmp_path / f"{number}.png").write_bytes(picture_bytes(head8(), "PNG"))
    chunks = plan_batch(tmp_path, SETTINGS, 2, max_chunks=4)
    assert [len(chunk) for chunk in chunks] == [6, 6, 6, 5]
    assert len(plan_batch(tmp_path, SETTINGS, 2, max_chunks=100)) == 12


@pytest.mark.parametrize(
    ("slices", "asked", "largest"),
    [(5_000, 256, 256), (60_000, 256, 500), (1_000_000, 256, 1024), (1_000_000, 2048, 2048)],
)
def test_chunks_of_a_large_batch_grow_no_further_than_memory_bears(
    slices: int, asked: int, largest: int
) -> None:
    entry = PlanEntry(b"volume.nii", "nifti", n_frames=slices)
    chunks = Chunks(lambda: iter([entry]), slices, asked, max_chunks=120)
    sizes = [sum(part.n_frames for part in chunk) for chunk in chunks]
    assert max(sizes) == largest
    assert sum(sizes) == slices


def test_names_that_differ_in_one_undecodable_byte_are_rows_of_their_own(tmp_path: Path) -> None:
    batch = tmp_path / "batch"
    batch.mkdir()
    for name in (b"bad\xff.png", b"bad\\xff.png"):
        (batch / os.fsdecode(name)).write_bytes(PNG)
    rows = [{**one.row, "run_id": "r"} for one in ingest(batch)]
    write_part(tmp_path / "slices" / "part-00000.parquet", rows, SLICES_SCHEMA)
    table = read_run(tmp_path)
    assert sorted(table["path"]) == ["bad\\x5cxff.png", "bad\\xff.png"]
