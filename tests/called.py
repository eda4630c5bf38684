"""``artemis-cli`` in this process, which has imported already what a process of its own would."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from subprocess import CompletedProcess
from unittest.mock import patch


def called(*arguments: str | Path) -> CompletedProcess[str]:
    """Run a command; return its exit code and what it said, as `subprocess.run` does.

    For what is no fact of a process: its signals, its environment, what it imports, and whatever
    a library says past Python's own streams.
    """
    import cli

    words = [str(argument) for argument in arguments]
    _keep_streams_open()
    with (
        redirect_stdout(StringIO()) as out,
        redirect_stderr(StringIO()) as err,
        patch.dict(os.environ),
        patch.object(sys, "argv", ["artemis-cli", *words]),
    ):
        try:
            cli.main()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        finally:
            _send_logs_again()
    return CompletedProcess(words, code, out.getvalue(), err.getvalue())


def _keep_streams_open() -> None:
    """Let Prefect's import, which closes every handler of a log, not close pytest's own stream.

    TensorFlow's handler has that since its import, and closes it unless it is still `sys.stderr`.
    """
    if absl := sys.modules.get("absl.logging"):
        absl.get_absl_handler().python_handler.stream = sys.__stderr__


def _send_logs_again() -> None:
    """Undo the end of a command, after which Prefect is sent no log any more."""
    if "prefect.logging.handlers" in sys.modules:
        from prefect.logging.handlers import set_api_log_sink

        set_api_log_sink(None)
