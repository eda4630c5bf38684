"""Exported networks, and what can run them: LiteRT, or OpenVINO where it is installed.

All read the one file that a model is exported to, and answer alike.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from artemis.errors import ModelError
from artemis.models.manifest import WEIGHTS_NAME
from artemis.native_talk import native_talk_silenced
from artemis.settings import Runtime, Settings

_SIGNATURE: Final = "serving_default"
_BATCH: Final = 4  # as fast as 16 on two cores, and 75 MB less for what lies between layers
_PROBES: Final = 5
_WORTH_A_CHANGE: Final = 1.05
"""How many times faster another runtime must be than the default, to be chosen by itself."""


class Network(Protocol):
    """An exported network, ready to run. Calls from several threads are safe.

    Attributes
    ----------
    outputs : dict of str to list of int
        The shape of each output for one picture, by name.
    side : int
        Width and height of its input, in pixels.
    precision : str
        What it calculates with: ``f32``, or ``bf16``.
    """

    side: int
    outputs: dict[str, list[int]]
    precision: str

    def run(self, pictures: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Return each output, by name, of ``(n, side, side)`` uint8 pictures."""


def open_network(path: Path, threads: int = 0, runtime: Runtime = "litert") -> Network:
    """Open an exported network.

    Parameters
    ----------
    path : Path
        LiteRT flatbuffer, see `artemis.training.network.export`.
    threads : int
        Threads that work on it at the same time; 0 for all cores.
    runtime : {'litert', 'openvino', 'auto'}
        What runs it. ``auto`` measures those that are installed, see `choose_runtime`.

    Raises
    ------
    ModelError
        If the file is not such a network, or the runtime is not installed.
    """
    if runtime == "auto":
        runtime = choose_runtime(runtime, (path,), threads).runtime
    return _OPENERS[runtime](path, threads or os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class ChosenRuntime:
    """What runs a run's networks, and why.

    Attributes
    ----------
    runtime : {'litert', 'openvino'}
        The one to use.
    precision : str
        What it calculates with, see `Network`.
    milliseconds : dict of str to float
        Of all the networks on one picture, by runtime; the shortest of several times. Empty
        where there was nothing to choose between.
    """

    runtime: Runtime
    precision: str
    milliseconds: Mapping[Runtime, float]

    def __str__(self) -> str:
        words = f"{self.runtime} in {self.precision}"
        if not self.milliseconds:
            return words
        times = ", ".join(f"{name} {ms:.1f}" for name, ms in self.milliseconds.items())
        return f"{words}, chosen by a probe (ms a picture: {times})"


def installed_runtimes() -> list[Runtime]:
    """Return the runtimes that can be used here, the default first."""
    return ["litert", "openvino"] if find_spec("openvino") is not None else ["litert"]


@lru_cache(maxsize=4)
def choose_runtime(runtime: Runtime, paths: tuple[Path, ...], threads: int = 0) -> ChosenRuntime:
    """Return what is to run some networks: what is asked for, or for ``auto`` the fastest.

    Every installed runtime is measured on all of them, in turn; another than the default is
    chosen only where it is clearly faster. A second call of a process returns what the first
    one found.

    Parameters
    ----------
    runtime, threads
        See `open_network`.
    paths : tuple of Path
        The networks that will be run.

    Raises
    ------
    ModelError
        If the runtime asked for is not installed, or one of them, measured, is not a network.
    """
    names = installed_runtimes() if runtime == "auto" else [runtime]
    if len(names) == 1:
        return ChosenRuntime(names[0], _precision(names[0]), {})
    networks = {name: [open_network(path, threads, name) for path in paths] for name in names}
    shortest = dict.fromkeys(names, float("inf"))
    for _ in range(_PROBES):
        for name in names:
            shortest[name] = min(shortest[name], sum(map(_seconds_a_picture, networks[name])))
    best = min(names, key=lambda name: shortest[name])
    if shortest[names[0]] <= _WORTH_A_CHANGE * shortest[best]:
        best = names[0]
    measured = {name: 1000 * seconds for name, seconds in shortest.items()}
    return ChosenRuntime(best, networks[best][0].precision, measured)


def runtime_for(folders: Iterable[Path], settings: Settings) -> ChosenRuntime:
    """Return what is to run the models of these folders, see `choose_runtime`.

    Whatever their order: what loads them beforehand and what records the run get one answer.
    """
    paths = sorted(folder / WEIGHTS_NAME for folder in folders)
    return choose_runtime(settings.runtime, tuple(paths), settings.threads)


def _seconds_a_picture(network: Network) -> float:
    """Return how long a network takes, of some batches of noise."""
    shape = (4 * _BATCH, network.side, network.side)
    pictures = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    begun = time.perf_counter()
    network.run(pictures)
    return (time.perf_counter() - begun) / len(pictures)


class _LiteRt:
    """Runs one batch at a time on all its threads."""

    def __init__(self, path: Path, threads: int) -> None:
        self.precision = _precision("litert")
        self._lock = threading.Lock()
        self._runner, self.side = _signature(path, threads)
        self.outputs = {name: shape for name, (_, shape) in _outputs(self._runner).items()}

    def run(self, pictures: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Return each output, by name, of ``(n, side, side)`` uint8 pictures."""
        parts: dict[str, list[NDArray[np.float32]]] = {name: [] for name in self.outputs}
        with self._lock:
            for start in range(0, len(pictures), _BATCH):
                batch = np.ascontiguousarray(pictures[start : start + _BATCH, ..., None])
                # The runner copies its outputs, so they outlive the next invocation.
                for name, values in self._runner(picture=batch).items():
                    parts[name].append(values)
        return {
            name: np.concatenate(values) if values else np.empty((0, *self.outputs[name]), "f4")
            for name, values in parts.items()
        }


class _OpenVino:
    """Runs as many batches at a time as it has threads, each on one.

    In bfloat16 where the processor has it, which it says, and in float32 elsewhere.
    """

    def __init__(self, path: Path, threads: int) -> None:
        openvino = _openvino()
        core = openvino.Core()
        runner, self.side = _signature(path, 1)
        tensors = _outputs(runner)
        self.outputs = {name: shape for name, (_, shape) in tensors.items()}
        self.precision = _precision("openvino")
        self._lock = threading.Lock()
        with native_talk_silenced():
            model = core.read_model(str(path))
            model.reshape([_BATCH, self.side, self.side, 1])
            compiled = core.compile_model(
                model,
                "CPU",
                {
                    "PERFORMANCE_HINT": "THROUGHPUT",
                    "NUM_STREAMS": str(threads),
                    "INFERENCE_NUM_THREADS": threads,
                    "INFERENCE_PRECISION_HINT": self.precision,
                },
            )
        self._ports = {name: compiled.output(tensor) for name, (tensor, _) in tensors.items()}
        self._queue = openvino.AsyncInferQueue(compiled, threads)

    def run(self, pictures: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Return each output, by name, of ``(n, side, side)`` uint8 pictures."""
        n = len(pictures)
        # Whole batches: its shape is fixed, which is faster; what fills the last is cut off.
        whole = np.zeros((-(-n // _BATCH) * _BATCH, self.side, self.side, 1), np.uint8)
        whole[:n, ..., 0] = pictures
        answers = {name: np.empty((len(whole), *s), "f4") for name, s in self.outputs.items()}
        with self._lock:
            self._queue.set_callback(lambda request, start: self._take(request, answers, start))
            for start in range(0, len(whole), _BATCH):
                self._queue.start_async({0: whole[start : start + _BATCH]}, start)
            self._queue.wait_all()
        return {name: values[:n] for name, values in answers.items()}

    def _take(self, request: Any, answers: Mapping[str, NDArray[np.float32]], start: int) -> None:
        for name, port in self._ports.items():
            answers[name][start : start + _BATCH] = request.get_tensor(port).data


_OPENERS: Final[Mapping[Runtime, Callable[[Path, int], Network]]] = {
    "litert": _LiteRt,
    "openvino": _OpenVino,
}


def _signature(path: Path, threads: int) -> tuple[Any, int]:
    """Return LiteRT's runner of the network, and the side of its input in pixels."""
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
    if signatures.get(_SIGNATURE, {}).get("inputs") != ["picture"]:
        raise ModelError(
            f"{path}: expected the signature {_SIGNATURE!r} of the one input 'picture'. "
            f"Received: {signatures or 'none'}. Export the model again."
        )
    runner = interpreter.get_signature_runner(_SIGNATURE)
    return runner, int(runner.get_input_details()["picture"]["shape"][1])


def _outputs(runner: Any) -> dict[str, tuple[str, list[int]]]:
    """Return the tensor and the shape for one picture of each output, by its name."""
    return {
        name: (str(details["name"]), [int(size) for size in details["shape"][1:]])
        for name, details in runner.get_output_details().items()
    }


def _openvino() -> Any:
    # When imported, it tells Google Analytics, unless its package for that cannot be imported.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        import openvino
    except ImportError as error:
        raise ModelError(
            "OpenVINO: expected it to run the networks, as ARTEMIS_RUNTIME says. Received: not "
            "installed. Install the extra `openvino`, or set ARTEMIS_RUNTIME=litert."
        ) from error
    return openvino


def _precision(runtime: Runtime) -> str:
    """Return what a runtime calculates with on this processor."""
    if runtime == "litert":
        return "f32"
    can = _openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "bf16" if "BF16" in can else "f32"
