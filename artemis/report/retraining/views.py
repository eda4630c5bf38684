"""What the last sections of a retraining's page show: curves, data, and where all came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from artemis.labels import CATEGORIES, PLANES, TUMORS
from artemis.models.retrainings import CHANGED_NAME, RECORD_NAME, DataSummary, EpochRow
from artemis.report.audit.sections import finding_words
from artemis.report.plots.curves import Line, Scale, finite, line_plot, loss_scale, share_scale
from artemis.report.retraining.data import RetrainingData
from artemis.report.retraining.words import INPUT_WORDS, START_WORDS, whole_data_words
from artemis.report.run.comparison import matrix_of
from artemis.report.words import (
    DASH,
    counted,
    duration,
    moment,
    number,
    sentence,
    share_of,
    visible,
)


def curves_view(data: RetrainingData) -> dict[str, Any]:
    """Return the curves of each model, stage by stage; all losses of a model on one scale."""
    models = []
    for model in data.models:
        stages: dict[str, dict[int, EpochRow]] = {}
        for row in data.record.epochs:
            if row.model == model:
                # An epoch that was made again after an interruption counts once.
                stages.setdefault(row.stage, {})[row.number] = row
        if stages:
            scale = loss_scale([row.loss for rows in stages.values() for row in rows.values()])
            models.append(
                {
                    "style": f"m{data.models.index(model) % 4}",
                    "name": visible(model),
                    "stages": [
                        _stage(visible(stage), rows, scale) for stage, rows in stages.items()
                    ],
                }
            )
    return {"models": models}


def _stage(stage: str, rows: Mapping[int, EpochRow], scale: Scale) -> dict[str, Any]:
    last, of = max(rows), max(row.of for row in rows.values())
    made = [rows.get(n) for n in range(1, last + 1)]
    losses = tuple(row.loss if row else None for row in made)
    accuracy = tuple(row.accuracy if row else None for row in made)
    f1 = tuple(row.macro_f1 if row else None for row in made)
    watched = bool(finite(f1))
    lines = [Line(0, "training accuracy", accuracy)]
    if watched:
        lines.append(Line(1, "held-out macro F1", f1))
    seconds = sum(row.seconds for row in rows.values())
    took = duration(seconds).replace(" ", "\u00a0")  # a number and its unit stay on one line
    done = f"{number(last)} of {counted(of, 'epoch')}"
    shares = f"training accuracy {_from_to(accuracy)}"
    shares += f"; held-out macro F1 {_from_to(f1)}" if watched else ""
    return {
        "title": f"{sentence(stage)}: {done}, {took}",
        "words": f"Loss {_from_to(losses)}; {shares}"
        + ("" if watched else "; no slices were held out to watch"),
        "watched": watched,
        "loss": line_plot(
            [Line(0, "", losses)], of, scale, f"{stage}, {done}: loss {_from_to(losses)}"
        ),
        "shares": line_plot(lines, of, share_scale(), f"{stage}, {done}: {shares}"),
    }


def _from_to(values: Sequence[float | None]) -> str:
    drawn = [f"{value:.3f}" for value in finite(values)]
    if not drawn:
        return DASH
    return f"from {drawn[0]} to {drawn[-1]}" if len(drawn) > 1 else drawn[0]


def data_view(data: RetrainingData) -> dict[str, Any]:
    """Return what the retraining was made of, and what the audit found in it."""
    record, summary = data.record, data.record.data
    return {
        "rows": _summary_rows(summary) if summary else [],
        "categories": matrix_of(
            {(c.tumor, c.plane): summary.per_category.get(c.name, 0) for c in CATEGORIES},
            TUMORS,
            PLANES,
        )
        if summary
        else None,
        "sources": [
            (visible(source), number(count), share_of(count, summary.images))
            for source, count in sorted(
                summary.per_source.items(), key=lambda item: (-item[1], item[0])
            )
        ]
        if summary
        else [],
        "audit": audit_address(record.audit),
        "findings": [
            (finding_words(kind), number(count)) for kind, count in record.audit_counts.items()
        ],
    }


def _summary_rows(of: DataSummary) -> list[tuple[str, str, str]]:
    whole = "whole patient groups" if of.group_unknown == 0 else "whole groups"
    return [
        ("Images", number(of.images), whole_data_words(of)),
        ("Trained on", number(of.trained_on), ""),
        (
            "Calibrated on",
            number(of.calibrated_on),
            "part of those: held out first, to set temperature and threshold; where a model "
            "started from a champion's weights, its own number is with its figures",
        ),
        ("Locked", number(of.locked), f"{whole}, measured on and never trained on"),
        ("Left out", number(of.left_out), "neither trained nor measured on"),
        ("Reviewed", number(of.reviewed), "labels that a reviewer gave"),
        (
            "Reviewed, but unavailable",
            number(of.unavailable),
            "not added, since the file is gone or changed",
        ),
        ("Reviewed as unusable", number(of.bad_images), "left out for it"),
        (
            "Labels corrected",
            number(of.corrected),
            "by the tumour that the picture\u2019s own source gives",
        ),
        ("Plane predicted", number(of.plane_predicted), "by a model, where no label says it"),
    ]


def audit_address(audit: str | None) -> str | None:
    """Return the address of an audit's page as seen from the retraining's.

    Parameters
    ----------
    audit : str or None
        Id of the audit, whose page is ``audits/<id>/index.html`` below the reports.

    Returns
    -------
    str or None
        None where there is none, or what is recorded is no plain name.
    """
    if not audit or audit == ".." or "\\" in audit or PurePosixPath(audit).name != audit:
        return None
    return f"../../audits/{quote(audit)}/index.html"


def provenance_view(data: RetrainingData) -> dict[str, Any]:
    """Return how the retraining was made: times, models, hashes, and where all of it lies."""
    record = data.record
    elapsed = (record.finished - record.started).total_seconds() if record.finished else None
    whole = sum(record.seconds.values())
    run = [
        ("Retraining", record.id),
        ("Status", record.status),
        ("Started", moment(record.started)),
        ("Finished", moment(record.finished) if record.finished else "not finished"),
        ("Elapsed", duration(elapsed) if elapsed is not None else DASH),
        ("Training started", START_WORDS[record.start]),
        ("Artemis", record.artemis_version),
        ("Key of its inputs", record.key),
        ("Training set, SHA-256", record.data.sha256 if record.data else DASH),
    ]
    return {
        "run": [(label, visible(value)) for label, value in run],
        "models": [(visible(model), _model_rows(data, model)) for model in data.models],
        "timings": [
            (
                sentence(visible(stage)),
                duration(seconds),
                share_of(round(1000 * seconds), round(1000 * whole)),
            )
            for stage, seconds in record.seconds.items()
        ],
        "files": [
            (f"{data.folder}{RECORD_NAME}", "the record of this retraining"),
            (f"{data.folder}{CHANGED_NAME}", "the changed predictions, with small pictures"),
            *(
                (
                    f"models/{model}/decisions/{outcome.decision.id}.json",
                    f"the decision on {visible(model)}",
                )
                for model, outcome in data.outcomes
            ),
        ],
    }


def _model_rows(data: RetrainingData, model: str) -> list[tuple[str, str]]:
    outcome = data.record.outcomes.get(model)
    if outcome is None:
        started = data.record.started_from.get(model)
        rows = [("Weights started from", started)] if started else []
        return [(label, visible(value)) for label, value in rows]
    decision = outcome.decision
    rows = [
        ("Version", outcome.version),
        ("Weights, SHA-256", outcome.sha256),
        ("Input side", f"{outcome.side} px"),
        ("Weights started from", outcome.started_from),
        ("Champion before", decision.previous_champion or "none"),
        ("Champion now", decision.new_champion or "none"),
        ("Decision", decision.id),
        *(
            (f"{INPUT_WORDS.get(what, what)}, SHA-256", sha256)
            for what, sha256 in sorted(decision.inputs.items())
        ),
    ]
    return [(label, visible(value)) for label, value in rows]
