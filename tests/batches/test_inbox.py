from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artemis.batches import inbox, waiting
from artemis.batches.inbox import Claim
from artemis.batches.waiting import Candidate, Listing
from tests.inboxes import drop, take, tree

ROOT = Path(__file__).parents[2]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    inbox.prepare(tmp_path)
    return tmp_path


def test_a_folder_is_taken_by_rename_under_a_random_id_and_ends_in_done(workspace: Path) -> None:
    drop(workspace, "Mueller Anna")
    claim = take(workspace)
    assert not list((workspace / "inbox").iterdir())
    assert tree(claim.folder) == {"0.png", "1.png"}
    assert "Mueller" not in str(claim.folder)
    done = inbox.finish(claim)
    assert done == workspace / "done" / f"Mueller Anna-{claim.id}"
    assert tree(done) == {"0.png", "1.png"}
    assert not list((workspace / "processing").iterdir())


def test_quarantine_keeps_the_batch_and_says_why_beside_it(workspace: Path) -> None:
    drop(workspace, "batch")
    claim = take(workspace)
    target = inbox.quarantine(claim, "Expected scans. Received none.")
    assert tree(workspace / "quarantine") == {
        target.name,
        f"{target.name}/0.png",
        f"{target.name}/1.png",
        f"{target.name}.reason.txt",
    }
    reason = (workspace / "quarantine" / f"{target.name}.reason.txt").read_text()
    assert "Expected scans. Received none." in reason
    assert f"batch {claim.id}, attempt 1" in reason
    assert "move the folder back to inbox/" in reason


@pytest.mark.parametrize("end", [inbox.finish, lambda claim: inbox.quarantine(claim, "Why.")])
def test_a_batch_is_found_by_the_folder_that_its_run_recorded(workspace: Path, end) -> None:
    drop(workspace, "Mueller Anna")
    claim = take(workspace)
    assert inbox.batch_now(claim.folder) == claim.folder
    lies = end(claim)
    assert inbox.batch_now(claim.folder) == lies
    other = workspace / "processing" / "00000000"
    assert inbox.batch_now(other) == other, "nothing of that id"
    assert inbox.batch_now(workspace / "scans") == workspace / "scans", "no batch of an inbox"


@pytest.mark.parametrize("folder", ["scans/0123abcd", "processing/scans"])
def test_a_batch_of_another_folder_or_name_is_not_looked_for(workspace: Path, folder: str) -> None:
    for name in ("a-0123abcd", "a-scans"):
        (workspace / "done" / name).mkdir()
    assert inbox.batch_now(workspace / folder) == workspace / folder


def test_loose_files_become_one_batch(workspace: Path) -> None:
    for name in ("a.png", "b.dcm", ".hidden", "other.ready"):
        (workspace / "inbox" / name).write_bytes(b"x")
    claim = take(workspace)
    assert claim.name == "loose-files"
    assert tree(claim.folder) == {"a.png", "b.dcm"}
    assert tree(workspace / "inbox") == {".hidden", "other.ready"}


def test_thousands_of_loose_files_are_one_batch(workspace: Path) -> None:
    names = [f"IM{number:06}" for number in range(2_000)]
    for name in names:
        (workspace / "inbox" / name).touch()
    [candidate] = waiting.candidates(workspace)
    assert list(candidate.entries) == names
    assert candidate.listing.files == 2_000


def test_a_batch_is_ready_once_unchanged_for_the_quiet_period(workspace: Path) -> None:
    folder = drop(workspace, "batch")
    [candidate] = waiting.candidates(workspace)
    changed = candidate.listing.changed
    assert candidate.listing.files == 2
    assert candidate.listing.size == 4
    assert not candidate.is_ready(30, changed + 29.9)
    assert candidate.is_ready(30, changed + 30)
    (folder / "deep").mkdir()
    (folder / "deep" / "2.png").write_bytes(b"new")
    [later] = waiting.candidates(workspace)
    assert later.listing.changed > changed
    assert not later.is_ready(30, changed + 30)


def test_modification_times_that_were_set_back_do_not_make_a_batch_ready(workspace: Path) -> None:
    folder = drop(workspace, "batch")
    for path in (*folder.iterdir(), folder):
        os.utime(path, (1_000_000, 1_000_000))
    [candidate] = waiting.candidates(workspace)
    assert not candidate.is_ready(30, time.time())


def test_modification_times_of_the_future_do_not_keep_a_batch_waiting(workspace: Path) -> None:
    folder = drop(workspace, "batch")
    future = time.time() + 1e6
    os.utime(folder / "1.png", (future, future))
    [candidate] = waiting.candidates(workspace)
    assert candidate.is_ready(30, candidate.listing.changed + 30)
    assert candidate.listing.changed < future


