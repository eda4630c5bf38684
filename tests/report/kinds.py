"""A page of every kind, each with all of its parts: what the tests of a whole page go through."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final
from unittest.mock import patch

from artemis.batches.explain import explain_image
from artemis.benchmark.page import build_benchmark_page
from artemis.labels import CATEGORIES
from artemis.models.card.blocks import Failures
from artemis.models.card.contents import build_card
from artemis.report.audit.page import build_audit_page
from artemis.report.changes.page import write_comparison
from artemis.report.conflicts import write_conflicts
from artemis.report.drift.page import write_drift
from artemis.report.explained import build_explained_page
from artemis.report.index import COMPARISONS, RETRAININGS, build_index
from artemis.report.model_card import card_page
from artemis.report.retraining.page import build_retraining_page
from artemis.report.run import limits
from artemis.report.run.build import build_report
from artemis.report.run.kept_truth import keep_truth
from artemis.reviews.reviewed import import_labels
from artemis.reviews.reviewed_file import COLUMNS
from artemis.runs import RunPaths, RunStatus
from artemis.settings import Settings
from tests.benchmark.records import benchmark_record
from tests.datasets.audited import audit_samples
from tests.models.card.records import full_manifest
from tests.report.conftest import RUN_ID, Tables, jpeg, run_record, typical_tables, write_run
from tests.report.retrained import all_changed, record
from tests.report.run.test_studies import with_studies
from tests.report.run.test_truth import labelled

Make = Callable[[Path, Path], Path]
"""Writes a page below a folder, given the samples; returns it."""


def report(folder: Path, _: Path) -> Path:
    """Write a report with every section: truth, studies, refusals, doubtful slices."""
    tables = labelled(30)
    for rows in tables.predictions.values():
        for row in rows[12:15]:
            row |= {"needs_review": True, "review_reasons": ["low_confidence"]}
    run = write_run(folder / "data", with_studies(tables, series=1)).root
    return build_report(run, folder / "index.html")


def summary(folder: Path, _: Path) -> Path:
    """Write the report of a run that is too large for one page; its pages lie beside it."""
    run = write_run(folder / "data", typical_tables(60)).root
    small = {"TABLE_ROWS": 50, "SUMMARY_ROWS": 10, "PAGE_ROWS": 30, "THUMBNAILS": 20}
    with patch.multiple(limits, **small):
        return build_report(run, folder / "index.html")


def slices(folder: Path, samples: Path) -> Path:
    """Write a page of slices: one with a page before and after it."""
    return summary(folder, samples).with_name("slices-0002.html")


def index(folder: Path, _: Path) -> Path:
    """Write the list of runs with trends, comparisons and retrainings."""
    compared = f"{COMPARISONS}/{RUN_ID}--20260302T120000Z-aaaaaa"
    for name in (RUN_ID, compared, f"{RETRAININGS}/20261124T020000Z-abcdef"):
        (folder / name).mkdir(parents=True)
        (folder / name / "index.html").write_text("a page", encoding="utf-8")
    first = run_record(typical_tables(12)).model_copy(update={"mean_doubt": 0.0})
    later = [
        first.model_copy(
            update={
                "run_id": f"2026030{day}T120000Z-aaaaaa",
                "created": first.created + timedelta(days=day),
                "batch": f"/data/ward {day}, {'head and neck ' * day}",
                "status": RunStatus.FAILED if day == 4 else first.status,
                "mean_doubt": 0.1 * (day - 1),
            }
        )
        for day in range(2, 6)
    ]
    return build_index(folder, [first, *later], folder / "index.html")


def _run_of(workspace: Path, run_id: str, tables: Tables) -> RunPaths:
    run = write_run(workspace / run_id, tables, run_id=run_id)
    place = RunPaths(workspace / "data", run_id)
    place.root.parent.mkdir(parents=True, exist_ok=True)
    run.root.rename(place.root)
    return place


def comparison(folder: Path, _: Path) -> Path:
    """Write two runs side by side: answers that changed, slices that one run alone has."""
    before, after = typical_tables(30), typical_tables(24, rejected=False)
    for row in after.predictions["mobilenet_v2"][1:9]:
        row |= {"category": "glioma_coronal", "tumor": "glioma", "plane": "coronal"}
    runs = [
        _run_of(folder, run_id, tables).root
        for run_id, tables in ((RUN_ID, before), ("20260302T080000Z-ffffff", after))
    ]
    labels = folder / "labels.csv"
    named = [f"{row['path']},{CATEGORIES[n % 12].name}" for n, row in enumerate(after.slices[:20])]
    labels.write_text("\n".join(["path,category", *named]), encoding="utf-8")
    keep_truth(runs[1], labels)
    return write_comparison(*runs).page


def drift(folder: Path, _: Path) -> Path:
    """Write how far a run lies from another: darker pictures, other answers, more refusals."""
    later, earlier = typical_tables(90), typical_tables(60)
    for row in later.slices[:90]:
        row["mean_intensity"] -= 30
    runs = [
        _run_of(folder, run_id, tables).root
        for run_id, tables in (("20260302T080000Z-ffffff", later), (RUN_ID, earlier))
    ]
    return write_drift(*runs).page


def retraining(folder: Path, _: Path) -> Path:
    """Write the page of a retraining that promoted one model and kept the other out."""
    target = folder / "index.html"
    target.write_text(build_retraining_page(record(), all_changed()[::5]), encoding="utf-8")
    return target


def audit(folder: Path, samples: Path) -> Path:
    """Write the page of a data set with known faults."""
    return build_audit_page(audit_samples(samples, folder).folder)


def card(folder: Path, _: Path) -> Path:
    """Write the card of a model with pictures of some of its mistakes."""
    made = build_card(full_manifest())
    (mistakes,) = (
        block.mistakes
        for section in made.sections
        for block in section.blocks
        if isinstance(block, Failures)
    )
    rows = {
        one.slice_id: {
            "path": f"{one.truth}/{number}.png",
            "answer_now": one.truth if number % 2 else one.answer,
            "jpeg": jpeg(number),
            "overlay": jpeg(number + 1) if number else None,
        }
        for number, one in enumerate(mistakes[:4])
    }
    target = folder / "index.html"
    target.write_text(card_page(made, rows), encoding="utf-8")
    return target


def explained(folder: Path, samples: Path) -> Path:
    """Write the page about one slice."""
    found = explain_image(
        samples / "coronal_simulated_glioma.bmp",
        Settings(workspace=folder / "data"),
        ["mobilenet_v2", "baseline"],
        folder / "scratch",
        rival=True,
    )
    return build_explained_page(found, folder / "index.html")


def conflicts(folder: Path, _: Path) -> Path:
    """Write the page of slices on which two reviewers disagree."""
    run = write_run(folder / "data", tables := typical_tables(12))
    lines = [
        f"{run.run_id},{row['slice_id']},correct,{tumor},coronal,{reviewer},3,{time}"
        for row in tables.slices[:3]
        for reviewer, tumor, time in (
            ("AB", "glioma", "2026-03-02T09:00:00Z"),
            ("CD", "none", "2026-03-02T10:00:00Z"),
        )
    ]
    file = folder / "labels.csv"
    file.write_text("\n".join([",".join(COLUMNS[:8]), *lines]), encoding="utf-8")
    import_labels(file, folder / "data")
    return write_conflicts(folder / "data", folder).page


def benchmark(folder: Path, _: Path) -> Path:
    """Write the page of a benchmark."""
    return build_benchmark_page(benchmark_record(), folder / "index.html")


KINDS: Final[Mapping[str, Make]] = {
    make.__name__: make
    for make in (
        report,
        summary,
        slices,
        index,
        comparison,
        drift,
        retraining,
        audit,
        card,
        explained,
        conflicts,
        benchmark,
    )
}
"""How a page of each kind is made, by name."""
