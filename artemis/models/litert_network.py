"""Exported networks on LiteRT, whose form they are exported in."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from artemis.errors import ModelError
from artemis.system.native_talk import native_talk_silenced

SIGNATURE: Final = "serving_default"
_BATCH: Final = 4  # as fast as 16 on two cores, and 75 MB less for what lies between layers
_THREADS: Final = 4
"""Of one interpreter: 16 cores share a batch's layers badly, see docs/performance.md."""


class LiteRtNetwork:
    """Runs a batch at a time for every four threads, each on an interpreter of its own.

    See `artemis.models.network.Network`.
    """

    precision = "f32"

    def __init__(self, path: Path, threads: int) -> None:
        at_a_time = max(1, threads // _THREADS)
        self._path, self._threads = path, threads // at_a_time
        runner, self.side = open_signature(path, self._threads)
        self.outputs = {name: shape for name, (_, shape) in outputs_of(runner).items()}
        self._pool = ThreadPoolExecutor(at_a_time, thread_name_prefix=path.parent.name)
        self._idle: SimpleQueue[Any] = SimpleQueue()
        self._idle.put(runner)  # others are opened when they are needed

    def run(self, pictures: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Return each output, by name, of ``(n, side, side)`` uint8 pictures."""
        answers = {name: np.empty((len(pictures), *s), "f4") for name, s in self.outputs.items()}

        def answer(start: int) -> None:
            runner = self._take()
            try:
                batch = np.ascontiguousarray(pictures[start : start + _BATCH, ..., None])
                for name, values in runner(picture=batch).items():
                    answers[name][start : start + _BATCH] = values
            finally:
                self._idle.put(runner)

        for _ in self._pool.map(answer, range(0, len(pictures), _BATCH)):
            pass  # raises what a thread raised
        return answers

    def _take(self) -> Any:
        try:
            return self._idle.get_nowait()
        except Empty:
            return open_signature(self._path, self._threads)[0]


def open_signature(path: Path, threads: int) -> tuple[Any, int]:
    """Return LiteRT's runner of the network, and the side of its input in pixels.

    Raises
    ------
    ModelError
        If it is no LiteRT flatbuffer, or one of another signature.
    """
    from ai_edge_litert.interpreter import Interpreter

    try:
        with native_talk_silenced():  # of its delegate, once in a process
            interpreter = Interpreter(model_path=str(path), num_threads=threads)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ModelError(
            f"{path}: expected a LiteRT flatbuffer. Received: {error}. Install the model again."
        ) from error
    signatures = interpreter.get_signature_list()
    if signatures.get(SIGNATURE, {}).get("inputs") != ["picture"]:
        raise ModelError(
            f"{path}: expected the signature {SIGNATURE!r} of the one input 'picture'. "
            f"Received: {signatures or 'none'}. Export the model again."
        )
    runner = interpreter.get_signature_runner(SIGNATURE)
    return runner, int(runner.get_input_details()["picture"]["shape"][1])


def outputs_of(runner: Any) -> dict[str, tuple[str, list[int]]]:
    """Return the tensor and the shape for one picture of each output, by its name."""
    return {
        name: (str(details["name"]), [int(size) for size in details["shape"][1:]])
        for name, details in runner.get_output_details().items()
    }
