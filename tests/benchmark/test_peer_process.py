"""The peers in their own process: real TensorFlow, real pictures."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from artemis.batches.batch import model_records
from artemis.benchmark.peer_process import LOOP, PIPELINE, PeerProcess
from artemis.errors import BenchmarkError


@pytest.fixture
def batch(samples: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "batch"
    folder.mkdir()
    for name in ("coronal_no_lesion.png", "sagittal_no_lesion.jpg"):
        shutil.copy(samples / name, folder)
    return folder


@pytest.mark.slow
def test_peers_answer_every_picture_and_keras_says_what_litert_says(
    batch: Path, tmp_path: Path
) -> None:
    pytest.importorskip("tensorflow", reason="needs the extra `train`")
    loaded = set(sys.modules)
    with PeerProcess(batch, model_records(tmp_path, ["baseline"])) as peers:
        measured = peers.measured(2)
        assert [(one.name, one.images) for one in measured] == [(LOOP, 2), (PIPELINE, 2)]
        assert all((one.call() or 0) > 0 for one in measured)
        (check,) = peers.checks()
    assert check.name == "baseline: Keras and LiteRT"
    assert check.passed
    assert "tensorflow" not in set(sys.modules) - loaded


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
