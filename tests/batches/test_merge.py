"""Shards of the samples, joined again: real files, real models, no Prefect."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from artemis.answers.studies import write_studies
from artemis.batches.batch import conclude_run, plan_chunks, plan_shard, start_run, write_plans
from artemis.batches.classify import conclude_chunk, ingest_chunk, predict_chunk
from artemis.batches.merge import merge_runs
from artemis.batches.merge_tables import ShardTables
from artemis.errors import MergeError, RunRecordError
from artemis.ingest.plan import read_plan
from artemis.ingest.shards import Shard
from artemis.predictions import read_run, read_studies, read_table
from artemis.progress import Progress, listening
from artemis.report.run.data import load_run
from artemis.runs import Counts, RunPaths, RunRecord, read_record
from artemis.settings import Settings

MODELS = ["mobilenet_v2", "baseline"]


def classify(batch: Path, settings: Settings, models: list[str], shard: str | None = None) -> Path:
    """Classify a batch or a shard of it, step by step; return the run's folder."""
    run, record = start_run(batch, settings, models, "a test")
    if shard is None:
        chunks = plan_chunks(batch, settings)
    else:
        chunks, share = plan_shard(batch, settings, Shard.parse(shard))
        record = record.model_copy(update={"shard": share})
    write_plans(run, chunks)
    counts = Counts()
    for chunk in range(len(chunks)):
        counts += ingest_chunk(run, record, chunk, sorted({m.side for m in record.models}))
        for model in record.models:
            predict_chunk(run, record, chunk, model.name, model.folder)
        counts += Counts(needs_review=conclude_chunk(run, record, chunk))
    write_studies(run, record)
    conclude_run(run, record, counts, {"classify": 1.0})
    return run.root


def settings_of(workspace: Path) -> Settings:
    return Settings(workspace=workspace, chunk_slices=8)


def merge(workspace: Path, runs: list[Path]) -> RunRecord:
    return merge_runs(runs, settings_of(workspace), "a merge")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("merge")


@pytest.fixture(scope="module")
def whole(workspace: Path, samples: Path) -> Path:
    return classify(samples, settings_of(workspace), MODELS)


@pytest.fixture(scope="module")
def shards(workspace: Path, samples: Path) -> list[Path]:
    return [
        classify(samples, settings_of(workspace), MODELS, f"{number}/3") for number in (1, 2, 3)
    ]


@pytest.fixture(scope="module")
def merged(workspace: Path, shards: list[Path]) -> Path:
    record = merge(workspace, [shards[2], shards[0], shards[1]])
    return RunPaths(workspace, record.run_id).root


def comparable(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns=["run_id"], errors="ignore")


@pytest.mark.parametrize("name", ["slices", "predictions", "thumbnails", "studies"])
def test_merged_run_has_the_rows_of_the_whole_batch_in_order(
    whole: Path, merged: Path, name: str
) -> None:
    expected, received = (comparable(read_table(run, name)) for run in (whole, merged))
    assert len(expected) > 0
    pd.testing.assert_frame_equal(received, expected, check_exact=True)


def test_parts_hold_the_same_rows(whole: Path, merged: Path) -> None:
    def layout(run: Path) -> dict[str, int]:
        return {
            str(path.relative_to(run)): len(pd.read_parquet(path, partitioning=None))
            for path in run.rglob("*.parquet")
        }

    assert layout(merged) == layout(whole)
    assert len(layout(whole)) > 15


def test_every_row_is_of_the_merged_run(merged: Path) -> None:
    assert set(read_run(merged)["run_id"]) == {merged.name}
    assert set(read_studies(merged)["run_id"]) == {merged.name}


def test_record_counts_what_the_whole_run_counts_and_names_the_shards(
    whole: Path, merged: Path, shards: list[Path]
) -> None:
    record = read_record(merged)
    assert record.counts == read_record(whole).counts
    assert record.merged == [run.name for run in shards]
    assert record.shard is None
    assert record.status == "completed"
    assert record.models == read_record(whole).models


