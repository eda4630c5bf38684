"""How far a slice's features lie from those that the model was trained on."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from artemis.errors import ModelError
from artemis.files import atomic_path
from artemis.labels import CATEGORIES

METHOD: Final = "mahalanobis-pca-residual-1"
_MAX_COMPONENTS: Final = 64
_MIN_VARIANCE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class FeatureReference:
    """Training features in brief.

    Attributes
    ----------
    mean : ndarray, (f,), float32
        Mean feature vector.
    whitening : ndarray, (f, k), float32
        Principal axes, each divided by the standard deviation within categories.
    centres : ndarray, (12, k), float32
        Mean of each category in whitened space.
    components : ndarray, (f, k), float32
        Orthonormal principal axes.
    residual_scale : float
        Root mean square length of what the axes leave out, over the training set.
    """

    mean: NDArray[np.float32]
    whitening: NDArray[np.float32]
    centres: NDArray[np.float32]
    components: NDArray[np.float32]
    residual_scale: float

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        r"""Return the out-of-distribution score of each slice; higher is further.

        ``sqrt(min_c |z - m_c|^2 / k + |r|^2 / s^2)`` with `z` the whitened features, `m_c`
        the centre of category c, `r` what the `k` principal axes leave out and `s` its
        typical length: the Mahalanobis distance of Lee et al. (NeurIPS 2018) with a shared
        covariance, plus the residual of the principal subspace (Wang et al., CVPR 2022).

        Parameters
        ----------
        features : ndarray, (n, f), float32
            Pooled features.

        Returns
        -------
        ndarray, (n,), float32
            About 1.4 for a typical training slice.
        """
        centred = features - self.mean
        whitened = centred @ self.whitening
        distances = ((whitened[:, None, :] - self.centres[None]) ** 2).mean(axis=2).min(axis=1)
        residual = centred - (centred @ self.components) @ self.components.T
        scaled = (residual**2).sum(axis=1) / self.residual_scale**2
        scores: NDArray[np.float32] = np.sqrt(distances + scaled).astype(np.float32)
        return scores

    def save(self, path: Path) -> None:
        """Write the reference as a compressed ``.npz`` of float16 arrays, atomically."""
        with atomic_path(path) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(
                stream,
                mean=self.mean.astype(np.float16),
                whitening=self.whitening.astype(np.float16),
                centres=self.centres.astype(np.float16),
                components=self.components.astype(np.float16),
                residual_scale=np.float32(self.residual_scale),
            )


def fit_reference(features: NDArray[np.float32], categories: NDArray[np.int64]) -> FeatureReference:
    """Summarise training features.

    Parameters
    ----------
    features : ndarray, (n, f), float32
        Pooled features of the training slices.
    categories : ndarray, (n,), int64
        Category indices; one without slices gets the overall mean as its centre.
    """
    mean = features.mean(axis=0)
    centred = (features - mean).astype(np.float64)
    count = min(_MAX_COMPONENTS, features.shape[1], max(1, len(features) - 1))
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    components = axes[:count].T
    projected = centred @ components
    centres = np.zeros((len(CATEGORIES), count))
    for category in CATEGORIES:
        members = projected[categories == category.index]
        if len(members):
            centres[category.index] = members.mean(axis=0)
    spread = np.sqrt(((projected - centres[categories]) ** 2).mean(axis=0) + _MIN_VARIANCE)
    residual = centred - projected @ components.T
    residual_scale = float(np.sqrt((residual**2).sum(axis=1).mean() + _MIN_VARIANCE))
    return FeatureReference(
        mean=mean.astype(np.float32),
        whitening=(components / spread).astype(np.float32),
        centres=(centres / spread).astype(np.float32),
        components=components.astype(np.float32),
        residual_scale=residual_scale,
    )


def load_reference(path: Path) -> FeatureReference:
    """Read a reference written by `FeatureReference.save`; nothing is unpickled.

    Raises
    ------
    ModelError
        If the file is not such a reference.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return FeatureReference(
                mean=arrays["mean"].astype(np.float32),
                whitening=arrays["whitening"].astype(np.float32),
                centres=arrays["centres"].astype(np.float32),
                components=arrays["components"].astype(np.float32),
                residual_scale=float(arrays["residual_scale"]),
            )
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"{path}: expected the feature reference of a model. Received: {error}. "
            "Install the model again."
        ) from error
