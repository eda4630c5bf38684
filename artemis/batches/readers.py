"""Processes that read and conclude chunks, so that a run uses more cores than one interpreter can.

The lock of an interpreter lets any number of threads read about two and a half times what one of
them reads. And a decoder that crashes takes its process along: here that is a reader, which is
started again and leaves out the frame that it crashed at, or did not come back from.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Final, Self

from artemis import errors
from artemis.errors import ArtemisError, ProcessEndedError, RunEndedError
from artemis.ingest.read import OPENING
from artemis.ingest.reasons import Reason
from artemis.runs import Counts, RunPaths
from artemis.system.ending import check_goes_on
from artemis.system.processes import OwnProcess

SERVE: Final = "from artemis.batches.reader_process import serve; serve()"
_TRIES: Final = 2
"""Ends at a frame that leave it out, or before any that end the run; one may be by chance."""

_FRAMES: Final = 3
"""Frames left out of a file after which all others of it are, too."""

_PATIENCE: Final = 10.0
"""Seconds that a reader has to end; it takes half of them if it is at a long read."""

READERS: Final[ContextVar[Readers | None]] = ContextVar("artemis_readers", default=None)
"""The readers of the run that this is a step of; None where a step reads by itself."""

_At = tuple[int, int]
"""Place of a file in its chunk, and frame of the file."""


@dataclass(slots=True)
class _Ends:
    """Where the readers of a step ended, and how often; which of these frames were too slow.

    What takes too long is decided: it would again. What crashes may be chance.
    """

    count: Counter[_At | None] = field(default_factory=Counter)
    slow: set[_At] = field(default_factory=set)

    def note(self, at: _At | None, exit_code: int | None) -> None:
        """Note the end of a reader, at a frame or before it came to one."""
        self.count[at] += 1
        if at is not None and exit_code == -signal.SIGPROF:
            self.slow.add(at)

    def spoilt(self) -> list[tuple[int, int, Reason]]:
        """Return which frames are to be left out, and with `OPENING` which files, and why."""
        frames = {
            at: Reason.DECODER_TOO_SLOW if at in self.slow else Reason.DECODER_CRASHED
            for at, count in self.count.items()
            if at is not None and (at in self.slow or count >= _TRIES)
        }
        files = Counter(file for file, _ in frames)
        reasons = {file: reason for (file, _), reason in frames.items()}
        whole = {(file, OPENING): reasons[file] for file, n in files.items() if n >= _FRAMES}
        return [(*at, reason) for at, reason in (frames | whole).items()]


class Readers:
    """Processes that each work on one chunk at a time; a context that ends them.

    Parameters
    ----------
    count : int
        How many at most; they are started when there is work for them.
    code : str
        What they run.
    """

    def __init__(self, count: int, code: str = SERVE) -> None:
        self._code = code
        self._closed = False
        self._before: Token[Readers | None]
        self._idle: SimpleQueue[OwnProcess | None] = SimpleQueue()
        for _ in range(count):
            self._idle.put(None)

    def __enter__(self) -> Self:
        """Make them the readers of this context's steps."""
        self._before = READERS.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End those that are idle; those at work end when they have answered, or the run ends."""
        READERS.reset(self._before)
        self._closed = True
        with suppress(Empty):
            while True:
                if (process := self._idle.get_nowait()) is not None:
                    process.end(_PATIENCE)
        self._idle.put(None)  # wakes a step that still waits for a reader

    def ingest(self, run: RunPaths, chunk: int, sides: Sequence[int]) -> Counts:
        """Do `classify.ingest_chunk`; a frame that ends a reader becomes a failed row.

        Raises
        ------
        RunEndedError
            If the run is ended meanwhile.
        ProcessEndedError
            If two readers end before they come to any frame.
        """
        question = {"step": "ingest", "run": str(run.root), "chunk": chunk, "sides": [*sides]}
        return Counts(**self._done(run, question))

    def conclude(self, run: RunPaths, chunk: int) -> int:
        """Do `artemis.batches.classify.conclude_chunk`; raises as `ingest` does."""
        return int(self._done(run, {"step": "conclude", "run": str(run.root), "chunk": chunk}))

    def _done(self, run: RunPaths, question: dict[str, Any]) -> Any:
        """Return what a reader's step returns, by another reader where one has ended."""
        ends = _Ends()
        while True:
            try:
                return self._asked(run, question | {"spoilt": ends.spoilt()}, ends)
            except _CrashedError:
                continue

    def _asked(self, run: RunPaths, question: dict[str, Any], ends: _Ends) -> Any:
        """Return what a reader's step returns; note the frame that it ends at, if it does."""
        process = self._taken(run)
        at: _At | None = None
        try:
            answer = process.ask(question)
            while "at" in answer:
                at = tuple(answer["at"])
                check_goes_on(run.run_id)
                answer = process.answer()
        except BaseException as error:
            process.end(_PATIENCE)
            self._idle.put(None)
            if not isinstance(error, ProcessEndedError):
                raise
            check_goes_on(run.run_id)  # else it is the run's end that ended it
            ends.note(at, process.exit_code)
            if ends.count[None] >= _TRIES:
                raise ProcessEndedError(
                    f"{run.run_id}: expected a process that reads its files. Received {error}. "
                    "Start the batch again, with ARTEMIS_READERS=0 if it happens again."
                ) from error
            raise _CrashedError from error
        self._give_back(process)
        if "error" in answer:
            raise _error(answer["error"], answer["arguments"])
        return answer["done"]

    def _taken(self, run: RunPaths) -> OwnProcess:
        """Wait for a reader; raise if there will be none, since one of the run's steps failed."""
        process = self._idle.get()
        if not self._closed:
            try:
                return process or OwnProcess(self._code)
            except OSError:  # no memory for it, or no room for its words: the step may be repeated
                self._idle.put(None)
                raise
        self._idle.put(process)  # wakes the next that waits
        raise RunEndedError(
            f"{run.run_id}: expected a run that goes on. Received one that was ended. "
            "Start it again."
        )

    def _give_back(self, process: OwnProcess) -> None:
        if self._closed:
            process.end(_PATIENCE)
        else:
            self._idle.put(process)


class _CrashedError(Exception):
    """A reader ended, at a frame or before it came to one."""


def _error(name: str, arguments: list[Any]) -> Exception:
    """Return the error that a reader's step raised."""
    if name == "OSError":
        return OSError(*arguments)
    kind: type[ArtemisError] = getattr(errors, name, ArtemisError)
    return kind(*arguments)
