"""What a training that was ended goes on from: its state after its last finished epoch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import keras

from artemis.files import atomic_path

_NAME: Final = re.compile(r"epoch-([0-9]+)\.weights\.h5")


class Checkpoint(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Keep weights and the optimiser's state after each epoch, in a file that its number names.

    It appears whole or not at all, whenever the process is killed: Keras' own
    ``BackupAndRestore`` writes over the last state, and its epoch into a second file, and
    removes both as soon as the last epoch is done, before anything was made of the network.

    Parameters
    ----------
    folder : Path
        Where the file is. It stays until whoever needs it no more removes the folder.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def restore(self, model: keras.Model) -> int:
        """Load what was kept into a compiled model, and return how many epochs it has had."""
        kept = self._kept()
        if not kept:
            return 0
        done = max(kept)
        model.load_weights(kept[done])
        return done

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keep the state, and remove the one before."""
        older = self._kept()
        with atomic_path(self._folder / f"epoch-{epoch + 1:04d}.weights.h5") as temporary:
            named = temporary.with_name(f"{temporary.name}.weights.h5")  # as Keras will have it
            try:
                self.model.save_weights(named)
                named.replace(temporary)
            finally:
                named.unlink(missing_ok=True)
        for number in older.keys() - {epoch + 1}:
            older[number].unlink()

    def _kept(self) -> dict[int, Path]:
        found = {path: _NAME.fullmatch(path.name) for path in self._folder.glob("epoch-*")}
        return {int(match[1]): path for path, match in found.items() if match}
