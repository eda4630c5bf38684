from __future__ import annotations

import os
import subprocess
import sys

import pytest

from artemis.system.native_talk import native_talk_silenced


def test_what_is_written_to_the_descriptor_is_not_seen(capfd: pytest.CaptureFixture[str]) -> None:
    os.write(2, b"before ")
    with native_talk_silenced():
        os.write(2, b"within ")
    os.write(2, b"after")
    assert capfd.readouterr().err == "before after"


def test_errors_pass_and_standard_error_is_back(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="of a library"), native_talk_silenced():
        raise ValueError("of a library")
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"


@pytest.mark.slow
def test_tensorflow_starts_without_a_word() -> None:
    pytest.importorskip("tensorflow", reason="needs the extra `train`")
    code = "from artemis.training.jobs import require_tensorflow as r; r(); import keras"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
