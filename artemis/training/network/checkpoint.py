"""What a training that was ended goes on from: its state after its last finished epoch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import keras
import numpy as np

from artemis.system.files import atomic_path
from artemis.system.numpy_files import read_arrays

_NAME: Final = re.compile(r"epoch-([0-9]+)\.npz")


class Checkpoint(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Keep weights and the optimiser's state after each epoch, in a file that its number names.

    It appears whole or not at all, whenever the process is killed: Keras' own
    ``BackupAndRestore`` writes over the last state, and its epoch into a second file, and
    removes both as soon as the last epoch is done, before anything was made of the network.
    Keras' ``save_weights`` looks through every attribute of every layer for what to write.

    Parameters
    ----------
    folder : Path
        Where the file is. It stays until whoever needs it no more removes the folder.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def restore(self, model: keras.Model) -> int:
        """Load what was kept into a compiled model, and return how many epochs it has had.

        Its optimiser is built: the state is that of the same variables, in their order.
        """
        kept = self._kept()
        if not kept:
            return 0
        done = max(kept)
        arrays = read_arrays(kept[done])
        for variable, name in zip(_state(model), sorted(arrays), strict=True):
            variable.assign(arrays[name])
        return done

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keep the state, and remove the one before."""
        older = self._kept()
        arrays = {f"v{k:05d}": variable.numpy() for k, variable in enumerate(_state(self.model))}
        target = self._folder / f"epoch-{epoch + 1:04d}.npz"
        with atomic_path(target) as temporary, temporary.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **arrays)
        for number in older.keys() - {epoch + 1}:
            older[number].unlink()

    def _kept(self) -> dict[int, Path]:
        found = {path: _NAME.fullmatch(path.name) for path in self._folder.glob("epoch-*")}
        return {int(match[1]): path for path, match in found.items() if match}


def _state(model: keras.Model) -> list[keras.Variable]:
    """Return the weights, the states of random generators, and those of the optimiser."""
    return [*model.variables, *model.optimizer.variables]
