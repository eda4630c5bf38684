from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import numpy as np
import pandas as pd
import pytest

from artemis.errors import ModelError
from artemis.predictions import read_run, read_table
from artemis.runs import read_record
from flows.server import PrefectApi
from tests.batches.test_scratch import killed_run
from tests.called import called

pytestmark = pytest.mark.slow(seconds=75)

ROOT = Path(__file__).parents[2]
MODELS = ["mobilenet_v2", "baseline"]


def classify(
    batch: Path, workspace: Path | str, *options: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            str(ROOT / "cli.py"),
            "classify-batch",
            str(batch),
            "--workspace",
            str(workspace),
            *options,
        ],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def classify_here(batch: Path, workspace: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return called("classify-batch", batch, "--workspace", workspace, *options)


def run_of(answer: subprocess.CompletedProcess[str], workspace: Path) -> Path:
    return workspace / "runs" / json.loads(answer.stdout)["run_id"]


def recorded(run_dir: Path) -> tuple[Any, list[Any]]:
    """Return the flow run and its task runs as Prefect's API has them."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    flow_run_id = UUID(read_record(run_dir).prefect_flow_run_id or "")
    with get_client(sync_client=True) as client:
        task_runs = client.read_task_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))
        )
        return client.read_flow_run(flow_run_id), task_runs


@pytest.fixture(scope="module")
def sample_run(
    api: PrefectApi, samples: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[subprocess.CompletedProcess[str], Path]:
    workspace = tmp_path_factory.mktemp("samples")
    answer = classify(samples, workspace, "--json", ARTEMIS_CHUNK_SLICES="8")
    assert answer.returncode == 0, answer.stderr
    return answer, run_of(answer, workspace)


def test_every_sample_is_accounted_for(sample_run, samples: Path) -> None:
    _, run_dir = sample_run
    slices = read_table(run_dir, "slices")
    files = {str(path.relative_to(samples)) for path in samples.rglob("*") if path.is_file()}
    assert set(slices["path"]) == files
    assert slices["status"].value_counts().to_dict() == {"ok": 28, "refused": 4, "failed": 1}
    assert slices[["path", "frame"]].duplicated().sum() == 0
    assert slices.loc[slices["status"] != "ok", "reason"].notna().all()


def test_every_classifiable_slice_has_a_row_of_each_model(sample_run) -> None:
    _, run_dir = sample_run
    predictions = read_table(run_dir, "predictions")
    assert predictions["model"].value_counts().to_dict() == dict.fromkeys(MODELS, 28)
    columns = [column for column in predictions if column.startswith("p_") and column != "p_tumor"]
    assert len(columns) == 12
    assert predictions[columns].sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-5)
    assert (predictions[columns].max(axis=1) == predictions["confidence"]).all()
    none = predictions[[f"p_none_{p}" for p in ("coronal", "sagittal", "transverse")]].sum(axis=1)
    assert predictions["p_tumor"].to_numpy() == pytest.approx(1 - none, abs=1e-5)
    assert (predictions["needs_review"] == (predictions["review_reasons"].str.len() > 0)).all()


def test_plane_against_the_header_is_a_reason_for_review(sample_run) -> None:
    _, run_dir = sample_run
    frame = read_run(run_dir)
    with_header = frame[frame["header_plane"].notna() & frame["model"].notna()]
    assert with_header["header_plane"].value_counts().to_dict() == {
        "sagittal": 2 * 11,
        "transverse": 2 * 6,
    }
    contradicted = with_header["plane"] != with_header["header_plane"]
    named = with_header["review_reasons"].map(lambda reasons: "plane_mismatch" in reasons)
    assert (named == contradicted).all()


def test_record_counts_and_names_what_was_used(sample_run) -> None:
    answer, run_dir = sample_run
    record = read_record(run_dir)
    assert record.status == "completed"
    assert record.counts.model_dump(exclude={"needs_review"}) == {
        "files": 21,
        "slices": 33,
        "ok": 28,
        "refused": 4,
        "failed": 1,
    }
    assert [model.name for model in record.models] == MODELS
    assert record.command.startswith("artemis-cli classify-batch ")
    assert json.loads(answer.stdout)["counts"]["ok"] == 28


def test_many_cores_read_several_chunks_at_once_and_answer_the_same(
    sample_run, samples: Path, tmp_path: Path
) -> None:
    code = (
        "import artemis.system.cores\nartemis.system.cores.usable_cores = lambda: 8\n"
        "import flows.classify, cli, sys\n"
        "assert flows.classify.classify_batch.task_runner._max_workers == 16\ncli.main()"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, "classify-batch", samples, "-w", tmp_path, "--json"],
        cwd=ROOT,
        env=os.environ | {"ARTEMIS_CHUNK_SLICES": "4"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert answer.returncode == 0, answer.stderr
    few, many = (
        read_table(run_dir, "predictions")
        .drop(columns="run_id")
        .sort_values(["path", "frame", "model"], ignore_index=True)
        for run_dir in (sample_run[1], run_of(answer, tmp_path))
    )
    pd.testing.assert_frame_equal(few, many)


def test_only_the_promised_files_are_left(sample_run) -> None:
    _, run_dir = sample_run
    names = {path.name for path in run_dir.iterdir()}
    assert names == {"run.json", "plan", "slices", "predictions", "thumbnails", "studies"}
    assert not list(run_dir.rglob("*.tmp"))


def test_prefect_has_every_task_run_and_the_outcome(sample_run) -> None:
    _, run_dir = sample_run
    flow_run, task_runs = recorded(run_dir)
    record = read_record(run_dir)
    assert flow_run.state.type == "COMPLETED"
    assert len(task_runs) == record.tasks == 5 * (2 + 2) + 2
    assert {run.state.type for run in task_runs} == {"COMPLETED"}
    steps = ("ingest", "classify-mobilenet_v2", "classify-baseline", "conclude")
    names = {f"{step} chunk {chunk}/5 of {run_dir.name}" for step in steps for chunk in range(1, 6)}
    names |= {f"{step} of {run_dir.name}" for step in ("studies", "report")}
    assert {run.name for run in task_runs} == names


def test_prefect_shows_the_run_and_its_artifact(sample_run, api: PrefectApi) -> None:
    _, run_dir = sample_run
    flow_run, _ = recorded(run_dir)
    flow = httpx.get(f"{api.url}/flows/{flow_run.flow_id}").raise_for_status().json()
    assert flow["name"] == "classify-batch"
    wanted = {"artifacts": {"flow_run_id": {"any_": [str(flow_run.id)]}}}
    found = httpx.post(f"{api.url}/artifacts/filter", json=wanted).raise_for_status().json()
    [artifact] = found
    assert artifact["key"] == "classify-batch"
    assert run_dir.name in artifact["data"]
    assert "| 33 | 28 | 4 | 1 |" in artifact["data"]


def test_report_is_written_and_rebuilt_byte_for_byte(sample_run) -> None:
    _, run_dir = sample_run
    page = Path(read_record(run_dir).report or "")
    before = page.read_bytes()
    assert (page.parents[1] / "index.html").is_file()
    answer = subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), "report", str(run_dir)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.strip() == str(page)
    assert page.read_bytes() == before


def test_readme_shows_what_the_samples_give(sample_run) -> None:
    answer, run_dir = sample_run
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    review = next(line for line in readme.splitlines() if line.startswith("Review  "))
    assert review in answer.stderr.splitlines()
    frame = read_table(run_dir, "predictions")
    frame = frame[frame["model"] == MODELS[0]].set_index(["path", "frame"])
    excerpt = readme.partition("\npath  ")[2].partition("```")[0].splitlines()[1:]
    assert len(excerpt) == 4
    for line in excerpt:
        path, number, category, confidence, p_tumor, needs_review = line.split()
        row = frame.loc[(path, int(number))]
        assert (row["category"], str(row["needs_review"])) == (category, needs_review)
        assert row["confidence"] == pytest.approx(float(confidence), abs=0.01)
        assert row["p_tumor"] == pytest.approx(float(p_tumor), abs=0.01)


def test_quiet_terminal_talk_is_a_summary_and_nothing_of_prefect(sample_run) -> None:
    answer, _ = sample_run
    assert "28 classified, 4 refused, 1 failed" in answer.stderr
    assert "22 of 22 task runs recorded" in answer.stderr
    assert "prefect" not in answer.stderr.lower().replace("prefect      22 of 22", "")


def test_embedded_server_records_every_task_run(
    new_home: Callable[[], Path], samples: Path, tmp_path: Path
) -> None:
    environment = {
        "PREFECT_API_URL": "",
        "PREFECT_HOME": str(new_home()),
        "ARTEMIS_CHUNK_SLICES": "1",
    }
    options = ("--json", "--models", "baseline")
    answer = classify(samples, tmp_path / "workspace", *options, **environment)
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["tasks"] == 33 * 3 + 2
    assert "101 of 101 task runs recorded" in answer.stderr  # which are written by the hundred


def test_half_garbage_batch_is_classified_and_every_file_accounted_for(
    api: PrefectApi, samples: Path, tmp_path: Path
) -> None:
    batch, random = tmp_path / "batch", np.random.default_rng(5)
    batch.mkdir()
    pictures = sorted(samples.glob("*_no_lesion*")) + sorted(samples.glob("*_tumour.jpg"))
    for number in range(20):
        good = pictures[number % len(pictures)]
        shutil.copy(good, batch / f"good_{number}{good.suffix}")
        content = good.read_bytes()
        garbage = [
            random.bytes(3000),
            content[: len(content) // 3],
            b"",
            b"</script><script>alert(1)</script>",
            bytes(b ^ 0x55 if k % 97 == 96 else b for k, b in enumerate(content)),
        ][number % 5]
        (batch / f"<img src=x onerror=alert({number})>.png").write_bytes(garbage)
    answer = classify_here(batch, tmp_path / "workspace", "--json", "--strict")
    assert answer.returncode == 3, answer.stderr
    assert "expected every input to be classified" in answer.stderr
    frame = read_table(run_of(answer, tmp_path / "workspace"), "slices")
    assert frame["path"].nunique() == 40
    good_rows = frame[frame["path"].str.startswith("good_")]
    assert (good_rows["status"] == "ok").all()
    assert frame.loc[frame["status"] != "ok", "reason_code"].notna().all()
    page = Path(json.loads(answer.stdout)["report"]).read_text()
    assert "<img src=x onerror" not in page


def test_step_that_fails_names_its_own_error(
    api: PrefectApi, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> int:
        raise ModelError("model.tflite: expected a network. Received a fault.")

    # Imported here, since Prefect reads its API's address once, when it is imported.
    from flows.classify import classify_batch

    monkeypatch.setattr("flows.classify.predict_chunk", fail)
    with pytest.raises(ModelError, match=r"model\.tflite: expected a network"):
        classify_batch(str(samples), str(tmp_path), ["baseline"], limit=3)
    record = read_record(next((tmp_path / "runs").iterdir()))
    assert record.status == "failed"
    assert record.error == "ModelError: model.tflite: expected a network. Received a fault."
    assert record.finished is not None
    assert not (tmp_path / "runs" / record.run_id / "tensors").exists()


def test_a_batch_removes_the_scratch_of_one_that_was_killed(
    api: PrefectApi, samples: Path, tmp_path: Path
) -> None:
    from flows.classify import classify_batch

    killed = killed_run(samples, tmp_path)
    run = classify_batch(str(samples), str(tmp_path), ["baseline"], limit=1)
    assert not killed.tensors.exists()
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {killed.run_id, run.run_id}


def test_what_artemis_writes_is_not_part_of_the_batch(
    api: PrefectApi, samples: Path, tmp_path: Path
) -> None:
    from flows.classify import classify_batch

    shutil.copy(samples / "coronal_no_lesion.png", tmp_path)
    first = classify_batch(str(tmp_path), str(tmp_path), ["baseline"])
    assert first.counts.slices == 1
    answer = classify_here(tmp_path, tmp_path, "--json", "--strict", "--models", "baseline")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["counts"]["slices"] == 1


def test_nothing_usable_exits_with_four(api: PrefectApi, tmp_path: Path) -> None:
    (tmp_path / "batch").mkdir()
    (tmp_path / "batch" / "notes.txt").write_text("no scans here")
    answer = classify_here(tmp_path / "batch", tmp_path / "workspace", "--json")
    assert answer.returncode == 4
    assert "expected at least one slice to classify" in answer.stderr
    assert Path(json.loads(answer.stdout)["report"]).is_file()


def test_one_model_and_a_limit(api: PrefectApi, samples: Path, tmp_path: Path) -> None:
    options = ("--json", "--models", "baseline", "--limit", "3")
    answer = classify_here(samples, tmp_path, *options)
    assert answer.returncode in {0, 4}, answer.stderr
    run_dir = run_of(answer, tmp_path)
    assert len(read_table(run_dir, "slices")) == 3
    assert set(read_table(run_dir, "predictions")["model"]) <= {"baseline"}


def test_shard_of_the_command_line_is_merged_into_a_run_with_its_report(
    api: PrefectApi, samples: Path, tmp_path: Path
) -> None:
    answer = classify_here(samples, tmp_path, "--json", "--models", "baseline", "--shard", "1/1")
    assert answer.returncode == 0, answer.stderr
    assert "1/1 of the batch" in answer.stderr
    shard = read_record(run_of(answer, tmp_path))
    assert shard.shard is not None
    assert (shard.shard.number, shard.shard.of, shard.shard.slices) == (1, 1, 33)
    merged = called("merge", shard.run_id, "--json", "--workspace", tmp_path)
    assert merged.returncode == 0, merged.stderr
    assert json.loads(merged.stdout)["counts"] == shard.counts.model_dump()
    assert "28 classified, 4 refused, 1 failed" in merged.stderr
    assert shard.run_id in Path(json.loads(merged.stdout)["report"]).read_text()


def test_no_identifier_of_a_header_is_in_any_output(sample_run) -> None:
    _, run_dir = sample_run
    report = Path(read_record(run_dir).report or "")
    outputs = [*run_dir.rglob("*.parquet"), run_dir / "run.json", report]
    for path in outputs:
        assert b"SIMULATED^SAMPLE" not in path.read_bytes(), path


@pytest.mark.shared
def test_real_images_are_classified_as_on_the_models_card(
    api: PrefectApi, brain_mri: Path, tmp_path: Path
) -> None:
    manifest = pd.read_csv(brain_mri / "manifest.csv")
    chosen = manifest[manifest["fold"] == 4].sample(200, random_state=1)
    for path in chosen["path"]:
        target = tmp_path / "batch" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(brain_mri / path, target)
    answer = classify_here(tmp_path / "batch", tmp_path / "workspace", "--json")
    assert answer.returncode == 0, answer.stderr
    frame = read_run(run_of(answer, tmp_path / "workspace"))
    assert len(frame) == 400
    assert (frame["status"] == "ok").all()
    chosen["tumor"] = chosen["source_tumor"].fillna(chosen["tumor"])
    truth = chosen.assign(truth=chosen["tumor"] + "_" + chosen["plane"])[["path", "truth"]]
    frame = frame.merge(truth, on="path")
    accuracy = (frame["category"] == frame["truth"]).groupby(frame["model"]).mean()
    # 200 of the 541 test slices: the floors less two standard errors.
    assert accuracy["mobilenet_v2"] >= 0.87 - 0.05
    assert accuracy["baseline"] >= 0.65 - 0.07
