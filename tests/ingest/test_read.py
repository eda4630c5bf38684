from __future__ import annotations

import hashlib
import os
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from artemis.ingest import once
from artemis.ingest.border import IN_MEMORY_BYTES
from artemis.ingest.plan import PlanEntry
from artemis.ingest.read import read_chunk
from tests.ingest.builders import KEY, SETTINGS, dicom_bytes, head, mr, plan

SIDE, FRAMES = 1024, 36
IN_CHUNKS = 9


def many_frames(folder: Path) -> Path:
    """A DICOM object too large to be held, of which the first frame alone is no zeros."""
    pixels = head(SIDE, dtype=np.int16)
    whole = dicom_bytes(mr(pixels[None], NumberOfFrames=FRAMES, WindowCenter=9, WindowWidth=90))
    start = bytearray(whole[: -pixels.nbytes])
    start[-4:] = (FRAMES * pixels.nbytes).to_bytes(4, "little")
    path = folder / "frames.dcm"
    path.write_bytes(start + pixels.tobytes())
    os.truncate(path, len(start) + FRAMES * pixels.nbytes)
    assert path.stat().st_size > IN_MEMORY_BYTES
    return path


def bytes_read() -> int:
    """What this process has asked the system to read so far."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["rchar"])


def read(folder: Path, entry: PlanEntry) -> set[str]:
    """Read a chunk; return the hashes of its file."""
    return {one.row["file_sha256"] for one in read_chunk(folder, [entry], SETTINGS, KEY)}


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="Linux counts what is read")
def test_a_file_of_many_chunks_is_hashed_once_and_again_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = many_frames(tmp_path)
    size, before = path.stat().st_size, path.stat()
    chunks = plan(tmp_path, chunk_slices=FRAMES // IN_CHUNKS)
    assert [entry.n_frames for entry in chunks] == [FRAMES // IN_CHUNKS] * IN_CHUNKS
    monkeypatch.setattr(once, "SETTLED_NS", -1)  # as if it had lain there for a while

    start = bytes_read()
    hashes = [read(tmp_path, entry) for entry in chunks]
    assert bytes_read() - start < 2.2 * size  # all of it to be hashed, and each frame to be shown
    assert hashes == [{hashlib.sha256(path.read_bytes()).hexdigest()}] * IN_CHUNKS

    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\1")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert read(tmp_path, chunks[1]) == {hashlib.sha256(path.read_bytes()).hexdigest()}
    assert read(tmp_path, chunks[1]) != hashes[1]


@pytest.mark.parametrize("changed_at", [0, 1])
def test_what_is_written_to_while_it_is_read_has_no_answer_from_then_on(
    tmp_path: Path, changed_at: int
) -> None:
    path = many_frames(tmp_path)
    (entry,) = plan(tmp_path)

    def write_at(_: int, frame: int) -> None:
        if frame == changed_at:  # after the file was hashed
            with path.open("r+b") as file:
                file.seek(-1, os.SEEK_END)
                file.write(b"\1")

    first = replace(entry, n_frames=2)
    rows = [one.row for one in read_chunk(tmp_path, [first], SETTINGS, KEY, write_at)]
    codes = [row["reason_code"] for row in rows]
    assert codes == (["file_changed"] * 2 if changed_at == 0 else [None, "file_changed"])
    assert "Run the batch again when nothing writes to its folder." in rows[1]["reason"]


def test_a_large_deflated_object_is_never_held_as_a_whole(tmp_path: Path) -> None:
    pixels = np.zeros((28, SIDE, SIDE), np.int16)
    pixels[[0, 27]] = head(SIDE)
    ds = mr(pixels, syntax=DeflatedExplicitVRLittleEndian, NumberOfFrames=28)
    (tmp_path / "frames.dcm").write_bytes(dicom_bytes(ds))
    (entry,) = plan(tmp_path)
    chunk = [replace(entry, first_frame=first, n_frames=1) for first in (27, 0)]
    tracemalloc.start()
    try:
        one, other = read_chunk(tmp_path, chunk, SETTINGS, KEY)
        assert tracemalloc.get_traced_memory()[1] < 0.8 * pixels.nbytes
    finally:
        tracemalloc.stop()
    assert one.row["status"] == "ok"
    np.testing.assert_array_equal(one.pixels, other.pixels)
