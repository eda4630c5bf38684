"""Stop a training that diverged, before anything is kept of it. Imports TensorFlow."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
from numpy.typing import NDArray

from artemis.errors import DivergedError


def has_finite_weights(model: keras.Model) -> bool:
    """Return whether no weight of a network is infinite or no number."""
    return all(bool(np.isfinite(weight.numpy()).all()) for weight in model.weights)


class Finite(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Raise after an epoch that left weights, or after the last one answers, that are not finite.

    Keras' own ``TerminateOnNaN`` looks at the loss, which is of the weights before a step, stops
    without a word, and leaves what it stopped to be kept.

    Parameters
    ----------
    who : str
        Model and stage.
    answers : callable
        Returns the logits, ``(n, 12)``, of the slices that are looked at.
    whose : str
        Which slices those are, such as ``held-out``.
    advice : str
        What to do, as a sentence.
    """

    def __init__(
        self, who: str, answers: Callable[[], NDArray[np.float32]], whose: str, advice: str
    ) -> None:
        super().__init__()
        self._who, self._answers, self._whose, self._advice = who, answers, whose, advice

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Look at the weights."""
        if not has_finite_weights(self.model):
            of = f"epoch {epoch + 1} of {self.params['epochs']}"
            self._stop(f"weights that are not after {of}, and no finite answer", *self._broken())

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Look at the answers of the network that is kept."""
        broken, count = self._broken()
        if broken:
            self._stop("no finite answer", broken, count)

    def _broken(self) -> tuple[int, int]:
        logits = self._answers()
        return int((~np.isfinite(logits)).any(axis=1).sum()), len(logits)

    def _stop(self, received: str, broken: int, count: int) -> None:
        raise DivergedError(
            f"{self._who}: expected finite weights, and finite answers to all slices. Received "
            f"{received} to {broken:,} of {count:,} {self._whose} slices: the training diverged, "
            f"and nothing of it is kept. {self._advice}"
        )
