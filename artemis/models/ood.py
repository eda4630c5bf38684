"""How far a slice lies from those that the model was trained on, by its features and its looks.

Measured with the first shipped models: 541 slices of unseen patients against 110 drawn pictures
that are no brain MRI (`artemis.training.figures.far`) and 15 real ones (CT, ultrasound, nuclear
medicine, a dose map, photographs), with references of 1,000 training slices (500 for the
neighbours). Area under the ROC curve, and share of the far ones within the threshold that refuses
3 % of the unseen slices:

====================================================  =============  =============
score                                                 mobilenet_v2   baseline
====================================================  =============  =============
Mahalanobis and residual of the features              0.991  0.056   0.949  0.416
nearest neighbour of the normalised features          0.995  0.032   0.950  0.464
energy of the logits                                  0.977  0.128   0.940  0.568
distance of the picture's statistics alone            0.996  0.024   0.996  0.024
**Mahalanobis and residual, with the picture's**      0.999  0.000   0.997  0.024
nearest neighbour, with the picture's                 0.999  0.000   0.992  0.048
====================================================  =============  =============

Features forget what the classes do not need, such as that the background is dark: an inverted head
(0.91 by features) or a chequerboard (0.89 by the baseline's) is told by the grey values. The
nearest neighbour gains nothing beside them, and would need 1.3 MB of training features.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from artemis.errors import ModelError
from artemis.labels import CATEGORIES
from artemis.system.files import atomic_path
from artemis.system.numpy_files import read_arrays

METHOD: Final = "mahalanobis-picture-1"
"""Features and picture together."""

_MAX_COMPONENTS: Final = 64
_MIN_VARIANCE: Final = 1e-6
_LEVELS: Final = 16
_CELLS: Final = 6
_RIDGE: Final = 1e-3  # variance that keeps a statistic which never varies from deciding all
_BLOCK: Final = 64


def picture_statistics(pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return what can be said of pictures without a network.

    Parameters
    ----------
    pictures : ndarray, (n, side, side), uint8
        Model inputs.

    Returns
    -------
    ndarray, (n, 53), float64
        Square roots of the shares of 16 grey levels, means of 6 x 6 cells (0 to 1), and the
        logarithm of the mean step from row to row.
    """
    parts = [
        _statistics(np.asarray(pictures[start : start + _BLOCK]))
        for start in range(0, len(pictures), _BLOCK)
    ]
    return np.concatenate(parts) if parts else np.empty((0, _LEVELS + _CELLS**2 + 1))


