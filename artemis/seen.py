"""How the slices that a model was trained on look to it, in brief: what a batch is held against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, Field

from artemis.labels import PROBABILITY_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

LEVELS: Final = tuple(step / 20 for step in range(21))
"""Shares of the slices that lie below each quantile: 0, 5, …, 100 %."""

_DECIMALS: Final = 4

Quantiles: TypeAlias = Annotated[list[float], Field(min_length=len(LEVELS), max_length=len(LEVELS))]


class SeenSlices(BaseModel):
    """Distributions over the slices that a model was trained on.

    Attributes
    ----------
    slices : int
        How many there are.
    ood_score : list of float, (21,)
        Quantiles, at `LEVELS`, of their distances as the model's own files measure them. The
        model has seen these slices: unseen ones of the same kind lie a little further. Of both
        shipped models 2.1 and 2.2 % lie beyond the threshold, which 3 % of unseen ones do.
    answered : int
        How many of them were answered by networks of the same recipe that had not seen them.
    confidence : list of float, (21,), optional
        Quantiles of the calibrated confidence of those answers; None where there are none.
    """

    slices: int = Field(gt=0)
    ood_score: Quantiles
    answered: int = 0
    confidence: Quantiles | None = None


def seen_slices(ood_scores: ArrayLike, out_of_fold: pd.DataFrame) -> SeenSlices:
    """Return the distributions of a model's training slices.

    Parameters
    ----------
    ood_scores : array_like, (n,)
        See `SeenSlices.ood_score`.
    out_of_fold : DataFrame
        See `artemis.models.out_of_fold`.
    """
    confidence = out_of_fold[list(PROBABILITY_COLUMNS)].max(axis=1).dropna()
    return SeenSlices(
        slices=np.size(ood_scores),
        ood_score=quantiles_of(ood_scores),
        answered=len(confidence),
        confidence=quantiles_of(confidence) if len(confidence) else None,
    )


def quantiles_of(values: ArrayLike) -> list[float]:
    """Return the quantiles of finite values at `LEVELS`, ``(21,)``, as `as_recorded` has them."""
    quantiles: list[float] = as_recorded(np.quantile(np.asarray(values), LEVELS)).tolist()
    return quantiles


def as_recorded(values: ArrayLike) -> NDArray[np.float64]:
    """Return values to the four decimals that quantiles are kept with.

    To be counted between quantiles: many confidences of 0.99997 lie below a quantile of 1.0 that
    was one of them.
    """
    exact: NDArray[np.float64] = np.asarray(values, dtype=np.float64)
    return exact.round(_DECIMALS)


def shares_between(quantiles: Sequence[float], edges: ArrayLike) -> NDArray[np.float64]:
    """Return which share of a distribution lies between neighbouring edges, ``(n - 1,)``.

    Between two quantiles the distribution is taken as even. An edge belongs to what is above it,
    the last one to what is below, as in `numpy.histogram`; what lies beyond the outermost edges is
    in no share.

    Parameters
    ----------
    quantiles : sequence of float, (21,)
        At `LEVELS`, ascending.
    edges : array_like, (n,)
        Ascending.
    """
    levels, values = np.asarray(LEVELS), np.asarray(quantiles, dtype=np.float64)
    places = np.asarray(edges, dtype=np.float64)
    # From above, so that of many equal values an edge has none below it: bins are [low, high).
    below = 1 - np.interp(-places, -values[::-1], 1 - levels[::-1])
    below[-1] = np.interp(places[-1], values, levels)  # but the last, which is [low, high]
    shares: NDArray[np.float64] = np.diff(below)
    return shares
