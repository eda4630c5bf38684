"""How far a batch lies from what its models were trained on, or from another run.

Each measure is counted in bins and held against the reference by the population stability
index, ``sum (a - b) ln(a / b)`` over the bins' shares: the symmetric Kullback-Leibler divergence
of Jeffreys (1946), read as small below 0.1 and large from 0.25 on (Siddiqi, "Credit Risk
Scorecards", 2006). Those limits forget how many slices there are: without any drift the index of
n slices against m in k bins is about ``(1/n + 1/m)`` times a chi-squared variable of ``k - 1``
degrees of freedom (Yurdakul and Naranjo, "Statistical properties of the population stability
index", Journal of Risk Model Validation, 2020), so what lies below its 95th percentile is chance.
Neighbouring slices of one patient are alike, so truly more than that may be chance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artemis.labels import CATEGORY_NAMES
from artemis.predictions import read_table
from artemis.runs import ModelRecord, RunRecord, read_record
from artemis.schemas import QUALITY_COLUMNS
from artemis.seen import as_recorded, quantiles_of, shares_between
from artemis.whole import check_completed

SMALL: Final = 0.1
LARGE: Final = 0.25
STATUSES: Final = ("ok", "refused", "failed")

_BINS: Final = 10
_Z95: Final = 1.6449
_HALF: Final = 0.5  # of a slice in each bin: an empty one would make the index infinite

Values = NDArray[np.float64]
Size = Literal["chance", "small", "moderate", "large"]


@dataclass(frozen=True)
class Side:
    """What is compared of a run.

    Attributes
    ----------
    record : RunRecord
        Of the run.
    slices : DataFrame
        `status`, `reason_code` and the quality measures of every slice found.
    predictions : DataFrame
        `model`, `category`, `confidence`, `ood_score` and `trained_on` of every slice and model.
    """

    record: RunRecord
    slices: pd.DataFrame
    predictions: pd.DataFrame

    def model(self, name: str) -> ModelRecord | None:
        """Return the record of a model, None where the run did not use it."""
        return next((model for model in self.record.models if model.name == name), None)

    def answers(self, name: str) -> pd.DataFrame:
        """Return the predictions of a model."""
        return self.predictions[self.predictions["model"] == name]

    def confidences(self, name: str) -> Values:
        """Return a model's confidences, without those of slices unlike its training images.

        Nor are those counted of slices that it was trained on: it has learnt them.
        """
        answers, model = self.answers(name), self.model(name)
        limit = self.record.settings.review.max_ood_ratio * (model.ood_threshold if model else 0.0)
        near = answers["ood_score"] <= limit if model else answers["ood_score"].notna()
        return _finite(answers.loc[near & ~answers["trained_on"], "confidence"])


@dataclass(frozen=True)
class Shift:
    """How one measure of a batch lies beside that of its reference.

    Attributes
    ----------
    key : str
        ``categories``, ``confidence``, ``ood_score``, ``status``, or a quality measure.
    model : str or None
        Whose, where it is of answers.
    counts, others : ndarray, (k,), float64
        Slices of the batch and of the reference in each bin; of the reference also fractions.
    middles : (float, float) or None
        Medians of both, where the measure is a number.
    values : ndarray, (n,), float64
        What was counted of the batch, where it is a number.
    drawn : ndarray, (q,), float64
        Quantiles of the reference at equal steps, where it is a number.
    """

    key: str
    model: str | None
    counts: Values
    others: Values
    middles: tuple[float, float] | None = None
    values: Values | None = None
    drawn: Values | None = None

    @property
    def psi(self) -> float:
        """Population stability index, 0 where both are alike; lower is closer."""
        return stability_index(self.counts, self.others)

    @property
    def chance(self) -> float:
        """What the index stays below by chance in 19 of 20 batches of this size."""
        return chance_limit(len(self.counts), self.counts.sum(), self.others.sum())

    @property
    def size(self) -> Size:
        """How large the shift is."""
        if self.psi <= self.chance:
            return "chance"
        return "small" if self.psi < SMALL else "moderate" if self.psi < LARGE else "large"


def stability_index(counts: Values, others: Values) -> float:
    """Return the population stability index of two counts of the same bins."""
    shares = [(c + _HALF) / (c + _HALF).sum() for c in (counts, others)]
    return float(((shares[0] - shares[1]) * np.log(shares[0] / shares[1])).sum())


def chance_limit(bins: int, n: float, m: float) -> float:
    """Return the 95th percentile of the index of `n` slices against `m` without any drift.

    The percentile of chi-squared is Wilson and Hilferty's (1931), within 1 % from two degrees on.
    """
    free = bins - 1
    if not (free > 0 and n > 0 and m > 0):
        return math.inf
    third = 2 / (9 * free)
    return float(free * (1 - third + _Z95 * math.sqrt(third)) ** 3 * (1 / n + 1 / m))


def read_side(run_dir: Path) -> Side:
    """Read of a run what is compared.

    Raises
    ------
    RunRecordError
        If the record or a table cannot be read, or a completed run has lost rows.
    """
    record = read_record(run_dir)
    check_completed(run_dir, record)
    return Side(
        record=record,
        slices=read_table(run_dir, "slices", ("status", "reason_code", *QUALITY_COLUMNS)),
        predictions=read_table(
            run_dir,
            "predictions",
            ("model", "category", "confidence", "ood_score", "trained_on"),
        ),
    )


def shifts_from_training(batch: Side) -> list[Shift]:
    """Return the measures that the record holds of the models' training slices."""
    return [shift for model in batch.record.models for shift in _from_training(batch, model)]


