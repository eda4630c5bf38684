"""First weights that cannot be had; those that can are in `test_architectures`."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from artemis.errors import ModelError
from artemis.models.imagenet import imagenet_weights

pytestmark = pytest.mark.slow(seconds=8)

REMEDY = "Set ARTEMIS_IMAGENET_WEIGHTS to a file of them, as Keras saves them"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gone.weights.h5"
    with pytest.raises(
        ModelError, match=rf"ARTEMIS_IMAGENET_WEIGHTS, {path}.*No such file.*{REMEDY}"
    ):
        imagenet_weights(path, 64)


@pytest.mark.parametrize("name", ["notes.txt", "other.weights.h5"])
def test_a_file_of_something_else_is_named(tmp_path: Path, name: str) -> None:
    import keras

    path = tmp_path / name
    path.write_text("no weights")
    if name.endswith("h5"):
        other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        other.save_weights(path, overwrite=True)
    with pytest.raises(ModelError, match=rf"_WEIGHTS, {path}. Received: .*{REMEDY}"):
        imagenet_weights(path, 64)


def test_a_download_that_fails_is_named_and_standard_output_stays_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # where nothing listens
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(ModelError, match=rf"its download by Keras. Received: URL fetch.*{REMEDY}"):
        imagenet_weights("imagenet", 64)
    assert capsys.readouterr().out == ""
