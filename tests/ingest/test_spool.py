from __future__ import annotations

import re
import resource
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artemis.errors import WorkspaceError
from artemis.ingest import spool as spools
from artemis.ingest.plan import list_batch
from artemis.ingest.probe import Probe
from artemis.ingest.spool import Names, Spool, natural_key
from artemis.system.disk import is_full
from tests.ingest.builders import SETTINGS, head8, mr, picture_bytes, save

NAMES = st.binary(max_size=12).map(lambda name: name.replace(b"\0", b"0").replace(b"/", b"1"))


def parts_of(name: bytes) -> list[tuple[int, int, bytes]]:
    """What natural order compares: numbers by value, before text without case."""
    found = (part for part in re.split(rb"(\d+)", name) if part)
    return [(0, int(p), b"") if p.isdigit() else (1, 0, p.lower()) for p in found]


def held() -> int:
    """Bytes that Python holds now, without what it keeps of the parts of paths for itself."""
    traces = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(False, "*pathlib*")])
    return sum(trace.size for trace in traces.traces)


@given(NAMES, NAMES)
def test_keys_compare_as_the_parts_of_the_names(one: bytes, other: bytes) -> None:
    assert (natural_key(one) < natural_key(other)) == (parts_of(one) < parts_of(other))
    assert (natural_key(one) == natural_key(other)) == (parts_of(one) == parts_of(other))


@pytest.mark.parametrize("held", [1, 2, 7, 100])
def test_names_that_wait_on_disk_are_in_the_same_order(
    held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spools, "NAMES_HELD", held)
    # 7 and 40 have no common divisor, so that these come in another order than theirs.
    names = [b"%s%d" % (text, number * 7 % 40) for number in range(40) for text in (b"a", b"B0")]
    spool = Spool()
    one, other = Names(spool), Names(spool)
    for name in names:
        one.add(name)
        other.add(b"x" + name)
    expected = sorted(names, key=lambda name: (parts_of(name), name))
    assert [*one] == expected
    assert [*other] == [b"x" + name for name in expected]


def test_a_listing_does_not_depend_on_what_waits_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        folder = tmp_path / f"d{number % 2}" / f"e{number % 3}"
        save(folder / f"{number}", mr(ImagePositionPatient=[0, 0, number * 5 % 12]))
        (folder / f"{number}.png").write_bytes(picture_bytes(head8(), "PNG"))
    before = list_batch(tmp_path, SETTINGS)
    monkeypatch.setattr(spools, "NAMES_HELD", 2)
    after = list_batch(tmp_path, SETTINGS)
    assert [*after.entries()] == [*before.entries()]
    assert (after.sha256, after.slices) == (before.sha256, 24)


def test_a_series_stands_by_position_where_its_first_file_stands() -> None:
    spool = Spool()
    series = [("a", 0.0), (None, 0.0), ("b", 2.0), ("a", -1.0), ("b", 2.0), ("b", float("nan"))]
    for number, (uid, position) in enumerate(series):
        probed = Probe("dicom", series=uid, order=((0.0, 0.0, 1.0), position, 0.0))
        spool.add_file(b"d/%d" % number, probed, True)
    spool.add_file(b"e/0", Probe("dicom", series="a", order=((9.0,), 0.0, 0.0)), True)
    paths = [file.path.decode() for file in spool.files()]
    assert paths == ["d/3", "d/0", "d/1", "d/2", "d/4", "d/5", "e/0"]


def test_no_identifier_of_a_series_is_on_disk() -> None:
    spool = Spool()
    spool.add_file(b"a", Probe("dicom", series="1.2.3.4.5", study="1.2.3.4"), True)
    dump = "\n".join(spool._database.iterdump())
    assert "'dicom'" in dump
    assert "1.2.3.4" not in dump
    assert b"1.2.3.4".hex() not in dump.lower()


def test_the_list_has_no_name_in_its_folder(tmp_path: Path) -> None:
    batch, room = tmp_path / "batch", tmp_path / "room"
    batch.mkdir()
    room.mkdir()
    (batch / "a.png").write_bytes(picture_bytes(head8(), "PNG"))
    listing = list_batch(batch, SETTINGS, spooled_in=room)
    assert [*room.iterdir()] == []
    assert [entry.path for entry in listing.entries()] == [b"a.png"]


def test_a_folder_without_room_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match=r"gone: expected room for the list of the batch's"):
        Spool(tmp_path / "gone")


def test_a_disk_that_fills_up_while_files_are_listed_is_known_as_full(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        with pytest.raises(WorkspaceError, match="expected room for the list") as caught:
            spool.add_names([(bytes(12 << 20), b"a")])  # more than is held in memory
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert is_full(caught.value)


def most_held_while_listing(batch: Path, files: int) -> int:
    held_at: list[int] = []

    def on_found(found: int) -> None:
        if found in (1, files):  # all names are known; all files are
            held_at.append(held())

    tracemalloc.start()
    try:
        for chunk in list_batch(batch, SETTINGS, on_found=on_found).cut(chunk_slices=100):
            assert len(chunk) == 100
            if chunk[-1].position == files - 1:
                held_at.append(held())
    finally:
        tracemalloc.stop()
    assert len(held_at) == 3
    return max(held_at)


def test_memory_does_not_grow_with_the_files_of_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spools, "NAMES_HELD", 200)
    for files in (500, 5_000):
        (tmp_path / f"{files}").mkdir()
        for number in range(files):
            (tmp_path / f"{files}" / f"image{number}_of_a_patient").touch()
    most_held_while_listing(tmp_path / "500", 500)  # whatever is imported or kept once
    few = most_held_while_listing(tmp_path / "500", 500)
    many = most_held_while_listing(tmp_path / "5000", 5_000)
    assert many - few < 300_000, "bytes; a list of all entries has millions"


def test_memory_does_not_grow_with_the_files_of_a_series() -> None:
    def most_held(files: int) -> int:
        tracemalloc.start()
        try:
            spool, last = Spool(), -1.0
            for number in range(files):
                order = ((0.0, 0.0, 1.0), float(number * 7 % files), 0.0)
                spool.add_file(b"d/%d" % number, Probe("dicom", series="1.2", order=order), True)
            added = held()
            for file in spool.files():
                position = int(file.path[2:]) * 7 % files
                assert position > last
                last = position
            return max(added, held())
        finally:
            tracemalloc.stop()

    few, many = most_held(500), most_held(5_000)
    assert many - few < 300_000, "bytes; a list of all files has millions"