def test_report_shows_the_same_slices_in_the_same_order(whole: Path, merged: Path) -> None:
    assert [item.anchor for item in load_run(merged).items] == [
        item.anchor for item in load_run(whole).items
    ]


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_a_missing_shard_is_named(workspace: Path, shards: list[Path], missing: int) -> None:
    others = [run for number, run in enumerate(shards, 1) if number != missing]
    words = rf"expected all 3 shards of .*Received none of {missing}/3\. Classify and name them"
    with pytest.raises(MergeError, match=words):
        merge(workspace, others)


def test_a_shard_twice_is_named(workspace: Path, shards: list[Path]) -> None:
    with pytest.raises(MergeError, match=r"expected each shard once\. Received 1/3 twice"):
        merge(workspace, [*shards, shards[0]])


def test_a_whole_run_is_no_shard(workspace: Path, shards: list[Path], whole: Path) -> None:
    with pytest.raises(MergeError, match=rf"{whole.name}: .*Received one of a whole batch"):
        merge(workspace, [*shards, whole])


def test_a_merged_run_is_no_shard(workspace: Path, shards: list[Path], merged: Path) -> None:
    with pytest.raises(MergeError, match=rf"{merged.name}: .*Received one of merged shards"):
        merge(workspace, [shards[0], merged])


def test_runs_that_did_not_finish_may_be_left_out_for_one_that_did(
    workspace: Path, shards: list[Path], tmp_path: Path
) -> None:
    other = changed(shards[1], tmp_path, _set("status", to="failed"))
    with pytest.raises(MergeError, match=r"Classify shard 2/3 again, or leave this run out if"):
        merge(workspace, [*shards, other])


def changed(run: Path, folder: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """Return a copy of a run below a folder, with another record."""
    other = shutil.copytree(run, folder / run.name)
    record = json.loads((other / "run.json").read_text())
    change(record)
    (other / "run.json").write_text(json.dumps(record))
    return other


def _set(*path: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(record: dict[str, Any]) -> None:
        for step in path[:-1]:
            record = record[step]  # type: ignore[index]
        record[path[-1]] = to  # type: ignore[index]

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_set("status", to="running"), "expected a finished run. Received one that is running"),
        (_set("shard", "of", to=4), "shards: 3 in .*, 4 in"),
        (_set("shard", "slices", to=34), "slices of the batch: 33 in .*, 34 in"),
        (_set("shard", "plan_sha256", to="0" * 64), "files: [0-9a-f]{12} in .*, 0{12} in"),
        (_set("shard", "identity", to="0"), "key of identities: .*, 0 in"),
        (_set("models", 1, "sha256", to="0"), r"baseline\.sha256: .*, 0 in"),
        (_set("models", 1, "version", to="older"), r"baseline\.version: .*, older in"),
        (_set("settings", "ingest", "min_side", to=9), r"settings\.ingest\.min_side: 48 in .*, 9"),
        (_set("settings", "review", "max_set_size", to=2), r"settings\.review\.max_set_size: 1"),
        (_set("versions", "pillow", to="1.0"), "version of pillow: .*, 1.0 in"),
        (
            lambda record: record["versions"].update({"artemis-mri sources": "0" * 12}),
            "version of artemis-mri sources: [0-9a-f]{12} in .*, 0{12} in",
        ),
        (
            _set("runtime", to="openvino in bf16, chosen"),
            "litert in f32 in .*, openvino in bf16 in",
        ),
    ],
)
def test_a_shard_that_differs_is_refused_by_what_differs(
    workspace: Path,
    shards: list[Path],
    tmp_path: Path,
    change: Callable[[dict[str, Any]], None],
    words: str,
) -> None:
    other = changed(shards[1], tmp_path, change)
    with pytest.raises(MergeError, match=words):
        merge(workspace, [shards[0], other, shards[2]])


