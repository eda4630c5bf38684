from __future__ import annotations

from pathlib import Path

import pytest

from artemis.batches.batch import plan_chunks, plan_shard
from artemis.ingest.plan import PlanEntry, list_batch
from artemis.ingest.shards import Shard
from artemis.settings import Settings
from tests.ingest.builders import SETTINGS, head, head8, mr, picture_bytes, save


def entries_of(batch: Path, workspace: Path, shard: str) -> list[PlanEntry]:
    chunks, _ = plan_shard(batch, Settings(workspace=workspace), Shard.parse(shard))
    return [entry for chunk in chunks for entry in chunk]


def test_shard_is_read_as_it_is_written() -> None:
    assert Shard.parse("2/4") == Shard(2, 4)
    assert str(Shard(2, 4)) == "2/4"


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "1/0", "a/b", "-1/4", "1/4 ", "01/4"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a shard such as 2/4"):
        Shard.parse(text)


@pytest.mark.parametrize("of", [1, 2, 3, 7])
def test_every_unit_is_of_exactly_one_shard(of: int) -> None:
    shards = [Shard(number, of) for number in range(1, of + 1)]
    held = [sum(shard.holds(b"%d" % unit) for shard in shards) for unit in range(500)]
    assert held == [1] * 500
    sizes = [sum(shard.holds(b"%d" % unit) for unit in range(500)) for shard in shards]
    assert min(sizes) > 0.7 * 500 / of


def test_a_unit_stays_with_its_shard_from_version_to_version() -> None:
    units = [b"a.png", b"ward/b.png", b"1.2.840.1", b"\xff\xfe.jpg"]
    held = [next(n for n in range(1, 65) if Shard(n, 64).holds(unit)) for unit in units]
    assert held == [16, 15, 15, 41]


def test_shards_together_are_the_batch_at_its_places(samples: Path, tmp_path: Path) -> None:
    whole = [e for c in plan_chunks(samples, Settings(workspace=tmp_path)) for e in c]
    parts = [entries_of(samples, tmp_path, f"{number}/3") for number in (1, 2, 3)]
    assert all(parts)
    together = sorted((e for part in parts for e in part), key=lambda entry: entry.position)
    assert together == whole
    assert [e.position for e in whole[:3]] == [0, 1, 2]


def test_shards_do_not_depend_on_where_the_batch_lies_or_what_else_it_holds(
    tmp_path: Path,
) -> None:
    png = picture_bytes(head8(), "PNG")
    for root, names in (("one", "abcdef"), ("two/there", "abcdefghij")):
        (tmp_path / root).mkdir(parents=True)
        for name in names:
            (tmp_path / root / f"{name}.png").write_bytes(png)
    one = {e.path for e in entries_of(tmp_path / "one", tmp_path / "w", "1/2")}
    two = {e.path for e in entries_of(tmp_path / "two" / "there", tmp_path / "w", "1/2")}
    assert one == {path for path in two if path[:1] in b"abcdef"}


def test_a_study_of_several_folders_is_of_one_shard(tmp_path: Path) -> None:
    for series in range(4):
        for number in range(3):
            refused = {"Modality": "CT"} if number == 2 else {}
            scan = mr(
                head(), StudyInstanceUID="1.2.3", SeriesInstanceUID=f"1.2.3.{series}", **refused
            )
            save(tmp_path / "batch" / f"s{series}" / f"{number}.dcm", scan)
    listings = [
        list_batch(tmp_path / "batch", SETTINGS, shard=Shard(number, 4)) for number in range(1, 5)
    ]
    assert sorted(len([*listing.entries()]) for listing in listings) == [0, 0, 0, 12]
    assert len({listing.sha256 for listing in listings}) == 1
    assert {listing.slices for listing in listings} == {12}


def test_the_limit_is_of_the_whole_batch(samples: Path) -> None:
    parts = [
        list_batch(samples, Settings().ingest, 10, shard=Shard(number, 2)) for number in (1, 2)
    ]
    assert sum(e.n_frames for part in parts for e in part.entries()) == 10
    assert {part.slices for part in parts} == {10}
