"""Exported networks, and what can run them: LiteRT, OpenVINO, or TensorFlow on a GPU.

All read the one file that a model is exported to, and answer alike.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from artemis.models.litert_network import LiteRtNetwork
from artemis.models.manifest import WEIGHTS_NAME
from artemis.settings import Runtime, Settings
from artemis.system.cores import usable_cores

_PROBES: Final = 5
_PROBED: Final = 8
"""Pictures for each thread in one measurement of a probe."""

_WORTH_A_CHANGE: Final = 1.05
"""How many times faster another runtime must be than the default, to be chosen by itself."""

_GPUS: Final = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""What the drivers of NVIDIA, AMD and Windows' Linux leave where there is a GPU."""


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
    runtime : {'litert', 'openvino', 'tensorflow', 'auto'}
        What runs it. ``auto`` measures those that are installed, see `choose_runtime`.

    Raises
    ------
    ModelError
        If the file is not such a network, or the runtime is not installed.
    """
    if runtime == "auto":
        runtime = choose_runtime(runtime, (path,), threads).runtime
    threads = threads or usable_cores()
    if runtime == "openvino":
        from artemis.models.openvino_network import OpenVinoNetwork

        return OpenVinoNetwork(path, threads)
    if runtime == "tensorflow":
        from artemis.models.tensorflow_network import TensorFlowNetwork

        return TensorFlowNetwork(path, threads)
    return LiteRtNetwork(path, threads)


@dataclass(frozen=True, slots=True)
class ChosenRuntime:
    """What runs a run's networks, and why.

    Attributes
    ----------
    runtime : {'litert', 'openvino', 'tensorflow'}
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
    """Return the runtimes worth a comparison here, the default first.

    TensorFlow, which takes seconds to import, is one of them only beside a GPU.
    """
    others: dict[Runtime, bool] = {
        "openvino": True,
        "tensorflow": any(Path(device).exists() for device in _GPUS),
    }
    return ["litert", *(name for name, worth in others.items() if worth and find_spec(name))]


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
    threads = threads or usable_cores()
    networks = {name: [open_network(path, threads, name) for path in paths] for name in names}
    shortest = dict.fromkeys(names, float("inf"))
    for _ in range(_PROBES):
        for name in names:
            seconds = sum(_seconds_a_picture(each, threads) for each in networks[name])
            shortest[name] = min(shortest[name], seconds)
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


def _seconds_a_picture(network: Network, threads: int) -> float:
    """Return how long a network takes, of some pictures of noise for each thread."""
    shape = (_PROBED * threads, network.side, network.side)
    pictures = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    begun = time.perf_counter()
    network.run(pictures)
    return (time.perf_counter() - begun) / len(pictures)


def _precision(runtime: Runtime) -> str:
    """Return what a runtime calculates with on this processor."""
    if runtime != "openvino":
        return "f32"
    from artemis.models.openvino_network import precision_here

    return precision_here()
