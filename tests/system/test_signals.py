"""The end of a command by a signal, in processes of their own."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

WAITING = """
import signal, sys, threading, time
from artemis.system import signals

signals._PATIENCE = 1.0
with signals.ending_by_signal():
    {within}
    print("ready", flush=True)
    while True:
        time.sleep(60)
"""


def ended(within: str, *numbers: int) -> int:
    code = WAITING.format(within=within)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
        for number in numbers:
            one.send_signal(number)
        return one.wait(60)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_whose_handler_was_replaced_ends_the_process_all_the_same(
    number: int, code: int
) -> None:
    assert ended(f"signal.signal({number:d}, lambda *_: None)", number) == code


def test_other_signals_end_nothing() -> None:
    handled = "signal.signal(signal.SIGUSR1, lambda *_: None)"
    assert ended(handled, signal.SIGUSR1, signal.SIGTERM) == 143


def test_what_ends_by_itself_is_not_ended_later() -> None:
    code = (
        "import os, signal, time; from artemis.system import signals; signals._PATIENCE = 0.2\n"
        "with signals.ending_by_signal():\n"
        "    signal.signal(signal.SIGTERM, lambda *_: None); os.kill(os.getpid(), signal.SIGTERM)\n"
        "time.sleep(1); print('done')"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (answer.returncode, answer.stdout) == (0, "done\n")


def test_what_a_signal_cuts_short_within_the_interpreter_is_not_told() -> None:
    code = (
        "import os, signal; from artemis.system import signals\n"
        "class Cut:\n"
        "    def __del__(self): raise KeyError('thread')\n"
        "with signals.ending_by_signal():\n"
        "    try: os.kill(os.getpid(), signal.SIGINT)\n"
        "    except KeyboardInterrupt: Cut()\n"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (answer.returncode, answer.stderr) == (0, "")