def test_quiet_is_measured_by_the_clock_that_dates_the_files(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, ahead = drop(workspace, "batch"), time.time() + 3600
    monkeypatch.setattr("time.time", lambda: ahead)
    [candidate] = waiting.candidates(workspace)
    assert 0 <= waiting.now(workspace) - folder.stat().st_ctime < 1800
    assert not candidate.is_ready(1800, waiting.now(workspace))


def test_a_clock_that_was_set_back_does_not_keep_a_batch_waiting(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = drop(workspace, "batch")
    dated = folder.stat().st_ctime
    monkeypatch.setattr("artemis.batches.waiting.now", lambda _: dated - 3600)
    [candidate] = waiting.candidates(workspace)
    assert candidate.is_ready(30, dated - 3600)
    monkeypatch.setattr("artemis.batches.waiting.now", lambda _: dated - 10)
    [candidate] = waiting.candidates(workspace)
    assert not candidate.is_ready(30, dated + 10), "too near to tell from a copy under way"


def test_a_folder_whose_name_begins_with_a_dot_is_no_batch(workspace: Path) -> None:
    drop(workspace, ".partial")
    (workspace / "inbox" / ".partial.ready").touch()
    drop(workspace, "batch.")
    assert [found.name for found in waiting.candidates(workspace)] == ["batch."]


def test_an_empty_folder_waits_for_its_files(workspace: Path) -> None:
    drop(workspace, "batch", files=0)
    [candidate] = waiting.candidates(workspace)
    assert not candidate.is_ready(30, time.time() + 1e6)


@pytest.mark.parametrize("marker", ["batch/.ready", "batch.ready"])
def test_a_marker_makes_a_batch_ready_at_once_and_goes_with_it(
    workspace: Path, marker: str
) -> None:
    drop(workspace, "batch")
    (workspace / "inbox" / marker).touch()
    [candidate] = waiting.candidates(workspace)
    assert candidate.is_ready(1e9, time.time())
    claim = inbox.claim(workspace, candidate)
    assert claim is not None
    assert tree(claim.folder) == {"0.png", "1.png"}
    assert not list((workspace / "inbox").iterdir())


def test_a_marker_makes_loose_files_ready(workspace: Path) -> None:
    (workspace / "inbox" / "a.png").write_bytes(b"x")
    (workspace / "inbox" / ".ready").touch()
    claim = take(workspace)
    assert tree(claim.folder) == {"a.png"}
    assert not list((workspace / "inbox").iterdir())


def test_a_batch_that_changes_while_it_is_looked_at_is_left(workspace: Path) -> None:
    folder = drop(workspace, "batch")
    [candidate] = waiting.candidates(workspace)
    (folder / "late.png").write_bytes(b"x")
    assert inbox.claim(workspace, candidate) is None
    assert tree(folder) == {"0.png", "1.png", "late.png"}
    assert not list((workspace / "processing").iterdir())


def test_a_marked_batch_is_taken_with_what_came_since_it_was_looked_at(workspace: Path) -> None:
    folder = drop(workspace, "batch")
    (workspace / "inbox" / "batch.ready").touch()
    [candidate] = waiting.candidates(workspace)
    (folder / "late.png").write_bytes(b"x")
    claim = inbox.claim(workspace, candidate)
    assert claim is not None
    assert tree(claim.folder) == {"0.png", "1.png", "late.png"}


def test_loose_files_are_taken_without_one_that_is_gone(workspace: Path) -> None:
    for name in ("a.png", "b.png", ".ready"):
        (workspace / "inbox" / name).write_bytes(b"x")
    [candidate] = waiting.candidates(workspace)
    (workspace / "inbox" / "a.png").unlink()
    claim = inbox.claim(workspace, candidate)
    assert claim is not None
    assert tree(claim.folder) == {"b.png"}
    assert claim.note.exists()


def test_a_batch_that_is_gone_is_nobodys(workspace: Path) -> None:
    drop(workspace, "batch")
    [candidate] = waiting.candidates(workspace)
    assert inbox.claim(workspace, candidate) is not None
    marked = Candidate("batch", ("batch",), False, True, candidate.listing)
    assert inbox.claim(workspace, marked) is None
    assert len(list((workspace / "processing").glob("*.json"))) == 1


def test_two_processes_take_each_batch_once(workspace: Path) -> None:
    names = {f"batch {number:03}" for number in range(150)}
    for name in names:
        drop(workspace, name, files=1)
    (workspace / "inbox" / "loose.png").write_bytes(b"x")
    code = (
        "import sys; from pathlib import Path; from artemis.batches import inbox, waiting\n"
        "found = waiting.candidates(Path(sys.argv[1]))\n"
        "print(len(found), flush=True); sys.stdin.readline()\n"
        "for candidate in found:\n"
        "    claim = inbox.claim(Path(sys.argv[1]), candidate)\n"
        "    if claim: print(claim.name, flush=True)\n"
    )
    consumers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(workspace)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for consumer in consumers:
        assert consumer.stdout is not None
        assert consumer.stdout.readline() == "151\n"
    for consumer in consumers:
        assert consumer.stdin is not None
        consumer.stdin.write("go\n")
        consumer.stdin.flush()
    taken = [consumer.communicate(timeout=60)[0].splitlines() for consumer in consumers]
    assert sorted(taken[0] + taken[1]) == sorted([*names, "loose-files"])
    assert not list((workspace / "inbox").iterdir())
    assert len(list((workspace / "processing").glob("*.json"))) == 151


def test_what_a_dead_consumer_left_is_found_with_its_attempts_counted(workspace: Path) -> None:
    drop(workspace, "batch")
    claim = take(workspace)
    for attempt in (2, 3):
        [found] = inbox.orphans(workspace)
        assert found == Claim(workspace, claim.id, "batch", attempt)
    inbox.excuse(found)
    assert [again.attempts for again in inbox.orphans(workspace)] == [3]


def test_what_became_of_an_attempt_lies_beside_the_batch_until_the_next(workspace: Path) -> None:
    drop(workspace, "batch")
    claim = take(workspace)
    inbox.keep(claim, "ModelError: a fault.")
    assert json.loads(claim.note.read_text())["error"] == "ModelError: a fault."
    [found] = inbox.orphans(workspace)
    assert found == Claim(workspace, claim.id, "batch", 2)
    assert "error" not in json.loads(claim.note.read_text())


def test_a_batch_without_its_note_is_finished_all_the_same(workspace: Path) -> None:
    drop(workspace, "batch")
    claim = take(workspace)
    claim.note.unlink()
    assert tree(inbox.finish(claim)) == {"0.png", "1.png"}


def test_a_note_without_its_batch_is_removed(workspace: Path) -> None:
    note = workspace / "processing" / "0123abcd.json"
    note.write_text('{"name": "gone", "attempts": 1}')
    assert not list(inbox.orphans(workspace))
    assert not note.exists()


@pytest.mark.parametrize("note", [None, "{", "[]", '{"name": "../../x", "attempts": 0}'])
def test_a_batch_with_a_damaged_note_is_not_lost(workspace: Path, note: str | None) -> None:
    (workspace / "processing" / "0123abcd").mkdir()
    (workspace / "processing" / "0123abcd" / "a.png").write_bytes(b"x")
    if note is not None:
        (workspace / "processing" / "0123abcd.json").write_text(note)
    [found] = inbox.orphans(workspace)
    assert (found.name, found.attempts) == ("unnamed", 1)
    assert tree(inbox.finish(found)) == {"a.png"}


def test_what_is_not_a_claim_stays_in_processing(workspace: Path) -> None:
    (workspace / "processing" / "Mueller").mkdir()
    assert not list(inbox.orphans(workspace))
    assert tree(workspace / "processing") == {"Mueller"}


def test_links_out_of_a_batch_are_named_and_those_within_are_not(
    workspace: Path,
) -> None:
    folder = drop(workspace, "batch")
    (folder / "within.png").symlink_to("0.png")
    (folder / "loop").symlink_to("loop")
    claim = take(workspace)
    assert inbox.links_outside(claim.folder) == []
    (claim.folder / "out.png").symlink_to("/etc/hostname")
    (claim.folder / "deep").mkdir()
    (claim.folder / "deep" / "up").symlink_to("../../..")
    (claim.folder / "sibling").symlink_to(f"../{claim.id}0")
    assert sorted(inbox.links_outside(claim.folder)) == ["deep/up", "out.png", "sibling"]


def test_a_link_in_the_inbox_is_moved_and_never_what_it_leads_to(
    workspace: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "scan.png").write_bytes(b"x")
    (outside / ".ready").touch()
    (workspace / "inbox" / "link").symlink_to(outside)
    [candidate] = waiting.candidates(workspace)
    assert not candidate.marked
    assert candidate.listing.size == (workspace / "inbox" / "link").lstat().st_size
    claim = inbox.claim(workspace, candidate)
    assert claim is not None
    assert inbox.links_outside(claim.folder) == ["."]
    assert inbox.quarantine(claim, "a link").is_symlink()
    assert tree(outside) == {"scan.png", ".ready"}


def test_names_of_any_bytes_survive(workspace: Path) -> None:
    name = os.fsdecode(b"\xff\xfe <b>\n" + b"n" * 240)
    drop(workspace, name)
    claim = take(workspace)
    assert json.loads(claim.note.read_text(encoding="ascii"))["name"] == name
    [found] = inbox.orphans(workspace)
    assert found.name == name
    target = inbox.quarantine(found, f"Received {name!r}")
    assert os.fsencode(target.name).startswith(b"\xff\xfe <b>\n")
    assert target.name.endswith(claim.id)
    assert tree(target) == {"0.png", "1.png"}


@given(
    files=st.integers(0, 5),
    age=st.floats(0, 1e6),
    quiet=st.floats(0, 1e6),
    marked=st.booleans(),
)
def test_only_what_is_marked_or_quiet_and_not_empty_is_ready(
    files: int, age: float, quiet: float, marked: bool
) -> None:
    candidate = Candidate("b", ("b",), False, marked, Listing(files, 0, 0.0))
    assert candidate.is_ready(quiet, age) == (marked or (files > 0 and age >= quiet))
