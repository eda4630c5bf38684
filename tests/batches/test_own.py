from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from artemis.batches.batch import describe_plan, plan_chunks
from artemis.batches.own import own_outputs, passed_over
from artemis.report.index import LISTED
from artemis.runs import RunRecord, RunStatus, create_run, write_record
from artemis.settings import Settings

RUN = "20261123T000000Z-00000a"


def put(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")


def write_run(workspace: Path) -> None:
    paths = create_run(workspace, RUN)
    record = RunRecord(
        run_id=RUN,
        status=RunStatus.COMPLETED,
        created=datetime(2026, 11, 23, tzinfo=UTC),
        batch="scans",
        command="",
        versions={},
        settings=Settings(),
        models=[],
    )
    write_record(paths, record)
    put(paths.slices / "part-00000.parquet")


def planned(batch: Path, settings: Settings) -> list[str]:
    return sorted(entry.display_path for chunk in plan_chunks(batch, settings) for entry in chunk)


def test_scans_are_read_wherever_the_workspace_keeps_things(tmp_path: Path) -> None:
    scans = ["data/labels/c.png", "data/models/b.png", "reports/a.png", "scans/d.png"]
    put(*(tmp_path / scan for scan in scans))
    settings = Settings(workspace=tmp_path / "data", reports=tmp_path / "reports")
    assert planned(tmp_path, settings) == scans
    assert passed_over(tmp_path, settings) == {}


def test_what_artemis_wrote_is_passed_over_and_counted(tmp_path: Path) -> None:
    workspace, reports = tmp_path / "data", tmp_path / "reports"
    unfinished = workspace / "evaluations" / "mobilenet_v2_taught" / "unfinished" / "patient-0-0"
    write_run(workspace)
    put(
        workspace / "identity.key",
        workspace / "models" / "baseline" / "CHAMPION",
        workspace / "models" / "baseline" / "20261123-abcdef" / "manifest.json",
        workspace / "models" / "baseline" / "20261123-abcdef" / "model.tflite",
        workspace / "cache" / "training" / "print" / "side-64" / f"{'0' * 32}.npy",
        workspace / "cache" / "training" / "stem.lock",
        workspace / "processing" / ".lock",
        workspace / "processing" / "0a1b2c3d.json",
        workspace / "quarantine" / "monday-0a1b2c3d.reason.txt",
        unfinished.parent / "0123456789abcdef-every-slice.lock",
        unfinished.parent / "0123456789abcdef-every-slice.made",
        workspace / "evaluations" / "baseline" / "patient-0" / "variants-00000.parquet",
        workspace / "evaluations" / "baseline" / "patient-0" / "evidence-00000.parquet",
        workspace / "exports" / RUN / "export.json",
        workspace / "exports" / RUN / "study-0" / "report.dcm",
        workspace / "cache" / "training" / ".stem-k3j_x9qa" / "features.npy",
        unfinished / "epoch-0003.npz",
        unfinished / "teacher-1" / "epoch-0024.npz",
        unfinished / "teacher-1" / "answers.npy",
        workspace / "failures" / "baseline" / "20261123-abcdef.parquet",
        reports / "index.html",
        reports / "benchmark" / "index.html",
        reports / "benchmark" / "benchmark.json",
        reports / RUN / "index.html",
        reports / RUN / "slices-0001.html",
        reports / RUN / "report.pdf",
        reports / "comparisons" / f"{RUN}--{RUN}" / "changed.csv",
        reports / "models" / "baseline" / "20261123-abcdef" / "index.html",
    )
    put(workspace / "quarantine" / "monday-0a1b2c3d" / "scan.png")
    put(workspace / "runs" / "scan.dcm", reports / RUN / "scan.png", tmp_path / "scan.png")
    settings = Settings(workspace=workspace, reports=reports)
    assert planned(tmp_path, settings) == [
        "data/quarantine/monday-0a1b2c3d/scan.png",
        "data/runs/scan.dcm",
        f"reports/{RUN}/scan.png",
        "scan.png",
    ]
    assert passed_over(tmp_path, settings) == {
        "data/cache": 3,
        "data/evaluations": 7,
        "data/exports": 2,
        "data/failures": 1,
        "data/identity.key": 1,
        "data/models": 3,
        "data/processing": 2,
        "data/quarantine": 1,
        "data/runs": 2,
        "reports": 8,
    }


def test_every_page_below_the_reports_is_artemis_own(tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    pages = [reports / kind.key / kind.pattern.replace("*", f"{RUN}--{RUN}") for kind in LISTED]
    put(*(page / "index.html" for page in pages))
    settings = Settings(workspace=tmp_path / "data", reports=reports)
    assert planned(tmp_path, settings) == []
    assert passed_over(tmp_path, settings) == {"reports": len(LISTED)}


def test_a_folder_of_a_run_without_its_record_is_the_users(tmp_path: Path) -> None:
    put(tmp_path / "data" / "runs" / RUN / "scan.png")
    assert own_outputs(Settings(workspace=tmp_path / "data")) == set()


def test_a_batch_inside_what_artemis_wrote_is_read(tmp_path: Path) -> None:
    write_run(tmp_path)
    run = tmp_path / "runs" / RUN
    settings = Settings(workspace=tmp_path)
    assert planned(run, settings) == ["run.json", "slices/part-00000.parquet"]
    assert passed_over(run, settings) == {}


def test_dry_run_says_what_was_passed_over(tmp_path: Path) -> None:
    write_run(tmp_path / "data")
    put(tmp_path / "scan.png")
    plan = describe_plan(tmp_path, Settings(workspace=tmp_path / "data"), ["baseline"])
    assert (plan.slices, plan.passed_over) == (1, {"data/runs": 2})
