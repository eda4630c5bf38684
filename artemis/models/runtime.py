"""Run an exported model. Needs LiteRT, not TensorFlow."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from artemis.errors import ModelError
from artemis.labels import CATEGORIES
from artemis.models.manifest import REFERENCE_NAME, WEIGHTS_NAME, Manifest, load_manifest
from artemis.models.ood import FeatureReference, load_reference

_BATCH: Final = 16
"""Slices an invocation takes; measured fastest of 1 to 64 for both models on two threads."""


@dataclass(frozen=True, slots=True)
class ModelOutput:
    """What a model says of ``n`` slices.

    Attributes
    ----------
    logits : ndarray, (n, 12), float32
        Before the softmax, not calibrated.
    features : ndarray, (n, f), float32
        Pooled features.
    maps : ndarray, (n, h, w, 12), float32, or None
        Class-activation maps, where the model has them.
    """

    logits: NDArray[np.float32]
    features: NDArray[np.float32]
    maps: NDArray[np.float32] | None


class ClassificationModel:
    """A loaded model: its manifest, its exported network and its feature reference.

    Calls from several threads are served one after the other.

    Parameters
    ----------
    folder : Path
        Folder of the model; every file's hash is checked.
    threads : int
        Threads of one invocation; 0 for all cores.

    Raises
    ------
    ModelError
        If a file is missing, changed, or not the network that the manifest describes.
    """

    def __init__(self, folder: Path, threads: int = 0) -> None:
        self.folder = folder
        self.manifest: Manifest = load_manifest(folder)
        self.reference: FeatureReference = load_reference(folder / REFERENCE_NAME)
        self._lock = threading.Lock()
        self._interpreter = _open(folder / WEIGHTS_NAME, threads or os.cpu_count() or 1)
        self._check_network()

    def predict(self, pictures: NDArray[np.uint8]) -> ModelOutput:
        """Classify pictures.

        Parameters
        ----------
        pictures : ndarray, (n, side, side), uint8
            Model inputs, see `artemis.preprocess.model_input`.
        """
        side = self.manifest.input.side
        if pictures.dtype != np.uint8 or pictures.shape[1:] != (side, side):
            raise ValueError(
                f"{self.manifest.name}: expected uint8 pictures (n, {side}, {side}). "
                f"Received {pictures.dtype} {pictures.shape}. Use artemis.preprocess.model_input."
            )
        parts: dict[str, list[NDArray[np.float32]]] = {name: [] for name in self.manifest.outputs}
        with self._lock:
            for start in range(0, len(pictures), _BATCH):
                for name, values in self._invoke(pictures[start : start + _BATCH]).items():
                    parts[name].append(values)
        joined = {
            name: np.concatenate(values)
            if values
            else np.empty((0, *self.manifest.outputs[name]), dtype=np.float32)
            for name, values in parts.items()
        }
        return ModelOutput(joined["logits"], joined["features"], joined.get("maps"))

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return calibrated probabilities ``(n, 12)`` of logits: softmax at the temperature."""
        return softmax(logits / np.float32(self.manifest.temperature))

    def _invoke(self, pictures: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        # The signature runner copies its outputs, so they outlive the next invocation.
        return dict(self._runner(picture=np.ascontiguousarray(pictures[..., None])))

    def _check_network(self) -> None:
        signatures = self._interpreter.get_signature_list()
        if "serving_default" not in signatures:
            raise ModelError(
                f"{self.folder / WEIGHTS_NAME}: expected the signature 'serving_default'. "
                f"Received: {', '.join(signatures) or 'none'}. Export the model again."
            )
        self._runner: Any = self._interpreter.get_signature_runner("serving_default")
        side = self.manifest.input.side
        outputs = self._invoke(np.zeros((1, side, side), dtype=np.uint8))
        received = {name: list(values.shape[1:]) for name, values in outputs.items()}
        if received != self.manifest.outputs or received["logits"] != [len(CATEGORIES)]:
            raise ModelError(
                f"{self.folder / WEIGHTS_NAME}: expected the outputs {self.manifest.outputs} of "
                f"the manifest. Received: {received}. Export the model again."
            )


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the softmax over the last axis; rows sum to 1 within float32 rounding."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    probabilities: NDArray[np.float64] = shifted / shifted.sum(axis=-1, keepdims=True)
    return probabilities.astype(np.float32)


def _open(path: Path, threads: int) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    try:
        return Interpreter(model_path=str(path), num_threads=threads)
    except (ValueError, RuntimeError) as error:
        raise ModelError(
            f"{path}: expected a LiteRT flatbuffer. Received: {error}. Install the model again."
        ) from error
