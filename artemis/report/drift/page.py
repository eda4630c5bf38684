"""The page about a batch's drift from its models' training images, or from another run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from artemis.labels import CATEGORY_NAMES
from artemis.report.drift.measure import (
    LARGE,
    SMALL,
    STATUSES,
    Shift,
    Side,
    read_side,
    shifts_from_run,
    shifts_from_training,
)
from artemis.report.drift.words import SIZE_WORDS, measure_words, notices, verdict
from artemis.report.index import DRIFT, write_index
from artemis.report.page import render_page
from artemis.report.plots.svg import Series, bin_edges, histogram, ratio_axis, span_axis
from artemis.report.run.distributions import SPREAD_BY_RATIO
from artemis.report.words import (
    CATEGORY_WORDS,
    DASH,
    STATUS_WORDS,
    measured,
    number,
    percent,
    sentence,
    visible,
)
from artemis.runs import reports_of
from artemis.seen import shares_between
from artemis.system.files import write_text_atomic

if TYPE_CHECKING:
    from artemis.batches.mirror import Mirror

_REASONS: Final = 20


@dataclass(frozen=True, slots=True)
class DriftPage:
    """What was written, the shifts that it shows, and what moved in one sentence."""

    page: Path
    shifts: list[Shift]
    verdict: str


def write_drift(
    run_dir: Path, against: Path | None = None, mirror: Mirror | None = None
) -> DriftPage:
    """Write the page of a run's drift, below the reports of its workspace.

    Parameters
    ----------
    run_dir : Path
        ``<workspace>/runs/<run_id>``.
    against : Path, optional
        Another run to hold it against; by default what its record holds of the training images.
    mirror : Mirror, optional
        What the run lies in, if that is one; its store gets the same page.

    Raises
    ------
    RunRecordError
        See `artemis.report.drift.measure.read_side`.
    """
    run_dir = run_dir.resolve()
    batch, other = read_side(run_dir), None if against is None else read_side(against.resolve())
    shifts = shifts_from_training(batch) if other is None else shifts_from_run(batch, other)
    reports = reports_of(run_dir, batch.record)
    name = run_dir.name if against is None else f"{run_dir.name}--{against.resolve().name}"
    page = reports / DRIFT / name / "index.html"
    write_text_atomic(page, drift_page(batch, other, shifts))
    if mirror is not None:
        mirror.push_below(page.parent)
    write_index(run_dir.parent, reports, mirror)
    return DriftPage(page, shifts, verdict(shifts, _reference(other)))


def drift_page(batch: Side, other: Side | None, shifts: list[Shift]) -> str:
    """Return the page as HTML text."""
    reference = _reference(other)
    return render_page(
        "drift.html.j2",
        verdict=verdict(shifts, reference),
        notices=notices(batch, other),
        reference=reference,
        runs=[_run(side) for side in (batch, other) if side is not None],
        rows=[_row(one) for one in sorted(shifts, key=lambda one: -one.psi)],
        plots=[_plot(one) for one in shifts if one.values is not None],
        tables=[_table(one) for one in shifts if one.values is None],
        reasons=[] if other is None else _reasons(batch, other),
        small=SMALL,
        large=LARGE,
    )


def _reference(other: Side | None) -> str:
    return "the training images" if other is None else "the other run"


def _run(side: Side) -> dict[str, Any]:
    record = side.record
    return {
        "record": record,
        "batch": visible(PurePosixPath(record.batch).name or record.batch),
        "models": [
            (visible(one.name), visible(one.version), one.sha256[:12]) for one in record.models
        ],
    }


def _row(shift: Shift) -> dict[str, Any]:
    middles = shift.middles or (None, None)
    return {
        "measure": measure_words(shift),
        "middles": [DASH if value is None else measured(value) for value in middles],
        "slices": [number(round(float(one.sum()))) for one in (shift.counts, shift.others)],
        "psi": f"{shift.psi:.3f}",
        "chance": f"{shift.chance:.3f}",
        "size": SIZE_WORDS[shift.size],
        "style": shift.size,
    }


def _plot(shift: Shift) -> dict[str, Any]:
    values, drawn = shift.values, shift.drawn
    assert values is not None and drawn is not None and shift.middles is not None  # noqa: S101, PT018
    both = np.append(values, drawn)
    axis = ratio_axis(both) if shift.key in SPREAD_BY_RATIO else span_axis(both)
    middles = [measured(value) for value in shift.middles]
    name = measure_words(shift)
    words = (
        f"Histogram of {name} in {number(values.size)} slices: median {middles[0]}, "
        f"of the reference {middles[1]}."
    )
    behind = values.size * shares_between(drawn.tolist(), bin_edges(axis))
    return {
        "heading": f"{name}: median {middles[0]}, reference {middles[1]}",
        "plot": histogram([Series("q-ok", values)], axis, words, behind=behind),
    }


def _table(shift: Shift) -> dict[str, Any]:
    names = STATUSES if shift.key == "status" else CATEGORY_NAMES
    words = STATUS_WORDS if shift.key == "status" else CATEGORY_WORDS
    totals = [float(one.sum()) for one in (shift.counts, shift.others)]
    return {
        "title": measure_words(shift),
        "rows": [
            (sentence(words[name]), *_shares(counts, totals))
            for name, *counts in zip(names, shift.counts, shift.others, strict=True)
        ],
    }


def _shares(counts: Iterable[float], totals: list[float]) -> tuple[str, str, str, str, str]:
    """Return counts and shares of both, and by how many per cent points they differ."""
    both = [(number(round(n)), n / total) for n, total in zip(counts, totals, strict=True)]
    (n, share), (m, other) = both
    points = round(100 * (share - other), 1) + 0.0  # no minus before nought
    return n, percent(share), m, percent(other), f"{points:+.1f}".replace("-", "\u2212")


def _reasons(batch: Side, other: Side) -> list[tuple[str, str, str]]:
    """Return how often each reason refused or failed a slice, in the batch and the other run."""
    counts = [side.slices["reason_code"].dropna().value_counts() for side in (batch, other)]
    codes = sorted(
        {*counts[0].index, *counts[1].index},
        key=lambda code: (-max(int(one.get(code, 0)) for one in counts), code),
    )
    here, there = ([number(int(one.get(code, 0))) for code in codes] for one in counts)
    words = [sentence(visible(code).replace("_", " ")) for code in codes]
    return [*zip(words, here, there, strict=True)][:_REASONS]
