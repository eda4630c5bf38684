"""The side of `artemis.batches.readers` that reads: a process that a hostile file may crash.

It answers each line of JSON, a step and its chunk, with the step's outcome; before that it says,
line by line, at which frame it is, so that the frame is known if it ends there. At a frame that
takes too long the system ends it (`signal.ITIMER_PROF`, whose signal nothing here handles): what
a decoder is at, no Python code interrupts.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any, Final

from artemis.batches.classify import conclude_chunk, ingest_chunk
from artemis.errors import ArtemisError
from artemis.ingest.reasons import Reason
from artemis.runs import RunPaths, read_record
from artemis.system.allocator import give_back, share_heaps
from artemis.system.ending import watching

_INPUT_ENDS: Final = ""
_PATIENCE: Final = 5.0
"""Seconds from the end of the input to that of the process, which may be at a long read."""


def serve() -> None:
    """Answer `artemis.batches.readers` until standard input closes, in mid-chunk if need be."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command decides what an interrupt ends
    share_heaps()
    questions: SimpleQueue[str] = SimpleQueue()
    closed = threading.Event()
    threading.Thread(target=_listen, args=(questions, closed), daemon=True).start()
    with _own_output() as talk, watching(closed.is_set):
        while question := questions.get():
            answer = _answered(json.loads(question), talk)
            give_back()
            _say(talk, answer)


def _own_output() -> IO[str]:
    """Return standard output for answers alone; what a library prints goes to standard error."""
    talk = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return talk


def _listen(questions: SimpleQueue[str], closed: threading.Event) -> None:
    for line in sys.stdin:
        questions.put(line)
    closed.set()
    questions.put(_INPUT_ENDS)
    time.sleep(_PATIENCE)
    os._exit(1)


def _answered(question: dict[str, Any], talk: IO[str]) -> dict[str, Any]:
    root, chunk = Path(question["run"]), question["chunk"]
    run = RunPaths(root.parent.parent, root.name)
    known = {(entry, frame): Reason(reason) for entry, frame, reason in question["spoilt"]}

    def spoilt(entry: int, frame: int) -> Reason | None:
        if (reason := known.get((entry, frame))) is None:
            _say(talk, {"at": [entry, frame]})
            signal.setitimer(signal.ITIMER_PROF, record.settings.ingest.max_read_seconds)
        return reason

    try:
        record = read_record(root)
        if question["step"] == "conclude":
            return {"done": conclude_chunk(run, record, chunk)}
        try:
            counts = ingest_chunk(run, record, chunk, question["sides"], spoilt)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        return {"done": counts.model_dump()}
    except OSError as error:
        return {"error": "OSError", "arguments": _arguments(error)}
    except ArtemisError as error:
        return {"error": type(error).__name__, "arguments": [str(error)]}


def _arguments(error: OSError) -> list[Any]:
    """Return what makes the same error again, with the file that it names."""
    if error.errno is None:  # of a library's own, which is its text alone
        return [str(error)]
    name = error.filename
    named = [os.fsdecode(name)] if isinstance(name, str | bytes | os.PathLike) else []
    return [error.errno, error.strerror or str(error), *named]


def _say(talk: IO[str], answer: dict[str, Any]) -> None:
    talk.write(json.dumps(answer) + "\n")
    talk.flush()
