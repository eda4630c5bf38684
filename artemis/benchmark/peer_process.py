"""The peers in a process of their own, so that TensorFlow is never imported in this one.

The two talk in lines of JSON: a folder and models, then the name of what to do, answered by the
seconds that it took or by the checks. The other side is `artemis.benchmark.peers.serve`.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from artemis.benchmark.processes import own_environment, own_python
from artemis.benchmark.record import Check
from artemis.benchmark.rounds import Measured
from artemis.errors import BenchmarkError
from artemis.runs import ModelRecord

LOOP: Final = "the original's loop"
PIPELINE: Final = "Keras' directory pipeline"
CHECKS: Final = "checks"
SERVE: Final = "from artemis.benchmark.peers import serve; serve()"
_PATIENCE: Final = 20.0  # seconds that it has to go by itself
_AS_TRAINING: Final = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1"}
"""oneDNN as `artemis.training.jobs.require_tensorflow` sets it: Keras as fast as it can be here."""

_WORDS: Final = 400


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
        self._said: IO[bytes] = tempfile.TemporaryFile()  # closed by __exit__
        self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and code
            own_python(self._code),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=own_environment() | _AS_TRAINING,
            text=True,
        )
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
        """End it: it goes when its standard input closes, and is killed if it does not."""
        try:
            self._process.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        self._said.close()

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
        talk_in, talk_out = self._process.stdin, self._process.stdout
        assert talk_in is not None  # noqa: S101  # for mypy: both are pipes
        assert talk_out is not None  # noqa: S101
        answer = ""
        try:
            talk_in.write(json.dumps(question) + "\n")
            talk_in.flush()
            answer = talk_out.readline()
        except BrokenPipeError:
            pass  # it ended before it was asked; said below
        if not answer:
            raise BenchmarkError(self._ended())
        return json.loads(answer)

    def _ended(self) -> str:
        code = self._process.wait()
        self._said.seek(0)
        said = self._said.read().decode(errors="replace").strip()[-_WORDS:]
        return (
            f"{self._folder}: expected Keras to classify its pictures. Received the end of its "
            f"process ({code}): {said or 'no word'}. Run with --no-peers to measure the rest."
        )