def _statistics(pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
    n, side, _ = pictures.shape
    levels = (pictures // (256 // _LEVELS)).reshape(n, -1) + _LEVELS * np.arange(n)[:, None]
    counts = np.bincount(levels.ravel(), minlength=n * _LEVELS).reshape(n, _LEVELS)
    cell = side // _CELLS
    inner = pictures[:, : cell * _CELLS, : cell * _CELLS].astype(np.float32)
    cells = inner.reshape(n, _CELLS, cell, _CELLS, cell).mean(axis=(2, 4)).reshape(n, -1)
    steps = np.abs(np.diff(pictures.astype(np.float32), axis=1)).mean(axis=(1, 2))
    return np.hstack(
        [np.sqrt(counts / side**2), cells / 255, np.log(steps / 255 + 1e-3)[:, None]]
    ).astype(np.float64)


@dataclass(frozen=True, slots=True)
class PictureReference:
    """Looks of the training pictures in brief.

    Attributes
    ----------
    mean : ndarray, (p,), float32
        Mean `picture_statistics`.
    whitening : ndarray, (p, p), float32
        Principal axes, each divided by its standard deviation.
    """

    mean: NDArray[np.float32]
    whitening: NDArray[np.float32]

    def score(self, pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return the root mean square of the whitened statistics, ``(n,)``; about 0.6 is typical.

        Parameters
        ----------
        pictures : ndarray, (n, side, side), uint8
            Model inputs.
        """
        whitened = (picture_statistics(pictures) - self.mean) @ self.whitening
        scores: NDArray[np.float64] = np.sqrt((whitened**2).mean(axis=1))
        return scores


def fit_picture_reference(pictures: NDArray[np.uint8]) -> PictureReference:
    """Summarise the looks of training pictures, ``(n, side, side)`` uint8."""
    statistics = picture_statistics(pictures)
    mean = statistics.mean(axis=0)
    centred = statistics - mean
    variances, axes = np.linalg.eigh(centred.T @ centred / len(statistics))
    whitening = axes / np.sqrt(variances.clip(min=0) + _RIDGE)
    return PictureReference(mean.astype(np.float32), whitening.astype(np.float32))


@dataclass(frozen=True, slots=True)
class FeatureReference:
    """Training slices in brief.

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
    picture : PictureReference
        Looks of the same slices.
    """

    mean: NDArray[np.float32]
    whitening: NDArray[np.float32]
    centres: NDArray[np.float32]
    components: NDArray[np.float32]
    residual_scale: float
    picture: PictureReference

    def score(
        self, features: NDArray[np.float32], pictures: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        r"""Return the out-of-distribution score of each slice; higher is further.

        ``sqrt(min_c |z - m_c|^2 / k + |r|^2 / s^2 + q^2)`` with `z` the whitened features, `m_c`
        the centre of category c, `r` what the `k` principal axes leave out and `s` its
        typical length: the Mahalanobis distance of Lee et al. (NeurIPS 2018) with a shared
        covariance, plus the residual of the principal subspace (Wang et al., CVPR 2022), plus
        the distance `q` of the picture's own statistics.

        Parameters
        ----------
        features : ndarray, (n, f), float32
            Pooled features.
        pictures : ndarray, (n, side, side), uint8
            Model inputs that they are of.

        Returns
        -------
        ndarray, (n,), float32
            About 1.5 for a typical training slice.
        """
        # In double precision, so that a slice's score does not depend on its company in a chunk.
        centred = features.astype(np.float64) - self.mean
        whitened = centred @ self.whitening
        distances = ((whitened[:, None, :] - self.centres[None]) ** 2).mean(axis=2).min(axis=1)
        residual = centred - (centred @ self.components) @ self.components.T
        scaled = (residual**2).sum(axis=1) / self.residual_scale**2
        looks = self.picture.score(pictures) ** 2
        scores: NDArray[np.float32] = np.sqrt(distances + scaled + looks).astype(np.float32)
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
                picture_mean=self.picture.mean.astype(np.float16),
                picture_whitening=self.picture.whitening.astype(np.float16),
            )


def fit_reference(
    features: NDArray[np.float32], categories: NDArray[np.int64], pictures: NDArray[np.uint8]
) -> FeatureReference:
    """Summarise training slices.

    Parameters
    ----------
    features : ndarray, (n, f), float32
        Pooled features of the training slices.
    categories : ndarray, (n,), int64
        Category indices; one without slices gets the overall mean as its centre.
    pictures : ndarray, (n, side, side), uint8
        Model inputs that they are of.
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
        picture=fit_picture_reference(pictures),
    )


def load_reference(path: Path, method: str = METHOD) -> FeatureReference:
    """Read a reference written by `FeatureReference.save`; nothing is unpickled.

    Parameters
    ----------
    path : Path
        ``reference.npz``.
    method : str
        As the manifest names it; `METHOD` is known.

    Raises
    ------
    ModelError
        If the file is not such a reference, or the method is not known.
    """
    if method != METHOD:
        raise ModelError(
            f"{path}: expected the reference of the method {METHOD}. Received {method!r}. "
            "Use the version of Artemis that trained the model, or train it again."
        )
    try:
        arrays = read_arrays(path)
        return FeatureReference(
            mean=arrays["mean"].astype(np.float32),
            whitening=arrays["whitening"].astype(np.float32),
            centres=arrays["centres"].astype(np.float32),
            components=arrays["components"].astype(np.float32),
            residual_scale=float(arrays["residual_scale"]),
            picture=PictureReference(
                arrays["picture_mean"].astype(np.float32),
                arrays["picture_whitening"].astype(np.float32),
            ),
        )
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"{path}: expected the feature reference of a model. Received: {error}. "
            "Install the model again."
        ) from error
