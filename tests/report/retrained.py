"""A realistic retraining: the real gate on drawn predictions, real figures, real thumbnails."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from artemis.labels import CATEGORY_NAMES
from artemis.models.decisions import Check, ModelVersion, Verdict
from artemis.models.manifest import Interval, Probe, Shortcuts
from artemis.models.promotion import verdict_record
from artemis.models.retrainings import (
    CHANGED_NAME,
    CHANGED_SCHEMA,
    DataSummary,
    EpochRow,
    Outcome,
    RetrainingRecord,
    write_record,
)
from artemis.report.retraining.data import ChangedAnswer
from artemis.training.figures.evaluate import evaluate
from artemis.training.gate.evidence import Evidence
from artemis.training.gate.gate import decide
from artemis.training.gate.policy import load_policy
from tests.report.conftest import jpeg
from tests.report.parsing import Page, text
from tests.training.drawn import GOLDEN, champion, complete, draw, softmax, with_answers

ID = "20261124T020000Z-5eed01"
STARTED = datetime(2026, 11, 24, 2, 0, 0, tzinfo=UTC)
VERSIONS = {"mobilenet_v2": "20261124-c0ffee", "baseline": "20261124-facade"}
_POLICY = load_policy()
_FAST = _POLICY.model_copy(
    update={"bootstrap": _POLICY.bootstrap.model_copy(update={"resamples": 200})}
)
RELABELLED = Check(
    name="change_labels",
    passed=False,
    expected="at most 2.0% of the champion's labels changed",
    received="3.1%",
    on_failure=Verdict.NEEDS_HUMAN,
)


def _named(evidence: Evidence, model: str, version: str) -> Evidence:
    sources = np.where(np.arange(len(evidence.slice_ids)) % 60 < 45, "cheng", "br35h")
    return replace(
        evidence,
        model=model,
        version=ModelVersion(version=version, sha256=evidence.version.sha256),
        sources=sources,
    )


@cache
def challenger(skill: float, noise: float) -> Evidence:
    """Return answers that differ from the champion's to the better and to the worse."""
    drawn = draw(skill)
    logits = np.log(drawn.probabilities.astype(np.float64) + 1e-9)
    return with_answers(
        drawn, softmax(logits + np.random.default_rng(5).normal(0, noise, logits.shape))
    )


@cache
def outcome(
    model: str,
    skill: float,
    noise: float,
    checks: tuple[Check, ...] = (),
    first: bool = False,
) -> Outcome:
    """Return what became of a challenger of some skill; that of the champion is 2.9."""
    own = _named(challenger(skill, noise), model, VERSIONS[model])
    other = None if first else _named(champion(), model, "20261001-0ddba1")
    current = None if first else "20261001-0ddba1"
    decision = decide(
        _FAST,
        challenger=own,
        champion=other,
        golden=None if first else GOLDEN,
        integrity=complete(checks),
    )
    record = verdict_record([], current, decision, "ab" * 32).model_copy(
        update={"id": "20261124T023000.000000Z-0a0a0a", "decided": STARTED + timedelta(minutes=30)}
    )
    figures = [_evaluated(evidence) for evidence in (own, other) if evidence is not None]
    return Outcome(
        version=own.version.version,
        sha256=own.version.sha256,
        side=192,
        started_from="first weights: the champion is of another recipe",
        evaluation=figures[0].model_copy(update={"shortcuts": _shortcuts()}),
        champion=current,
        champion_evaluation=None if first else figures[1],
        champion_provenance=None if first else "out_of_fold",
        decision=record,
        changed=0 if first else len(changed(model, skill, noise)),
    )


def _evaluated(evidence: Evidence) -> Any:
    return evaluate(
        evidence.probabilities,
        evidence.categories,
        evidence.groups.tolist(),
        evidence.sources.tolist(),
        "The locked groups, never trained on.",
    )


def _shortcuts() -> Shortcuts:
    return Shortcuts(
        images=300,
        tumor_accuracy={"as_is": Interval(value=0.93, low=0.9, high=0.96)},
        probes=[
            Probe(tumor="none", sources=["br35h", "unknown"], images=80, balanced_accuracy=0.71)
        ],
    )


