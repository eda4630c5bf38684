"""Exported networks on OpenVINO, where its extra is installed."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from artemis.errors import ModelError
from artemis.models.litert_network import open_signature, outputs_of
from artemis.system.native_talk import native_talk_silenced

_BATCH: Final = 4


class OpenVinoNetwork:
    """Runs as many batches at a time as it has threads, each on one.

    In bfloat16 where the processor has it, which it says, and in float32 elsewhere.
    """

    def __init__(self, path: Path, threads: int) -> None:
        openvino = _openvino()
        core = openvino.Core()
        runner, self.side = open_signature(path, 1)
        tensors = outputs_of(runner)
        self.outputs = {name: shape for name, (_, shape) in tensors.items()}
        self.precision = precision_here()
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


def precision_here() -> str:
    """Return what OpenVINO calculates with on this processor: bfloat16 where it can."""
    can = _openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "bf16" if "BF16" in can else "f32"


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
