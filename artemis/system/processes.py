"""Python processes that run this code and no other of the same name, and talk in lines of JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from artemis.errors import ProcessEndedError

_ROOT: Final = Path(__file__).resolve().parents[2]
_PATIENCE: Final = 20.0
"""Seconds that a process has to go by itself."""

_WORDS: Final = 400
"""Characters of what it said last that an error repeats."""


def own_python(code: str, *arguments: str) -> list[str]:
    """Return the command that runs `code` in this interpreter.

    ``-P`` keeps the working directory off the path: a user's ``cli.py`` may lie there.
    """
    return [sys.executable, "-P", "-c", code, *arguments]


def own_environment() -> dict[str, str]:
    """Return this environment with this code first on the path, installed or not."""
    others = os.environ.get("PYTHONPATH")
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(_ROOT), *([others] if others else [])])}


class OwnProcess:
    """A process that answers each line of JSON with lines of JSON, until its input closes.

    Parameters
    ----------
    code : str
        What it runs, see `own_python`.
    environment : mapping of str to str, optional
        Variables beside this process's own.
    """

    def __init__(self, code: str, environment: Mapping[str, str] | None = None) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `end`
        self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and code
            own_python(code),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=own_environment() | dict(environment or {}),
            text=True,
            encoding="utf-8",
        )

    def ask(self, question: Any) -> Any:
        """Send one line and return the first line of the answer.

        Raises
        ------
        ProcessEndedError
            If it ends instead.
        """
        talk = self._process.stdin
        assert talk is not None  # noqa: S101  # for mypy: it is a pipe
        try:
            talk.write(json.dumps(question) + "\n")
            talk.flush()
        except BrokenPipeError:
            pass  # it ended before it was asked; said where its answer is read
        return self.answer()

    def answer(self) -> Any:
        """Return one more line of the answer.

        Raises
        ------
        ProcessEndedError
            If it ends instead.
        """
        talk = self._process.stdout
        assert talk is not None  # noqa: S101  # for mypy: it is a pipe
        line = talk.readline()
        if not line.endswith("\n"):  # nothing, or what it was at when it ended
            code = self._process.wait()
            self._said.seek(0)
            said = self._said.read().decode(errors="replace").strip()
            raise ProcessEndedError(
                f"the end of its process ({code}): {said[-_WORDS:] or 'no word'}"
            )
        return json.loads(line)

    @property
    def exit_code(self) -> int | None:
        """Its exit code, or less than 0, the signal that ended it; None while it lives."""
        return self._process.poll()

    def end(self, patience: float = _PATIENCE) -> None:
        """End it: it goes when its standard input closes, and is killed if it does not.

        Parameters
        ----------
        patience : float
            Seconds that it has for that.
        """
        try:
            self._process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        self._said.close()