@cache
def changed(model: str, skill: float, noise: float) -> tuple[ChangedAnswer, ...]:
    """Return the answers that a challenger of some skill changed, with pictures."""
    own, other = challenger(skill, noise), champion()
    now, before = own.probabilities.argmax(axis=1), other.probabilities.argmax(axis=1)
    return tuple(
        ChangedAnswer(
            model=model,
            slice_id=str(own.slice_ids[k]),
            truth=CATEGORY_NAMES[own.categories[k]],
            champion=CATEGORY_NAMES[before[k]],
            champion_confidence=float(other.probabilities[k].max()),
            challenger=CATEGORY_NAMES[now[k]],
            challenger_confidence=float(own.probabilities[k].max()),
            jpeg=jpeg(int(k) % 20),
        )
        for k in np.flatnonzero(now != before)
    )


def epochs(model: str, stage: str, made: int, of: int, held_out: bool = True) -> list[EpochRow]:
    """Return the rows of a stage of which some epochs were made."""
    return [
        EpochRow(
            model=model,
            stage=stage,
            number=n,
            of=of,
            loss=0.4 + 1.6 / n,
            accuracy=1 - 0.5 / n,
            macro_f1=0.9 - 0.5 / n if held_out else None,
            seconds=12.5,
        )
        for n in range(1, made + 1)
    ]


DATA = DataSummary(
    sha256="cd" * 32,
    images=2705,
    groups=574,
    trained_on=2150,
    calibrated_on=430,
    locked=541,
    per_category={name: 100 + k for k, name in enumerate(CATEGORY_NAMES)},
    per_source={"unknown": 600, "cheng": 2000, "br35h": 105},
    reviewed=37,
    unavailable=2,
    bad_images=3,
    corrected=14,
    plane_predicted=11,
    left_out=9,
    group_unknown=0,
)


def record(**changes: Any) -> RetrainingRecord:
    """Return a retraining that promoted one model and left the other to a person."""
    values: dict[str, Any] = {
        "id": ID,
        "key": "ef" * 32,
        "status": "done",
        "started": STARTED,
        "finished": STARTED + timedelta(minutes=31),
        "artemis_version": "0.1.0",
        "start": "champion",
        "models": ["mobilenet_v2", "baseline"],
        "data": DATA,
        "audit": "20261124T020030Z-abcdef",
        "audit_counts": {"conflicting_copies": 4, "doubtful_label": 60},
        "trained": dict(VERSIONS),
        "outcomes": {
            "mobilenet_v2": outcome("mobilenet_v2", 3.6, 2.0),
            "baseline": outcome("baseline", 3.2, 1.0, (RELABELLED,)),
        },
        "epochs": [
            *epochs("mobilenet_v2", "calibrating", 4, 4),
            *epochs("mobilenet_v2", "training", 4, 4),
            *epochs("baseline", "calibrating", 15, 15),
            *epochs("baseline", "training", 15, 15, held_out=False),
        ],
        "seconds": {"collect": 30.0, "audit": 70.0, "train mobilenet_v2": 900.0},
    }
    return RetrainingRecord(**(values | changes))


def all_changed() -> list[ChangedAnswer]:
    """Return the changed answers of both models of `record`."""
    return [*changed("mobilenet_v2", 3.6, 2.0), *changed("baseline", 3.2, 1.0)]


def write_retraining(
    workspace: Path, of: RetrainingRecord, rows: list[ChangedAnswer] | None
) -> Path:
    """Write a retraining's folder as the flow does, and return it."""
    folder = write_record(workspace, of)
    if rows is not None:
        table = pa.Table.from_pylist(
            [{name: getattr(row, name) for name in CHANGED_SCHEMA.names} for row in rows],
            schema=CHANGED_SCHEMA,
        )
        pq.write_table(table, folder / CHANGED_NAME)
    return folder


def table(page: Page, caption: str) -> list[list[str]]:
    """Return the body of the table with a caption."""
    found = [
        one
        for one in page.all("table")
        if any(text(head) == caption for head in one.iter("caption"))
    ]
    assert found, [text(head) for head in page.all("caption")]
    body = found[0].find("tbody")
    assert body is not None
    return [[text(cell) for cell in row] for row in body]