def test_a_shard_of_fewer_models_is_refused_by_their_names_alone(
    workspace: Path, shards: list[Path], tmp_path: Path
) -> None:
    other = changed(shards[1], tmp_path, lambda record: record["models"].pop(0))
    with pytest.raises(MergeError) as caught:
        merge(workspace, [shards[0], other, shards[2]])
    assert str(caught.value).endswith(
        f"Received a difference in models: mobilenet_v2, baseline in {shards[0].name}, baseline in "
        f"{other.name}. Classify one of them again."
    )


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ("abcde", r"version of d: [^;]*; version of e: [^;.]*\. Classify"),
        ("abcdefg", r"version of e: [^;]*; and 2 more\. Classify"),
    ],
)
def test_of_many_differences_the_first_are_named_and_the_others_counted(
    workspace: Path, shards: list[Path], tmp_path: Path, others: str, words: str
) -> None:
    other = changed(
        shards[1], tmp_path, lambda record: record["versions"].update(dict.fromkeys(others, "1"))
    )
    with pytest.raises(MergeError, match=words):
        merge(workspace, [shards[0], other, shards[2]])


def test_no_run_at_all_is_said(workspace: Path) -> None:
    with pytest.raises(MergeError, match=r"all shards of one batch\. Received none\."):
        merge(workspace, [])


def test_progress_and_time_of_a_merge_are_told(workspace: Path, shards: list[Path]) -> None:
    told: list[Progress] = []
    begun = time.monotonic()
    with listening(told.append):
        record = merge(workspace, shards)
    assert 0 < record.timings["merge"] <= time.monotonic() - begun
    parts = len(list((workspace / "runs" / record.run_id / "slices").iterdir()))
    assert told == [Progress("merging", number, parts) for number in range(parts)]


def test_settings_of_speed_and_place_may_differ(
    workspace: Path, shards: list[Path], tmp_path: Path
) -> None:
    def change(record: dict[str, Any]) -> None:
        record["settings"] |= {"threads": 7, "chunks_in_flight": 1, "workspace": "elsewhere"}
        record |= {"batch": "/another/mount", "engine": "dask, workers: 2"}
        record["models"][0]["folder"] = "/where/it/is/installed/there"
        record["runtime"] += ", chosen by a probe (ms a picture: litert 4.0, openvino 5.1)"

    other = changed(shards[2], tmp_path, change)
    mine = settings_of(workspace).model_copy(update={"thumbnail_side": 64, "threads": 3})
    record = merge_runs([other, *shards[:2]], mine, "a merge")
    assert record.counts.slices == 33
    assert record.batch == read_record(shards[0]).batch  # of the first that was begun
    assert record.engine == "local; dask, workers: 2"
    assert (record.settings.thumbnail_side, record.settings.threads) == (112, 3)


def test_a_workspace_of_another_identity_is_refused(shards: list[Path], tmp_path: Path) -> None:
    (tmp_path / "identity.key").write_bytes(b"k" * 32)
    with pytest.raises(MergeError, match=r"identity\.key: expected the key of identities"):
        merge(tmp_path, shards)


def test_a_damaged_plan_is_refused_before_anything_is_written(
    shards: list[Path], tmp_path: Path
) -> None:
    other = shutil.copytree(shards[1], tmp_path / "elsewhere" / shards[1].name)
    sorted((other / "plan").iterdir())[-1].unlink()
    words = r"expected each of the 33 slices of the batch once\. Received none of slice \d+\. A "
    with pytest.raises(MergeError, match=words):
        merge(tmp_path, [shards[0], other, shards[2]])
    assert not (tmp_path / "runs").exists()


def test_a_slice_that_two_shards_hold_is_refused_though_it_is_the_last(
    samples: Path, tmp_path: Path
) -> None:
    batch = tmp_path / "batch"
    batch.mkdir()
    shutil.copy(samples / "coronal_no_lesion.png", batch)
    runs = [
        classify(batch, settings_of(tmp_path), ["baseline"], f"{number}/2") for number in (1, 2)
    ]
    full, empty = sorted(runs, key=lambda run: -read_record(run).counts.slices)
    number = read_record(empty).shard
    assert number is not None
    again = changed(full, tmp_path / "again", _set("shard", "number", to=number.number))
    with pytest.raises(MergeError, match=r"of the 1 slices .* Received coronal_no_lesion\.png twi"):
        merge(tmp_path, [full, again])


