"""Labels most at odds with predictions by a model that had not seen them.

The score follows confident learning (Northcutt, Jiang and Chuang, "Confident learning:
estimating uncertainty in dataset labels", JAIR 70, 2021): the probability of a label is
compared with how sure the predictions are of that label on average, so that a type of
which they are never sure does not fill the list.
"""

from __future__ import annotations

import importlib.util
import warnings
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artemis.errors import MissingExtraError, TrainingDataError
from artemis.labels import CATEGORIES, PLANES, PROBABILITY_COLUMNS, TUMORS
from artemis.system.cores import one_blas_thread

_FOLDS: Final = 5
_SEED: Final = 20_221_012
_STRENGTH: Final = 0.1
_ROUNDS: Final = 300


def out_of_fold(
    features: NDArray[np.float32], labels: NDArray[np.int64], groups: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    """Predict each picture's tumour type by a classifier that saw none of its group.

    Logistic regression on standardised features (L2, C = 0.1), in five stratified folds of
    whole groups; fewer where the rarest type has fewer groups. Numbers are the same bits however
    many cores there are.

    Parameters
    ----------
    features : ndarray, (n, f), float32
        Pooled features of a network.
    labels : ndarray, (n,), int64
        Positions in `artemis.labels.TUMORS`.
    groups : ndarray, (n,), int64
        Pictures that are copies or of one patient share a number.

    Returns
    -------
    ndarray, (n, 4), float64, or None
        Probabilities; None where the labels do not hold two types of two groups each.

    Raises
    ------
    MissingExtraError
        If scikit-learn is not installed.
    """
    if importlib.util.find_spec("sklearn") is None:
        raise MissingExtraError(
            "Search for wrong labels: expected scikit-learn. Received an installation without it. "
            "Run `pip install 'artemis-mri[train]'`, or `make train-setup` in a clone."
        )
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    per_type = [len(np.unique(groups[labels == label])) for label in np.unique(labels)]
    folds = min([_FOLDS, *per_type])
    if len(per_type) < 2 or folds < 2:
        return None
    probabilities = np.zeros((len(labels), len(TUMORS)))
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=_SEED)
    for train, test in splitter.split(features, labels, groups):
        if len(np.unique(labels[train])) < 2:
            return None
        model = make_pipeline(StandardScaler(), LogisticRegression(C=_STRENGTH, max_iter=_ROUNDS))
        with one_blas_thread(), warnings.catch_warnings():
            # What has not converged after 300 rounds ranks the same.
            warnings.simplefilter("ignore")
            model.fit(features[train], labels[train])
            probabilities[np.ix_(test, model.classes_)] = model.predict_proba(features[test])
    return probabilities


def given_predictions(
    predictions: pd.DataFrame, slice_ids: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the probabilities of tumour type and of plane from out-of-fold predictions.

    Parameters
    ----------
    predictions : pandas.DataFrame
        ``slice_id`` and the twelve columns ``p_<category>``, as `artemis-cli evaluate`
        writes them; several rows of a slice are averaged.
    slice_ids : list of str
        Of n pictures.

    Returns
    -------
    (ndarray, (n, 4), float64), (ndarray, (n, 3), float64)
        Not a number in the rows of pictures without a prediction.

    Raises
    ------
    TrainingDataError
        If a column is missing or no picture has a prediction.
    """
    missing = [name for name in ("slice_id", *PROBABILITY_COLUMNS) if name not in predictions]
    if missing:
        raise TrainingDataError(
            "Predictions: expected the columns slice_id and p_<category> of twelve categories. "
            f"Received a table without {', '.join(missing)}. Give the predictions.parquet that "
            "`artemis-cli evaluate patient` wrote into evaluations/<model>/patient/."
        )
    means = predictions.groupby("slice_id")[list(PROBABILITY_COLUMNS)].mean()
    values = means.reindex(slice_ids).to_numpy(dtype=np.float64)
    if not len(slice_ids) or np.isnan(values).all():
        raise TrainingDataError(
            "Predictions: expected those of this data set. Received predictions of "
            f"{len(means)} other pictures. Evaluate on this data set, or leave them out."
        )
    return by_tumor(values), by_plane(values)


def by_tumor(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the probabilities of the four tumour types, summed over planes."""
    sums = [probabilities[:, [c.index for c in CATEGORIES if c.tumor == t]].sum(1) for t in TUMORS]
    return np.stack(sums, axis=1).astype(np.float64)


def by_plane(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the probabilities of the three planes, summed over tumour types."""
    sums = [probabilities[:, [c.index for c in CATEGORIES if c.plane == p]].sum(1) for p in PLANES]
    return np.stack(sums, axis=1).astype(np.float64)


def adjusted(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return probabilities freed from how sure the predictions are of each type on average.

    ``q_k = (p_k - t_k + max t) / sum``, where ``t_k`` is the mean probability of type k over
    the pictures labelled k; the overall mean where there is none.

    Parameters
    ----------
    probabilities : ndarray, (n, k), float64
        Rows that are not a number are left out of the means and stay so.
    labels : ndarray, (n,), int64
        Labels as given.
    """
    own = probabilities[np.arange(len(labels)), labels]
    known = ~np.isnan(own)
    overall = float(own[known].mean()) if known.any() else 0.0
    means = np.array(
        [
            own[known & (labels == k)].mean() if (known & (labels == k)).any() else overall
            for k in range(probabilities.shape[1])
        ]
    )
    shifted = np.maximum(probabilities - means + means.max(), 0.0)
    total = shifted.sum(axis=1, keepdims=True)
    values: NDArray[np.float64] = shifted / np.where(total > 0, total, 1.0)
    return values
