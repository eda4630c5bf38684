"""How well the doubt of several models together falls on what one of them gets wrong."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artemis.answers.review import sureness
from artemis.errors import TrainingDataError
from artemis.models.manifest import Interval
from artemis.training.figures.confidence import confidence_figures
from artemis.training.figures.evaluate import percentile_interval, resampled_groups

_SHARED = ("accuracy_surest_80", "aurc")


def together_figures(
    predictions: Mapping[str, pd.DataFrame],
    probabilities: Mapping[str, NDArray[np.float32]],
    weight: float,
    seed: int = 0,
) -> dict[str, dict[str, Interval]]:
    """Measure each model's answers in the order of the doubt that all models share.

    It is that of slices within the out-of-distribution limit, of good quality, and not against
    a header, see `artemis.answers.review.doubt_of`.

    Parameters
    ----------
    predictions : mapping of str to DataFrame
        By model, see `artemis.training.figures.out_of_fold`; of the same slices, in any order.
    probabilities : mapping of str to ndarray, (n, 12), float32
        By model, of these slices, calibrated.
    weight : float
        Of the other models, see `artemis.settings.ReviewSettings`.
    seed : int
        Of the resampling.

    Returns
    -------
    dict of str to dict of str to Interval
        By model: ``accuracy_surest_80_together`` and ``aurc_together``, with 95 % percentile
        intervals over resampled groups.

    Raises
    ------
    TrainingDataError
        If the models answered different slices.
    """
    aligned, table = _aligned(predictions, probabilities)
    categories = table["category"].to_numpy()
    codes, draws = resampled_groups(table["group"].tolist(), seed)
    found = {}
    for name, own in aligned.items():
        others = [of for other, of in aligned.items() if other != name]
        doubt = 1 - sureness(own, others, weight)
        values, resampled = confidence_figures(own, categories, codes, draws, doubt=doubt)
        found[name] = {
            f"{figure}_together": percentile_interval(values[figure], resampled[figure])
            for figure in _SHARED
        }
    return found


def _aligned(
    predictions: Mapping[str, pd.DataFrame], probabilities: Mapping[str, NDArray[np.float32]]
) -> tuple[dict[str, NDArray[np.float32]], pd.DataFrame]:
    """Return each model's probabilities in the order of slice ids, and the slices so ordered."""
    aligned, first = {}, pd.DataFrame()
    for name, table in predictions.items():
        order = np.argsort(table["slice_id"].to_numpy(dtype=str), kind="stable")
        sorted_table = table.iloc[order].reset_index(drop=True)
        if first.empty:
            first = sorted_table
        if not first["slice_id"].equals(sorted_table["slice_id"]):
            raise TrainingDataError(
                f"{name}: expected predictions of the same {len(first)} slices as of the other "
                f"models. Received {len(table)}. Evaluate the models on one training set."
            )
        aligned[name] = probabilities[name][order]
    return aligned, first