def _from_training(batch: Side, model: ModelRecord) -> Iterator[Shift]:
    answers = batch.answers(model.name)
    if len(answers) and model.seen:
        scores = _finite(answers["ood_score"])
        yield _against("ood_score", model.name, scores, model.seen.ood_score, model.seen.slices)
        near = batch.confidences(model.name)
        if near.size and model.seen.confidence:
            quantiles, answered = model.seen.confidence, model.seen.answered
            yield _against("confidence", model.name, near, quantiles, answered)
    if len(answers) and model.trained_on:
        others = np.array([model.trained_on.get(name, 0) for name in CATEGORY_NAMES], np.float64)
        yield Shift("categories", model.name, _counted(answers["category"], CATEGORY_NAMES), others)


def shifts_from_run(batch: Side, other: Side) -> list[Shift]:
    """Return all measures of a batch against those of another run.

    Answers are compared of models that both used in the same version: else a model's change
    would pass for the batch's.
    """
    here, there = (_counted(side.slices["status"], STATUSES) for side in (batch, other))
    found = [Shift("status", None, here, there)] if here.sum() and there.sum() else []
    for model in batch.record.models:
        before = other.model(model.name)
        if before is not None and before.sha256 == model.sha256:
            found += _answers_from_run(batch, other, model.name)
    for name in QUALITY_COLUMNS:
        values, others = (_finite(side.slices[name]) for side in (batch, other))
        found += _from_values(name, None, values, others)
    return found


def _answers_from_run(batch: Side, other: Side, model: str) -> Iterator[Shift]:
    answers = [side.answers(model) for side in (batch, other)]
    scores = [_finite(one["ood_score"]) for one in answers]
    yield from _from_values("ood_score", model, *scores)
    confidences = [side.confidences(model) for side in (batch, other)]
    yield from _from_values("confidence", model, *confidences)
    if all(map(len, answers)):
        here, there = (_counted(one["category"], CATEGORY_NAMES) for one in answers)
        yield Shift("categories", model, here, there)


def _from_values(key: str, model: str | None, values: Values, others: Values) -> list[Shift]:
    if not (values.size and others.size):
        return []
    return [_against(key, model, values, quantiles_of(others), others)]


def _against(
    key: str, model: str | None, values: Values, quantiles: Sequence[float], others: Values | int
) -> Shift:
    """Return the values in bins that hold a tenth of the reference each, where none are equal.

    Of the reference its values are counted, or where only their number is known, its quantiles.
    """
    drawn = np.asarray(quantiles, dtype=np.float64)
    inner = np.unique(drawn[:: (len(drawn) - 1) // _BINS][1:-1])
    edges = np.concatenate([[-math.inf], inner, [math.inf]])
    held: Values
    if isinstance(others, int):
        counted, held = as_recorded(values), others * shares_between(quantiles, edges)
    else:
        counted, held = values, np.histogram(others, edges)[0].astype(np.float64)
    counts = np.histogram(counted, edges)[0].astype(np.float64)
    middles = float(np.median(values)), float(drawn[len(drawn) // 2])
    return Shift(key, model, counts, held, middles, values, drawn)


def _finite(values: pd.Series[float]) -> Values:
    numbers: Values = np.asarray(values, dtype=np.float64)
    return numbers[np.isfinite(numbers)]


def _counted(values: pd.Series[str], names: Sequence[str]) -> Values:
    counts = values.value_counts()
    return np.array([counts.get(name, 0) for name in names], dtype=np.float64)
