"""The peers in a process of their own, so that TensorFlow is never imported in this one.

The two talk in lines of JSON: a folder and models, then the name of what to do, answered by the
seconds that it took or by the checks. The other side is `artemis.benchmark.peers.serve`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from artemis.benchmark.record import Check
from artemis.benchmark.rounds import Measured
from artemis.errors import BenchmarkError, ProcessEndedError
from artemis.runs import ModelRecord
from artemis.system.processes import OwnProcess

LOOP: Final = "the original's loop"
PIPELINE: Final = "Keras' directory pipeline"
CHECKS: Final = "checks"
SERVE: Final = "from artemis.benchmark.peers import serve; serve()"
_AS_TRAINING: Final = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1"}
"""oneDNN as `artemis.training.jobs.require_tensorflow` sets it: Keras as fast as it can be here."""


class PeerProcess:
    """A process that runs the peers on a folder when told to; a context that ends it.

    Parameters
    ----------
    folder : Path
        Holds pictures that Pillow and TensorFlow read, and nothing else.
    models : sequence of ModelRecord
        Which architectures, at which sides.
    code : str
        What the process runs; the peers by default.
    """

    def __init__(self, folder: Path, models: Sequence[ModelRecord], code: str = SERVE) -> None:
        self._folder = folder
        self._models = models
        self._code = code

    def __enter__(self) -> Self:
        """Start it, and wait until its networks are built and traced.

        Raises
        ------
        BenchmarkError
            If it ends instead.
        """
        self._process = OwnProcess(self._code, _AS_TRAINING)
        try:
            sides = {model.name: model.side for model in self._models}
            self._ask({"folder": str(self._folder), "sides": sides})
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the process."""
        self._process.end()

    def measured(self, images: int) -> list[Measured]:
        """Return both ways, to be timed on all pictures; seconds are counted in the process."""
        return [Measured(name, images, partial(self._timed, name)) for name in (LOOP, PIPELINE)]

    def checks(self) -> list[Check]:
        """Compare Keras with LiteRT on the same network and pictures."""
        return [Check.model_validate(one) for one in self._ask(CHECKS)]

    def _timed(self, name: str) -> float:
        return float(self._ask(name))

    def _ask(self, question: Any) -> Any:
        """Send one line and return the answer to it."""
        try:
            return self._process.ask(question)
        except ProcessEndedError as ended:
            raise BenchmarkError(
                f"{self._folder}: expected Keras to classify its pictures. Received {ended}. "
                "Run with --no-peers to measure the rest."
            ) from ended
