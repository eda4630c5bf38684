"""A model as it is used: its manifest, its network, its reference. Needs no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from artemis.errors import ModelError
from artemis.labels import CATEGORIES, PLANES, TUMORS
from artemis.models.manifest import REFERENCE_NAME, WEIGHTS_NAME, Manifest, load_manifest
from artemis.models.network import open_network
from artemis.models.ood import FeatureReference, load_reference
from artemis.models.out_of_fold import unseen_answers
from artemis.settings import Runtime


@dataclass(frozen=True, slots=True)
class ModelOutput:
    """What a model says of ``n`` slices.

    Attributes
    ----------
    logits : ndarray, (n, 12), float32
        Before the softmax, not calibrated.
    features : ndarray, (n, f), float32
        Pooled features.
    maps : ndarray, (n, h, w, 4), float32, or None
        Evidence for each tumour type at each place, where the model has it.
    """

    logits: NDArray[np.float32]
    features: NDArray[np.float32]
    maps: NDArray[np.float32] | None


class ClassificationModel:
    """A loaded model: its manifest, its exported network and its feature reference.

    Parameters
    ----------
    folder : str or Path
        Folder of the model; every file's hash is checked.
    threads : int
        Threads that work on it at the same time; 0 for all cores.
    runtime : {'litert', 'openvino', 'tensorflow', 'auto'}
        What runs its network, see `artemis.models.network`.

    Raises
    ------
    ModelError
        If a file is missing, changed, or not the network that the manifest describes, or the
        runtime is not installed.
    """

    def __init__(self, folder: str | Path, threads: int = 0, runtime: Runtime = "litert") -> None:
        self.folder = folder = Path(folder)
        self.manifest: Manifest = load_manifest(folder)
        self.reference: FeatureReference = load_reference(
            folder / REFERENCE_NAME, self.manifest.out_of_distribution.method
        )
        self._network = open_network(folder / WEIGHTS_NAME, threads, runtime)
        if self._network.outputs != self.manifest.outputs or self.manifest.outputs["logits"] != [
            len(CATEGORIES)
        ]:
            raise ModelError(
                f"{folder / WEIGHTS_NAME}: expected the outputs {self.manifest.outputs} of the "
                f"manifest. Received: {self._network.outputs}. Export the model again."
            )

    @cached_property
    def trained_on(self) -> Mapping[str, int | None]:
        """What it was trained on, see `artemis.models.out_of_fold.unseen_answers`."""
        return unseen_answers(self.folder)

    def predict(self, pictures: NDArray[np.uint8]) -> ModelOutput:
        """Classify pictures.

        Parameters
        ----------
        pictures : ndarray, (n, side, side), uint8
            Model inputs, see `artemis.preprocess.model_input`.

        Raises
        ------
        ValueError
            If they have another shape or dtype.
        """
        side = self.manifest.input.side
        if pictures.dtype != np.uint8 or pictures.shape[1:] != (side, side):
            raise ValueError(
                f"{self.manifest.name}: expected uint8 pictures (n, {side}, {side}). "
                f"Received {pictures.dtype} {pictures.shape}. Use artemis.preprocess.model_input."
            )
        outputs = self._network.run(pictures)
        return ModelOutput(outputs["logits"], outputs["features"], outputs.get("maps"))

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return calibrated probabilities ``(n, 12)`` of logits: softmax at the temperature."""
        return softmax(logits / np.float32(self.manifest.temperature))


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the softmax over the last axis; rows sum to 1 within float32 rounding."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    probabilities: NDArray[np.float64] = shifted / shifted.sum(axis=-1, keepdims=True)
    return probabilities.astype(np.float32)


def tumor_probabilities(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probability of each tumour type, summed over the planes.

    Parameters
    ----------
    probabilities : ndarray, (n, 12), float32
        In the order of `artemis.labels.CATEGORIES`.

    Returns
    -------
    ndarray, (n, 4), float32
        In the order of `artemis.labels.TUMORS`.
    """
    by_tumor: NDArray[np.float32] = probabilities.reshape(-1, len(TUMORS), len(PLANES)).sum(axis=2)
    return by_tumor