@pytest.mark.parametrize("table", ["slices", "thumbnails", "predictions/model=baseline"])
def test_a_part_that_lacks_rows_fails_the_merge_and_its_record_says_so(
    shards: list[Path], tmp_path: Path, table: str
) -> None:
    other = shutil.copytree(shards[1], tmp_path / "elsewhere" / shards[1].name)
    part = other / table / "part-00000.parquet"
    pq.write_table(pq.ParquetFile(part).read().slice(1), part)
    with pytest.raises(MergeError, match=rf"{table}/part-00000\.parquet: expected the rows that"):
        merge(tmp_path, [shards[0], other, shards[2]])
    [run] = (tmp_path / "runs").iterdir()
    record = read_record(run)
    assert record.status == "failed"
    assert record.counts == Counts()
    assert (record.report, record.mean_doubt, record.timings) == (None, None, {})


def test_a_file_that_a_shard_split_is_whole_again_in_the_plan(
    samples: Path, tmp_path: Path
) -> None:
    batch = tmp_path / "batch"
    batch.mkdir()
    (volume,) = samples.rglob("*.nii.gz")
    shutil.copy(volume, batch / "b.nii.gz")
    shutil.copy(samples / "coronal_no_lesion.png", batch / "a.png")
    shutil.copy(samples / "coronal_no_lesion.png", batch / "c.png")
    shard = classify(batch, Settings(workspace=tmp_path, chunk_slices=2), ["baseline"], "1/1")
    split = [entry for part in sorted((shard / "plan").iterdir()) for entry in read_plan(part)]
    assert len([entry for entry in split if entry.path == b"b.nii.gz"]) > 1
    run = RunPaths(tmp_path, merge(tmp_path, [shard]).run_id)
    together = [read_plan(part) for part in sorted(run.plan.iterdir())]
    assert together == list(plan_chunks(batch, settings_of(tmp_path)))
    tables = ShardTables(RunPaths(tmp_path, shard.name), ["baseline"])
    rows = [tables.take(stop)["slices"] for stop in range(1, sum(e.n_frames for e in split) + 1)]
    assert [one["path"].to_pylist() for one in rows] == [
        [entry.display_path] for entry in split for _ in range(entry.n_frames)
    ]


def test_parts_are_read_when_their_rows_are_wanted_and_not_before(
    shards: list[Path], tmp_path: Path
) -> None:
    other = shutil.copytree(shards[1], tmp_path / shards[1].name)
    first = read_plan(other / "plan" / "part-00000.parquet")
    (other / "slices" / "part-00001.parquet").unlink()
    tables = ShardTables(RunPaths(tmp_path, other.name, other), MODELS)
    taken = tables.take(first[-1].position + first[-1].n_frames)
    assert len(taken["slices"]) == sum(entry.n_frames for entry in first)
    with pytest.raises(RunRecordError, match=r"slices/part-00001\.parquet: expected a Parquet"):
        tables.take(33)


def test_an_empty_shard_is_merged_like_any_other(samples: Path, tmp_path: Path) -> None:
    batch = tmp_path / "batch"
    batch.mkdir()
    shutil.copy(samples / "coronal_no_lesion.png", batch)
    runs = [
        classify(batch, settings_of(tmp_path), ["baseline"], f"{number}/2") for number in (1, 2)
    ]
    assert sorted(read_record(run).counts.slices for run in runs) == [0, 1]
    record = merge(tmp_path, runs)
    assert record.counts.slices == 1


def test_shards_of_an_empty_batch_are_merged_into_an_empty_run(tmp_path: Path) -> None:
    batch = tmp_path / "batch"
    batch.mkdir()
    runs = [classify(batch, settings_of(tmp_path), ["baseline"], f"{n}/2") for n in (1, 2)]
    record = merge(tmp_path, runs)
    assert (record.status, record.counts, record.mean_doubt) == ("completed", Counts(), None)
