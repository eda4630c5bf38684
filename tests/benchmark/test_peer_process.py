"""The peers' own process, where it ends; how they answer is tested with the benchmark."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from artemis.benchmark.peer_process import PeerProcess
from artemis.errors import BenchmarkError


@pytest.fixture
def batch(samples: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "batch"
    folder.mkdir()
    for name in ("coronal_no_lesion.png", "sagittal_no_lesion.jpg"):
        shutil.copy(samples / name, folder)
    return folder


def test_a_process_that_ends_is_told_with_its_last_words(batch: Path) -> None:
    code = "import sys; sys.exit('no such thing as Keras')"
    with (
        pytest.raises(
            BenchmarkError, match=r"Received the end of its process \(1\): no such thing"
        ),
        PeerProcess(batch, [], code),
    ):
        pass


def test_a_folder_that_keras_cannot_read_is_told(batch: Path) -> None:
    code = "import sys; sys.stdin.readline(); print(0, flush=True); sys.stdin.readline()"
    with PeerProcess(batch, [], code) as peers:
        loop, _ = peers.measured(2)
        with pytest.raises(BenchmarkError, match=r"Received the end of its process \(0\): no word"):
            loop.call()
